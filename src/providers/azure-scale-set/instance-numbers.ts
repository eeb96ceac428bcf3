import { FleetError } from '../../fleet/errors.ts';
import type { BatchCall } from '../../fleet/provider.ts';
import { instancesOf } from '../instances-of.ts';
import type { ScaleSet } from './placement.ts';

/**
 * The vendor's instance numbers of a call's members, in their order. Throws FleetError `invalid` for a call without
 * members, a member without an instance, and an instance that is none of this set's.
 */
export function numbersOf(set: ScaleSet, call: BatchCall): string[] {
  const prefix = `${set.id}/virtualmachines/`;
  const numbers = instancesOf(call).map((instance) => {
    const number = instance.startsWith(prefix) ? instance.slice(prefix.length) : '';
    if (/^\d+$/.test(number)) return number;
    throw invalid(
      `${instance} is not an instance of the scale set ${set.id} (by its full resource id in lower case).`,
    );
  });
  return named(numbers);
}

/**
 * The same numbers, once it is certain that there are some. A call with empty or missing instanceIds means ALL
 * instances of the set, so every list passes here on its way to the wire.
 */
export function named(numbers: Iterable<string>): string[] {
  const list = [...numbers];
  if (list.length === 0 || list.some((number) => !/^\d+$/.test(number))) {
    throw invalid(
      'Refused a call that names no instances: Azure would apply it to every machine of the set.',
    );
  }
  return list;
}

function invalid(message: string): FleetError {
  return new FleetError(message, { code: 'invalid', remedy: 'give-up' });
}

import { FleetError } from '../fleet/errors.ts';
import type { BatchCall } from '../fleet/provider.ts';

/**
 * The instances that a call names, each once; none for a launch. Throws FleetError `invalid` where a member has no
 * instance or there is no member at all: in a vendor's call a list that is empty or missing may mean "all".
 */
export function instancesOf(call: BatchCall): readonly string[] {
  if (call.members.length === 0) throw invalid(call, 'has no members');
  if (call.verb === 'launch') return [];
  const named = call.members.flatMap((member) => member.instance ?? []);
  if (named.length < call.members.length) throw invalid(call, 'has a member without an instance');
  return [...new Set(named)];
}

function invalid(call: BatchCall, what: string): FleetError {
  return new FleetError(`The ${call.verb} of batch ${call.batch} ${what}; it is not sent.`, {
    code: 'invalid',
    remedy: 'give-up',
  });
}

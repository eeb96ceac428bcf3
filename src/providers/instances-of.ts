import { FleetError } from '../fleet/errors.ts';
import type { BatchCall, LeftOver, Placement } from '../fleet/provider.ts';

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

/** For a cloud of which nothing, or nothing of this kind, is ever left over: it lists none. */
export async function refuseLeftOver(placement: Placement, { kind, id }: LeftOver): Promise<never> {
  const at = `${placement.pool}/${placement.name}`;
  throw new FleetError(`No ${kind} is ever left over at ${at}, so ${id} is not deleted.`, {
    code: 'invalid',
    remedy: 'give-up',
  });
}

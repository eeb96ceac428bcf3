import { WORKED_ON } from '../../fleet/provider.ts';
import type { JoinAct, JoinAnswer } from '../../fleet/store.ts';
import { isClaimable, nextState, putClaimed } from './claim.ts';
import type { Memory } from './memory.ts';
import { type BatchRow, type MachineRow, memberKey } from './rows.ts';

/** Claims a machine into the open batch of its lane, verb and group; a full one takes no more. */
export function join(memory: Memory, act: JoinAct): JoinAnswer {
  const { tables } = memory;
  const { batch, opened } = openBatch(memory, act);
  const old = tables.machines.get(act.machine);
  if (old === undefined || !isJoinable(old, act)) return { granted: false, machine: old };
  const machine = putClaimed(tables, old, { ...act, batch: batch.id });
  const { token, instance } = machine;
  const id = memberKey(batch.id, machine.id);
  const member = { id, batch: batch.id, machine: machine.id, token, instance };
  tables.members.put({ ...member, state: 'pending', failure: null });
  const count = batch.count + 1;
  tables.batches.put({ ...batch, count, filled: count >= batch.size });
  return { granted: true, machine, batch: { id: batch.id, closeAt: batch.closeAt, opened } };
}

function isJoinable(old: MachineRow, act: JoinAct): boolean {
  return isClaimable(old, act) && nextState(old, act.step) === WORKED_ON[act.verb];
}

function openBatch({ tables, newId }: Memory, act: JoinAct): { batch: BatchRow; opened: boolean } {
  const { lane, verb, group } = act;
  const [found] = tables.batches.where(
    (each) =>
      each.state === 'open' &&
      !each.filled &&
      each.lane === lane &&
      each.verb === verb &&
      each.group === group,
  );
  const batch: BatchRow =
    found === undefined
      ? {
          ...EMPTY,
          ...{ id: newId('batch'), lane, verb, group, placement: act.placement, size: act.size },
          ...{ closeAt: act.closeAt, openedAt: act.now, changedBy: act.by, changedAt: act.now },
        }
      : { ...found, changedAt: act.now };
  tables.batches.put(batch);
  return { batch, opened: found === undefined };
}

const EMPTY = {
  state: 'open',
  token: 0,
  count: 0,
  filled: false,
  holdsLane: false,
  inDoubt: false,
  handle: null,
  claimedUntil: null,
  lookAt: null,
  failures: 0,
  failure: null,
  ring: 0,
  rungAt: null,
  endedAt: null,
} as const;

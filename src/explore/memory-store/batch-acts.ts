import type { Batch, BatchAct, BatchActs } from '../../fleet/store.ts';
import { dueAt, isFree, isPast } from './due.ts';
import { atomic, type Memory } from './memory.ts';
import { recordLook, wakeLane } from './record-look.ts';
import type { BatchRow, MemberRow } from './rows.ts';
import { failMembers, retireMembers } from './settle-members.ts';
import type { Tables } from './tables.ts';
import { membersOf, toBatch } from './to-batch.ts';

export function createBatchActs(memory: Memory): BatchActs {
  return {
    lookBatch: (batch) => {
      const row = memory.tables.batches.get(batch);
      return Promise.resolve(row === undefined ? undefined : toBatch(memory.tables, row));
    },
    closeBatch: atomic(memory, closeBatch),
    claimBatch: atomic(memory, claimBatch),
    claimLane: atomic(memory, claimLane),
    recordLook: atomic(memory, recordLook),
    delayBatch: atomic(memory, delayBatch),
    renewBatch: atomic(memory, renewBatch),
    failBatch: atomic(memory, failBatch),
  };
}

function closeBatch({ tables }: Memory, act: BatchAct): Batch | undefined {
  const row = tables.batches.get(act.batch);
  if (row?.state !== 'open' || row.closeAt > act.now) return undefined;
  if (tables.freezes.get(row.verb) !== undefined) return undefined;
  if (tables.batches.where((each) => each.lane === row.lane && each.holdsLane).length > 0) return undefined;
  const closed: BatchRow = {
    ...row,
    ...{ state: 'closed', holdsLane: true, inDoubt: true, token: row.token + 1, claimedUntil: act.until },
    ...{ changedBy: act.by, changedAt: act.now },
  };
  tables.batches.put(closed);
  for (const member of membersOf(tables, row.id)) startProvisioning(tables, member, act);
  return toBatch(tables, closed);
}

/** What a launch was closed with is being provisioned from the same commit on. */
function startProvisioning(tables: Tables, member: MemberRow, act: BatchAct): void {
  const machine = tables.machines.get(member.machine);
  if (machine?.state !== 'requested' || machine.batch !== member.batch || machine.token !== member.token)
    return;
  const deadlines = tables.pools.get(machine.pool)?.pool.deadlines ?? {};
  tables.machines.put({
    ...machine,
    ...{ state: 'provisioning', stateSince: act.now, deadlineAt: dueAt(act.now, deadlines, 'provisioning') },
    ...{ changedBy: act.by, changedAt: act.now },
  });
}

function claimBatch(memory: Memory, act: BatchAct & { replaySafe: boolean }): Batch | undefined {
  const { tables } = memory;
  const row = tables.batches.get(act.batch);
  if (row === undefined || !isFree(row.claimedUntil, act.now) || !isDue(row, act.now)) return undefined;
  const claimed = withClaim(row, act);
  tables.batches.put({ ...claimed, inDoubt: row.state === 'closed' });
  // Somebody sent it and never told what came of it: what it did to these machines will not be known for certain.
  if (row.inDoubt && !act.replaySafe) {
    retireMembers(memory, { batch: row.id, now: act.now, by: act.by, why: 'its call was taken over' });
  }
  return toBatch(tables, claimed);
}

function isDue(row: BatchRow, now: Date): boolean {
  return (row.state === 'closed' && row.closeAt <= now) || (row.state === 'sent' && isPast(row.lookAt, now));
}

function withClaim(row: BatchRow, act: Omit<BatchAct, 'batch'>): BatchRow {
  const { until, by, now } = act;
  return { ...row, token: row.token + 1, claimedUntil: until, changedBy: by, changedAt: now };
}

function claimLane({ tables }: Memory, act: Omit<BatchAct, 'batch'> & { lane: string }): readonly Batch[] {
  const due = tables.batches
    .where((row) => row.lane === act.lane && row.state === 'sent' && isPast(row.lookAt, act.now))
    .filter((row) => isFree(row.claimedUntil, act.now))
    .map((row) => withClaim(row, act));
  for (const row of due) tables.batches.put(row);
  return due.map((row) => toBatch(tables, row));
}

function delayBatch({ tables }: Memory, act: Parameters<BatchActs['delayBatch']>[0]): boolean {
  const row = tables.batches.get(act.batch);
  if (row?.token !== act.token || (row.state !== 'closed' && row.state !== 'sent')) return false;
  tables.batches.put({
    ...row,
    ...{ failures: row.failures + 1, failure: act.failure, claimedUntil: null, inDoubt: act.inDoubt },
    lookAt: row.state === 'sent' ? act.until : null,
    closeAt: row.state === 'sent' ? row.closeAt : act.until,
    changedAt: act.now,
  });
  return true;
}

function renewBatch({ tables }: Memory, act: Parameters<BatchActs['renewBatch']>[0]): boolean {
  const row = tables.batches.get(act.batch);
  if (row?.token !== act.token || row.endedAt !== null) return false;
  tables.batches.put({ ...row, claimedUntil: act.until });
  return true;
}

function failBatch(memory: Memory, act: Parameters<BatchActs['failBatch']>[0]): boolean {
  const { tables } = memory;
  const row = tables.batches.get(act.batch);
  if (row?.token !== act.token || row.state === 'ended') return false;
  const { now, by, failure } = act;
  const batch = toBatch(tables, row);
  failMembers(memory, { batch, failed: batch.pending.map((machine) => ({ machine, failure })), now, by });
  tables.batches.put({
    ...row,
    ...{ state: 'ended', holdsLane: false, endedAt: now, claimedUntil: null, failure },
    ...{ changedBy: by, changedAt: now },
  });
  wakeLane(tables, row.lane, now);
  return true;
}

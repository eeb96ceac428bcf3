import type { Lease } from '../../fleet/pool.ts';
import type { EndLeaseAct, LeaseActs } from '../../fleet/store.ts';
import { ringFlow } from './bells.ts';
import { after, byOrder, ENDING_MS, isPast } from './due.ts';
import { areHoursReached } from './machine-hours.ts';
import { match } from './match.ts';
import { atomic, type Memory } from './memory.ts';
import { AT_ONCE_MS } from './open-intent.ts';
import type { LeaseRow, MachineRow } from './rows.ts';
import type { Tables } from './tables.ts';
import { toLease } from './to-lease.ts';

export function createLeaseActs(memory: Memory): LeaseActs {
  return {
    requestLease: atomic(memory, requestLease),
    readLease: (lease) => {
      const row = memory.tables.leases.get(lease);
      return Promise.resolve(row === undefined ? undefined : toLease(memory.tables, row));
    },
    heartbeat: atomic(memory, heartbeat),
    endLease: atomic(memory, endLease),
    match: atomic(memory, match),
    expireLeases: atomic(memory, expireLeases),
  };
}

function requestLease(
  { tables }: Memory,
  act: Parameters<LeaseActs['requestLease']>[0],
): { lease: Lease; created: boolean } | 'conflict' {
  const { request, now } = act;
  const { owner, idempotencyKey, selector: _selector, ...asked } = request;
  const [known] =
    idempotencyKey === null
      ? []
      : tables.leases.where((each) => each.owner === owner && each.idempotencyKey === idempotencyKey);
  if (known !== undefined) {
    return known.digest === act.digest ? { lease: toLease(tables, known), created: false } : 'conflict';
  }
  const row: LeaseRow = {
    ...{
      id: act.id,
      owner,
      idempotencyKey,
      digest: act.digest,
      state: 'pending',
      outcome: null,
      reason: null,
    },
    ...{ ...asked, pools: act.pools, pool: null, machine: null, retries: 0, retryOf: null, retriedBy: null },
    ...{ requestedAt: now, activeAt: null, endedAt: null, changedAt: now },
    deadlineAt: after(now, request.waitTimeoutMs),
  };
  tables.leases.put(row);
  return { lease: toLease(tables, row), created: true };
}

function heartbeat({ tables }: Memory, act: Parameters<LeaseActs['heartbeat']>[0]): Lease | undefined {
  const row = tables.leases.get(act.lease);
  if (row?.owner !== act.owner) return undefined;
  if (row.state !== 'active' || row.activeAt === null) return toLease(tables, row);
  const next = after(act.now, row.heartbeatTimeoutMs);
  const last = after(row.activeAt, row.maxDurationMs);
  const kept = { ...row, changedAt: act.now, deadlineAt: next < last ? next : last };
  tables.leases.put(kept);
  return toLease(tables, kept);
}

function endLease(memory: Memory, act: EndLeaseAct): Lease | undefined {
  const { tables } = memory;
  end(memory, { ...act, overdue: false });
  const row = tables.leases.get(act.lease);
  return row === undefined || (act.owner !== null && row.owner !== act.owner)
    ? undefined
    : toLease(tables, row);
}

function expireLeases(memory: Memory, act: { now: Date; by: string; limit: number }): readonly Lease[] {
  const { tables } = memory;
  const { now, by } = act;
  // An ending lease waits for its machine, whose own overdue states are recovered one by one.
  for (const row of tables.leases.where((each) => each.state === 'ending' && isPast(each.deadlineAt, now))) {
    tables.leases.put({ ...row, deadlineAt: after(now, ENDING_MS), changedAt: now });
  }
  const overdue = tables.leases
    .where((row) => row.state !== 'ending' && isPast(row.deadlineAt, now))
    .toSorted(byOrder((row) => [row.deadlineAt?.getTime() ?? 0]))
    .slice(0, act.limit);
  for (const row of overdue) {
    const reason = reasonOf(tables, row, now);
    end(memory, { lease: row.id, owner: null, outcome: 'expired', reason, by, now, overdue: true });
  }
  return overdue.map((row) => toLease(tables, tables.leases.get(row.id) ?? row));
}

function reasonOf(tables: Tables, row: LeaseRow, now: Date): string {
  if (row.state === 'pending') {
    const serving = tables.pools.where((each) => row.pools.includes(each.id) && !each.pool.draining);
    if (serving.length === 0) return 'pool-drained';
    return serving.every((each) => areHoursReached(tables, each)) ? 'max-machine-hours' : 'no-capacity';
  }
  return row.activeAt !== null && after(row.activeAt, row.maxDurationMs) <= now
    ? 'max-duration'
    : 'heartbeat';
}

/** What follows a lease is its pool's policy, written as its machine's intent in the same act. */
function end(memory: Memory, act: EndLeaseAct & { overdue: boolean }): void {
  const { tables } = memory;
  const row = tables.leases.get(act.lease);
  if (row === undefined || (act.owner !== null && row.owner !== act.owner)) return;
  if (act.overdue && !isPast(row.deadlineAt, act.now)) return;
  if (row.state === 'active') return endActive(memory, row, act);
  if (row.state !== 'pending') return;
  const outcome = act.overdue ? 'failed' : 'cancelled';
  const ended = { reason: act.reason, endedAt: act.now, deadlineAt: null, changedAt: act.now };
  tables.leases.put({ ...row, ...ended, state: outcome, outcome });
}

function endActive(memory: Memory, row: LeaseRow, act: EndLeaseAct): void {
  const { tables } = memory;
  const machine = row.machine === null ? undefined : tables.machines.get(row.machine);
  if (machine === undefined) return;
  const { outcome, reason, now } = act;
  const deadlineAt = after(now, ENDING_MS);
  tables.leases.put({ ...row, state: 'ending', outcome, reason, deadlineAt, changedAt: now });
  if (machine.intent === null) openAfterLease(memory, machine, act);
}

function openAfterLease({ tables, newId }: Memory, machine: MachineRow, act: EndLeaseAct): void {
  const pool = tables.pools.get(machine.pool)?.pool;
  if (pool === undefined) return;
  const isWorn = pool.maxUses !== null && machine.uses >= pool.maxUses;
  const kind = pool.draining || pool.recycle === 'delete' || isWorn ? 'retire' : 'recycle';
  const intent = newId('intent');
  tables.intents.put({
    ...{ id: intent, machine: machine.id, kind, reason: `lease ${act.outcome}` },
    ...{ closedAt: null, closedWhy: null },
  });
  const ended: MachineRow = {
    ...machine,
    ...{
      intent,
      intentKind: kind,
      deadlineAt: after(act.now, AT_ONCE_MS),
      ring: 0,
      failures: 0,
      failure: null,
    },
    ...{ changedBy: act.by, changedAt: act.now },
  };
  tables.machines.put(ended);
  ringFlow(tables, ended, act.now);
}

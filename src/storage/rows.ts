import type { IntentKind, LeaseState, MachineState, Step } from '../fleet/lifecycle.ts';
import type { Lease } from '../fleet/pool.ts';
import type { Json, Placement, Verb } from '../fleet/provider.ts';
import type { Batch, Machine } from '../fleet/store.ts';
import type { Row } from './database.ts';

export const MACHINE_COLUMNS = `id, pool, placement, state, intent_id, intent_kind, token, claimed_until, claimed_by, batch_id,
  lease_id, instance_id, address, clean, halted, uses, owed, ring, deadline_at, state_since, failures, failure,
  refusals, refused_since`;

/** The columns of MACHINE_COLUMNS under a table's alias. */
export function machineColumns(alias: string): string {
  return MACHINE_COLUMNS.replaceAll(/\w+/g, (column) => `${alias}.${column}`);
}

export function toMachine(row: Row): Machine {
  return {
    id: row['id'] as string,
    pool: row['pool'] as string,
    placement: row['placement'] as string,
    state: row['state'] as MachineState,
    intent: row['intent_id'] as string | null,
    intentKind: row['intent_kind'] as IntentKind | null,
    token: row['token'] as number,
    claimedUntil: row['claimed_until'] as Date | null,
    claimedBy: row['claimed_by'] as string | null,
    batch: row['batch_id'] as string | null,
    lease: row['lease_id'] as string | null,
    instance: row['instance_id'] as string | null,
    address: row['address'] as string | null,
    clean: row['clean'] as boolean,
    halted: row['halted'] as boolean,
    uses: row['uses'] as number,
    owed: row['owed'] as Step | null,
    ring: row['ring'] as number,
    deadlineAt: row['deadline_at'] as Date | null,
    stateSince: row['state_since'] as Date,
    failures: row['failures'] as number,
    failure: row['failure'] as string | null,
    refusals: row['refusals'] as number,
    refusedSince: row['refused_since'] as Date | null,
  };
}

export const LEASE_SELECT = `select l.*, m.address from lease l left join machine m on m.id = l.held`;

/** A lease's address is shown only while its hold stands. */
export function toLease(row: Row): Lease {
  return {
    id: row['id'] as string,
    owner: row['owner'] as string,
    state: row['state'] as LeaseState,
    outcome: row['outcome'] as string | null,
    reason: row['reason'] as string | null,
    pools: row['pools'] as string[],
    pool: row['pool'] as string | null,
    machine: row['machine_id'] as string | null,
    address: (row['address'] as string | null | undefined) ?? null,
    priority: row['priority'] as number,
    requestedAt: row['requested_at'] as Date,
    activeAt: row['active_at'] as Date | null,
    endedAt: row['ended_at'] as Date | null,
    deadlineAt: row['deadline_at'] as Date | null,
    heartbeatTimeoutMs: row['heartbeat_timeout_ms'] as number,
    maxDurationMs: row['max_duration_ms'] as number,
    maxRetries: row['max_retries'] as number,
    retries: row['retries'] as number,
    retryOf: row['retry_of'] as string | null,
    retriedBy: row['retried_by'] as string | null,
  };
}

/** A batch's row and its members' rows: `members` is everything it was closed with, in a fixed order. */
export function toBatch(row: Row, members: readonly Row[]): Batch {
  const sorted = members.toSorted((a, b) => (String(a['machine_id']) < String(b['machine_id']) ? -1 : 1));
  return {
    id: row['id'] as string,
    lane: row['lane'] as string,
    verb: row['verb'] as Verb,
    placement: row['placement'] as Placement,
    state: row['state'] as Batch['state'],
    token: row['token'] as number,
    closeAt: row['close_at'] as Date,
    claimedUntil: row['claimed_until'] as Date | null,
    lookAt: row['look_at'] as Date | null,
    handle: row['handle'] as Json,
    members: sorted.map((member) => ({
      machine: member['machine_id'] as string,
      instance: member['instance_id'] as string | null,
    })),
    pending: sorted
      .filter((member) => member['state'] === 'pending')
      .map((member) => member['machine_id'] as string),
    failures: row['failures'] as number,
  };
}

/** How long a lease may be ending: longer than its machine's stop and release, which have deadlines of their own. */
export const ENDING = `interval '15 minutes'`;

/** When a state that begins now is overdue; null where the pool sets it no deadline. */
export function deadlineSql(now: string, deadlines: string, state: string): string {
  return `${now} + (${deadlines} ->> ${state})::double precision * interval '1 millisecond'`;
}

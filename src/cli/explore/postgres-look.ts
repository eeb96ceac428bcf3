import type { PostgresSession } from '../../embedded/postgres-session.ts';
import type {
  SeenBatch,
  SeenInstance,
  SeenLease,
  SeenMachine,
  StoreLook,
} from '../../explore/explored-store.ts';

export interface PostgresLook {
  look: StoreLook;
  /** Sees everything anew, in one snapshot; answers the number of the last logged write. */
  refresh(): Promise<number>;
}

/** What the explorer sees of a database with `LOOK_FUNCTION`: what stood in it at the last `refresh`. */
export function createPostgresLook(session: PostgresSession): PostgresLook {
  let now: Now = { seq: 0, machineCount: 0, leaseCount: 0, bells: false, batches: [], rows: null };
  let rows: Rows = { machines: [], leases: [], instances: [] };
  return {
    look: {
      machines: () => rows.machines,
      leases: () => rows.leases,
      batches: () => now.batches,
      instances: () => rows.instances,
      hasBells: () => now.bells,
    },
    async refresh() {
      const known = [now.seq, now.machineCount, now.leaseCount];
      const [row] = await session.query('select explored_look($1, $2, $3) as now', known);
      // What the function below makes.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      now = row?.['now'] as Now;
      rows = now.rows ?? rows;
      return now.seq;
    },
  };
}

interface Now {
  seq: number;
  machineCount: number;
  leaseCount: number;
  bells: boolean;
  /** Those that have not ended. */
  batches: SeenBatch[];
  /** Null where they are as they were. */
  rows: Rows | null;
}

interface Rows {
  machines: SeenMachine[];
  leases: SeenLease[];
  /** Those that are not gone. */
  instances: SeenInstance[];
}

/**
 * Most acts change nothing. What is seen of machines, leases and instances changes with a logged write, or a purge.
 * A function has its statements planned once for each connection.
 */
export const LOOK_FUNCTION = `create function explored_look(known_seq bigint, known_machines bigint, known_leases bigint)
  returns json language plpgsql stable as $$
  declare
    seq bigint := (select coalesce(max(t.seq), 0) from transition t);
    machines bigint := (select count(*) from machine);
    leases bigint := (select count(*) from lease);
    rows json;
  begin
    if (seq, machines, leases) is distinct from (known_seq, known_machines, known_leases) then
      rows := json_build_object(
        'machines', (select coalesce(json_agg(json_build_object('id', id, 'pool', pool, 'state', state,
            'intent', intent_id, 'intentKind', intent_kind, 'batch', batch_id, 'instance', instance_id)
            order by created_at, id), '[]') from machine),
        'leases', (select coalesce(json_agg(json_build_object('id', id, 'owner', owner, 'idempotencyKey', idempotency_key,
            'digest', digest, 'state', state, 'pools', pools) order by requested_at, id), '[]') from lease),
        'instances', (select coalesce(json_agg(json_build_object('id', id, 'isGone', false) order by id), '[]')
            from instance where gone_at is null));
    end if;
    return json_build_object('seq', seq, 'machineCount', machines, 'leaseCount', leases,
      'bells', exists (select from outbox), 'rows', rows,
      'batches', (select coalesce(json_agg(json_build_object('id', id, 'state', state) order by opened_at, id), '[]')
        from batch where ended_at is null));
  end $$`;

import type { MutableParts } from '../../src/explore/explore.ts';
import type { Tables } from '../../src/explore/memory-store/tables.ts';
import type { Lease } from '../../src/fleet/pool.ts';
import type { Ports } from '../../src/fleet/ports.ts';
import type { Look } from '../../src/fleet/provider.ts';
import type { SweepResult } from '../../src/fleet/reconcile-acts.ts';
import type { Machine } from '../../src/fleet/store.ts';

export interface Mutant {
  /** What is wrong with it. */
  name: string;
  mutate(parts: MutableParts): Partial<MutableParts>;
  /** Runs without what the database refuses by itself, which would notice first. */
  unfenced?: boolean;
  /** Any of these invariants is enough to have noticed. */
  breaks: readonly string[];
}

/** Each is found within this many seeds. */
export const SEEDS = 200;

/** Programs that are wrong in one thing each. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a match that does not look at intents',
    breaks: ['I3'],
    mutate: ({ store, tables }) => ({
      store: { ...store, match: async (act) => [...(await store.match(act)), ...matchBarred(tables, act)] },
    }),
  },
  {
    name: 'a takeover of a call in doubt that does not retire its machines',
    breaks: ['I1'],
    mutate: ({ store }) => ({
      store: { ...store, claimBatch: (act) => store.claimBatch({ ...act, replaySafe: true }) },
    }),
  },
  {
    name: "a member's finish that ignores its fencing token",
    breaks: ['I1', 'I9'],
    unfenced: true,
    mutate: ({ store, tables }) => ({
      store: {
        ...store,
        recordLook(act) {
          tables.transaction(() => takeBack(tables, act.batch));
          return store.recordLook(act);
        },
      },
    }),
  },
  {
    name: 'a stop that has the machine deleted before it is released',
    breaks: ['I1'],
    mutate: ({ workers, tables }) => ({
      workers: {
        ...workers,
        async stop(ports, job, signal) {
          const machine = tables.machines.get(job.machine);
          if (machine?.intentKind === 'retire' && machine.instance !== null)
            await deleteNow(ports, machine, signal);
          return workers.stop(ports, job, signal);
        },
      },
    }),
  },
  {
    name: 'a delete that does not wait for the release, in a database that refuses nothing',
    breaks: ['I1'],
    unfenced: true,
    mutate: ({ store, tables, workers }) => ({
      workers: {
        ...workers,
        async delete(ports, job, signal) {
          const row = tables.machines.get(job.machine);
          const isHeld = row?.state === 'stopped' && row.intentKind === 'retire' && row.batch === null;
          if (row !== undefined && isHeld) {
            const moved = { state: 'released', changedAt: ports.clock.now() } as const;
            tables.transaction(() => tables.machines.put({ ...row, ...moved }));
          }
          return workers.delete(ports, job, signal);
        },
      },
      store: {
        ...store,
        async unattended(act) {
          const rings = await store.unattended(act);
          return rings.map((ring) => (ring.step === 'release' ? { ...ring, step: 'delete' } : ring));
        },
        async ringAgain({ ring, now }) {
          const row = tables.machines.get(ring.machine ?? '');
          if (row?.state !== 'stopped' || row.intent === null) return store.ringAgain({ ring, now });
          const { id: machine, pool, intent } = row;
          const n = tables.count();
          const bell = { kind: 'step', machine, pool, intent, step: 'delete', ring: 90 + n } as const;
          tables.bells.put({ ...bell, id: String(n), n, dueAt: now, tries: 0 });
          return true;
        },
      },
    }),
  },
  {
    name: 'a reset that is taken for done because the machine runs',
    breaks: ['I4'],
    mutate: ({ store, tables }) => ({
      store: {
        ...store,
        recordLook: (act) =>
          store.recordLook(
            tables.batches.get(act.batch)?.verb === 'reset' ? { ...act, look: allDone(act.look) } : act,
          ),
      },
    }),
  },
  {
    name: 'a deletion that is taken for done before the cloud has said so',
    breaks: ['I11', 'I7'],
    mutate: ({ store, tables }) => ({
      store: {
        ...store,
        recordLook: (act) =>
          store.recordLook(
            tables.batches.get(act.batch)?.verb === 'delete' ? { ...act, look: allDone(act.look) } : act,
          ),
      },
    }),
  },
  {
    name: 'a lost reply that is booked as failed',
    breaks: ['I8', 'I7'],
    mutate: ({ store, tables }) => ({
      store: {
        ...store,
        async delayBatch(act) {
          if (!act.inDoubt) return store.delayBatch(act);
          const pools = tables.pools.all().map((row) => row.pool);
          return store.failBatch({ ...act, by: 'mutant', pools });
        },
      },
    }),
  },
  {
    name: 'a sweep that believes the first listing',
    breaks: ['I11'],
    mutate: ({ store }) => ({
      store: {
        ...store,
        async sweep(act) {
          await store.sweep({ ...act, graceMs: 0 });
          return store.sweep({ ...act, graceMs: 0, listedAt: new Date(act.now.getTime() + 1) });
        },
      },
    }),
  },
  {
    name: 'a reconcile that does not ring what Redis forgot',
    breaks: ['run', 'I5', 'I6'],
    mutate: ({ store }) => ({
      store: { ...store, ringAgain: () => Promise.resolve(false) },
    }),
  },
  {
    name: 'leases that never expire',
    breaks: ['I5'],
    mutate: ({ store }) => ({ store: { ...store, expireLeases: () => Promise.resolve([]) } }),
  },
  {
    name: 'a sweep that never happens',
    breaks: ['run', 'I7'],
    mutate: ({ store }) => ({
      store: { ...store, sweep: () => Promise.resolve(NOTHING_SWEPT) },
    }),
  },
  {
    name: 'a sweep that overlooks left-over disks',
    breaks: ['run', 'I7'],
    mutate: ({ store }) => ({
      store: { ...store, sweep: (act) => store.sweep({ ...act, leftOvers: [] }) },
    }),
  },
  {
    name: 'a look that is recorded under whatever token its batch has',
    breaks: ['I9'],
    mutate: ({ store, tables }) => ({
      store: {
        ...store,
        recordLook: (act) =>
          store.recordLook({ ...act, token: tables.batches.get(act.batch)?.token ?? act.token }),
      },
    }),
  },
];

const NOTHING_SWEPT: SweepResult = {
  ...{ sighted: 0, condemned: [], leftOvers: [], lost: [], verdict: 'go', why: '' },
  counts: { machines: 0, condemns: 0, leftOvers: 0, ends: 0, vanished: 0 },
};

/** Has members that were given up wait for the batch's outcome again, whatever has become of them since. */
function takeBack(tables: Tables, batch: string): void {
  for (const member of tables.members.where((each) => each.batch === batch && each.state === 'given-up')) {
    const machine = tables.machines.get(member.machine);
    if (machine === undefined || machine.batch !== null || machine.state === 'deleted') continue;
    tables.members.put({ ...member, state: 'pending', token: machine.token });
    tables.machines.put({ ...machine, batch });
  }
}

type MatchAct = Parameters<MutableParts['store']['match']>[0];

/** Gives a waiting request a ready machine that has an open intent. */
function matchBarred(tables: Tables, { pool, now, by }: MatchAct): Lease[] {
  const [lease] = tables.leases.where((each) => each.state === 'pending' && each.pools.includes(pool.name));
  const [machine] = tables.machines.where(
    (each) => each.pool === pool.name && each.state === 'ready' && each.intentKind !== null,
  );
  if (lease === undefined || machine === undefined) return [];
  const active = { ...lease, state: 'active', machine: machine.id, pool: pool.name, activeAt: now } as const;
  const token = machine.token + 1;
  const leased = {
    ...machine,
    state: 'leased',
    lease: lease.id,
    clean: false,
    token,
    changedBy: by,
  } as const;
  tables.transaction(() => {
    tables.leases.put(active);
    tables.machines.put(leased);
  });
  return [{ ...active, address: machine.address }];
}

function allDone(look: Look): Look {
  const outcomes = Object.keys(look.outcomes).map((instance) => [instance, { state: 'done' }] as const);
  return { ...look, outcomes: Object.fromEntries(outcomes) };
}

async function deleteNow(ports: Ports, machine: Machine, signal: AbortSignal): Promise<void> {
  const pool = await ports.pool(machine.pool);
  const placement = pool?.placements.find((each) => each.name === machine.placement);
  if (placement === undefined) return;
  const members = [{ machine: machine.id, instance: machine.instance }];
  const call = { batch: `early-${machine.id}`, verb: 'delete', placement, members, handle: null } as const;
  await ports.provider(placement).delete(call, signal);
}

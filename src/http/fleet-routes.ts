import { Type } from 'typebox';
import { LEASE_STATES, MACHINE_STATES, type MachineState } from '../fleet/lifecycle.ts';
import type { Pool } from '../fleet/pool.ts';
import type { Clock } from '../fleet/ports.ts';
import type { Store } from '../fleet/store.ts';
import type { App } from './app.ts';
import { scopeOf } from './authentication.ts';
import { ApiError } from './error-reply.ts';
import {
  Counts,
  countsOf,
  FleetHoursBody,
  MachineBody,
  PoolBody,
  TimelineBody,
  toFleetHoursBody,
  toMachineBody,
  toPoolBody,
  toTimelineBody,
} from './fleet-body.ts';
import { FreezesBody, toFreezesBody } from './freeze-body.ts';
import { Instant, LeaseBody, OrNull, toLeaseBody, Word } from './lease-body.ts';
import { isId, nextCursor, PageQuery, toPage } from './page.ts';
import type { FleetCounts, Views } from '../fleet/views.ts';

export interface FleetRouteDeps {
  store: Pick<Store, 'pools' | 'pool' | 'look' | 'haltedSweeps' | 'leftOvers' | 'freezes' | 'machineHours'>;
  views: Views;
  clock: Clock;
  version: string;
}

/** Looking at pools and machines, and the whole at a glance. */
export function addFleetRoutes(app: App, deps: FleetRouteDeps): void {
  addPools(app, deps);
  addMachineHours(app, deps);
  addMachineList(app, deps);
  addMachine(app, deps);
  addStatus(app, deps);
}

function addPools(app: App, { store, views, clock }: FleetRouteDeps): void {
  const list = { summary: 'All pools.', response: { 200: Type.Object({ pools: Type.Array(PoolBody) }) } };
  app.get('/v1/pools', { schema: list }, async () => {
    const [pools, { toBody }] = await Promise.all([store.pools(), readPoolBodies({ store, views, clock })]);
    return { pools: pools.map(toBody) };
  });

  const one = {
    summary: 'A pool.',
    params: Type.Object({ name: Word('Its name.') }),
    response: { 200: PoolBody },
  };
  app.get('/v1/pools/:name', { schema: one }, async (request) => {
    const { name } = request.params;
    const [pool, { toBody }] = await Promise.all([store.pool(name), readPoolBodies({ store, views, clock })]);
    if (pool === undefined) throw await noSuchPool(store, name);
    return toBody(pool);
  });
}

/** What else a pool's body tells, read once for all pools. */
async function readPoolBodies({ store, views, clock }: Omit<FleetRouteDeps, 'version'>) {
  const [counts, halted, leftOvers, hours] = await Promise.all([
    views.countByState(),
    store.haltedSweeps(),
    store.leftOvers(),
    store.machineHours({ now: clock.now() }),
  ]);
  const toBody = (pool: Pool) =>
    toPoolBody(pool, { counts: countsFor(counts, pool.name), halted, leftOvers, hours });
  return { counts, hours, toBody };
}

function addMachineHours(app: App, { store, clock }: FleetRouteDeps): void {
  const summary = 'The machine-hours of the whole fleet today; those of each pool are with the pools.';
  app.get('/v1/machine-hours', { schema: { summary, response: { 200: FleetHoursBody } } }, async () => {
    const now = clock.now();
    return toFleetHoursBody(await store.machineHours({ now }), now);
  });
}

function countsFor(counts: FleetCounts, pool: string): FleetCounts['pools'][number] | undefined {
  return counts.pools.find((each) => each.pool === pool);
}

export async function noSuchPool(store: Pick<Store, 'pools'>, name: string): Promise<ApiError> {
  const known = (await store.pools()).map((pool) => pool.name);
  const hint = known.length === 0 ? 'There are no pools yet.' : `Known pools: ${known.join(', ')}.`;
  return new ApiError({ status: 404, code: 'unknown_pool', message: `There is no pool ${name}.`, hint });
}

function addMachineList(app: App, { views }: FleetRouteDeps): void {
  const schema = {
    summary: 'Machines; deleted ones only where that state is asked for.',
    querystring: Type.Object(
      {
        ...PageQuery,
        state: Type.Optional(Type.Enum(MACHINE_STATES)),
        pool: Type.Optional(Word('Of this pool.')),
        setAside: Type.Optional(
          Type.Boolean({ description: 'Those whose cloud refuses to delete them, or all the others.' }),
        ),
      },
      { additionalProperties: false },
    ),
    response: { 200: Type.Object({ machines: Type.Array(MachineBody), next: OrNull(Type.String()) }) },
  };
  app.get('/v1/machines', { schema }, async (request) => {
    const { state, pool, setAside } = request.query;
    const listed = await views.listMachines({
      ...toPage(request.query),
      state: state ?? null,
      pool: pool ?? null,
      setAside: setAside ?? null,
    });
    return { machines: listed.items.map(toMachineBody), next: nextCursor(listed) };
  });
}

const TIMELINE_LIMIT = 200;

function addMachine(app: App, { store, views }: FleetRouteDeps): void {
  const schema = {
    summary: 'A machine with its latest moves.',
    params: Type.Object({ id: Type.String() }),
    response: { 200: Type.Object({ ...MachineBody.properties, timeline: TimelineBody }) },
  };
  app.get('/v1/machines/:id', { schema }, async (request) => {
    const { id } = request.params;
    const machine = isId(id) ? await store.look(id) : undefined;
    if (!machine) {
      const hint = 'GET /v1/machines lists them; deleted ones are kept for a while only.';
      throw new ApiError({
        status: 404,
        code: 'no_such_machine',
        message: `There is no machine ${id}.`,
        hint,
      });
    }
    const timeline = await views.machineTimeline({ machine: id, limit: TIMELINE_LIMIT });
    return { ...toMachineBody(machine), timeline: toTimelineBody(timeline) };
  });
}

const STATUS_MACHINES = 200;
const STATUS_LEASES = 50;
const STATUS_SET_ASIDE = 50;

const EVERY_MACHINE = { after: null, pool: null, state: null, setAside: null } as const;

const STATUS = {
  summary: 'The fleet at a glance: counts, what is frozen, the first machines, your latest leases.',
  response: {
    200: Type.Object({
      version: Type.String(),
      now: Instant(),
      pools: Type.Array(PoolBody),
      machineHours: FleetHoursBody,
      machineCounts: Counts,
      leaseCounts: Counts,
      freezes: FreezesBody.properties.freezes,
      setAside: Type.Array(MachineBody, { description: 'Machines that cannot be deleted; the first 50.' }),
      machines: Type.Array(MachineBody),
      leases: Type.Array(LeaseBody),
    }),
  },
};

function addStatus(app: App, { store, views, clock, version }: FleetRouteDeps): void {
  app.get('/v1/status', { schema: STATUS }, async (request) => {
    const [pools, { toBody, counts, hours }, freezes, setAside, machines, leases] = await Promise.all([
      store.pools(),
      readPoolBodies({ store, views, clock }),
      store.freezes(),
      views.listMachines({ ...EVERY_MACHINE, limit: STATUS_SET_ASIDE, setAside: true }),
      views.listMachines({ ...EVERY_MACHINE, limit: STATUS_MACHINES }),
      views.listLeases({
        limit: STATUS_LEASES,
        after: null,
        pool: null,
        state: null,
        owner: scopeOf(request),
      }),
    ]);
    const now = clock.now();
    return {
      version,
      now: now.toISOString(),
      pools: pools.map(toBody),
      machineHours: toFleetHoursBody(hours, now),
      machineCounts: machinesOverall(counts),
      leaseCounts: countsOf(LEASE_STATES, counts.leases),
      ...toFreezesBody(freezes),
      setAside: setAside.items.map(toMachineBody),
      machines: machines.items.map(toMachineBody),
      leases: leases.items.map(toLeaseBody),
    };
  });
}

function machinesOverall({ pools }: FleetCounts): Record<string, number> {
  const sum = (state: MachineState) => pools.reduce((total, pool) => total + (pool.machines[state] ?? 0), 0);
  return Object.fromEntries(MACHINE_STATES.map((state) => [state, sum(state)]));
}

import { MikroORM } from '@mikro-orm/postgresql';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENTITIES, LeaseEntity, MachineEntity } from '../../src/storage/entities.ts';
import { copyIn } from './copy-in.ts';
import { openRawFleet, type RawFleet, refused } from './raw-fleet.ts';

let fleet: RawFleet;
let orm: MikroORM;
beforeAll(async () => {
  fleet = await openRawFleet();
  orm = await MikroORM.init({
    clientUrl: fleet.url,
    entities: [...ENTITIES],
    pool: { min: 0, max: 1 },
    logger: () => undefined,
  });
});
afterAll(async () => {
  await orm.close();
  await fleet.close();
});

/** Every way in which a machine and a lease that holds it can stand. */
const HOLDS = [
  { state: 'leased', lease: 'active' },
  { state: 'leased', lease: 'ending' },
  { state: 'stopping', lease: 'active' },
  { state: 'stopping', lease: 'ending' },
  { state: 'stopped', lease: 'active' },
  { state: 'stopped', lease: 'ending' },
] as const;

interface Ids {
  machine: string;
  lease: string;
  /** A ready machine and a pending lease besides. */
  other: string;
  pending: string;
}

type Spelling = readonly [title: string, sqlstate: string, statements: (ids: Ids) => readonly string[]];

const CHECK = '23514';
/** The lease that references its slot. */
const HELD = '23503';

const STEPS = ['leased', 'stopping', 'stopped', 'released', 'deleting', 'deleted'];

/** From wherever in its hold the machine is to its deletion, each step a lawful one. */
function walk(machine: string): string[] {
  return STEPS.slice(1).map(
    (state, index) => `update machine set state = '${state}', lease_id = null
      where id = '${machine}' and state = '${STEPS[index]}'`,
  );
}

const finish = (lease: string): string =>
  `update lease set state = 'completed', outcome = 'completed' where id = '${lease}'`;

const toDeleting = (machine: string): string =>
  `update machine set state = 'deleting', lease_id = null, token = token + 1 where id = '${machine}'`;

const DELETIONS: readonly Spelling[] = [
  [
    'by its state alone',
    CHECK,
    ({ machine }) => [`update machine set state = 'deleting' where id = '${machine}'`],
  ],
  [
    'by its state, with its lease unnamed in the same statement',
    CHECK,
    ({ machine }) => [toDeleting(machine)],
  ],
  [
    'by its state, with its lease unnamed before',
    CHECK,
    ({ machine }) => [
      `update machine set lease_id = null where id = '${machine}' and state <> 'leased'`,
      toDeleting(machine),
    ],
  ],
  ['step by step', HELD, ({ machine }) => walk(machine)],
  [
    'step by step, with every constraint deferred',
    HELD,
    ({ machine }) => [`set constraints all deferred`, ...walk(machine)],
  ],
  [
    'step by step in one block of code',
    HELD,
    ({ machine }) => [`do $$ begin ${walk(machine).join('; ')}; end $$`],
  ],
  ['together with its lease, machine first', HELD, ({ machine, lease }) => [...walk(machine), finish(lease)]],
  [
    'together with its lease, lease first',
    CHECK,
    ({ machine, lease }) => [finish(lease), toDeleting(machine)],
  ],
  [
    'together with its lease in one statement',
    CHECK,
    ({ machine, lease }) => [
      `with ended as (${finish(lease)} returning id) ${toDeleting(machine)} and (select count(*) from ended) >= 0`,
    ],
  ],
  [
    'in a statement that changes its row twice',
    CHECK,
    ({ machine }) => [
      `with gone as (${toDeleting(machine)} returning id) update machine m set state = 'deleted' from gone g where m.id = g.id`,
    ],
  ],
  ['by removing its row', CHECK, ({ machine }) => [`delete from machine where id = '${machine}'`]],
  [
    'by removing the lease and then its row',
    CHECK,
    ({ machine, lease }) => [
      `delete from lease where id = '${lease}'`,
      `delete from machine where id = '${machine}'`,
    ],
  ],
  [
    'by removing both rows in one statement',
    CHECK,
    ({ machine, lease }) => [
      `with gone as (delete from lease where id = '${lease}' returning id) delete from machine where id = '${machine}'`,
    ],
  ],
  ['by removing its pool', '23503', () => [`delete from pool where name = 'guests'`]],
  ['by truncating machines', '0A000', () => [`truncate machine`]],
  ['by truncating machines and all that names them', CHECK, () => [`truncate machine cascade`]],
  [
    'by truncating every table at once',
    CHECK,
    () => [`truncate machine, lease, intent, batch, batch_member, instance, pool, placement, outbox`],
  ],
  ['by truncating leases', CHECK, () => [`truncate lease`]],
  ['by truncating pools and all that names them', CHECK, () => [`truncate pool cascade`]],
  [
    'by giving its row another id',
    CHECK,
    ({ machine }) => [
      `update machine set id = '${randomUUID()}', state = 'deleting', lease_id = null where id = '${machine}'`,
    ],
  ],
  [
    'by giving its row another id alone',
    CHECK,
    ({ machine }) => [`update machine set id = '${randomUUID()}' where id = '${machine}'`],
  ],
  [
    'by an upsert',
    CHECK,
    ({ machine }) => [
      `insert into machine (id, pool, placement, state, state_since, created_at, changed_by, changed_at)
      values ('${machine}', 'guests', 'here', 'deleting', now(), now(), 'me', now())
      on conflict (id) do update set state = excluded.state, lease_id = null`,
    ],
  ],
  [
    'by a merge',
    CHECK,
    ({ machine }) => [
      `merge into machine m using (values ('${machine}'::uuid)) v (id) on m.id = v.id
      when matched then update set state = 'deleting', lease_id = null`,
    ],
  ],
  [
    'by a merge that removes its row',
    CHECK,
    ({ machine }) => [
      `merge into machine m using (values ('${machine}'::uuid)) v (id) on m.id = v.id when matched then delete`,
    ],
  ],
  [
    'through a view',
    CHECK,
    ({ machine }) => [
      `create temporary view every_machine as select * from machine`,
      `update every_machine set state = 'deleting', lease_id = null where id = '${machine}'`,
    ],
  ],
  [
    'through a cursor',
    CHECK,
    ({ machine }) => [
      `declare it cursor for select * from machine where id = '${machine}' for update`,
      `fetch it`,
      `update machine set state = 'deleting', lease_id = null where current of it`,
    ],
  ],
  [
    'by freeing its slot',
    '428C9',
    ({ machine }) => [`update machine set slot = null where id = '${machine}'`],
  ],
  [
    'by a second row of its id',
    '23505',
    ({ machine }) => [
      `insert into machine (id, pool, placement, state, state_since, created_at, changed_by, changed_at)
      values ('${machine}', 'guests', 'here', 'deleted', now(), now(), 'me', now())`,
    ],
  ],
  [
    'by having another machine delete its instance',
    '23505',
    ({ machine }) => [
      `insert into machine (id, pool, placement, state, instance_id, state_since, created_at, changed_by, changed_at)
      values (gen_random_uuid(), 'guests', 'here', 'deleting', 'i-${machine}', now(), now(), 'me', now())`,
    ],
  ],
  [
    'by taking its instance away from it',
    CHECK,
    ({ machine, other }) => [
      `update machine set instance_id = null where id = '${machine}'`,
      `update machine set instance_id = 'i-${machine}', state = 'deleting' where id = '${other}'`,
    ],
  ],
];

const LETTINGS_GO: readonly Spelling[] = [
  [
    'by giving it another machine',
    CHECK,
    ({ lease, other }) => [`update lease set machine_id = '${other}' where id = '${lease}'`],
  ],
  [
    'by giving it no machine',
    CHECK,
    ({ lease }) => [`update lease set machine_id = null where id = '${lease}'`],
  ],
  [
    'by making it pending again',
    CHECK,
    ({ lease }) => [
      `update lease set state = 'pending', outcome = null, machine_id = null where id = '${lease}'`,
    ],
  ],
  [
    'by freeing what it holds',
    '428C9',
    ({ lease }) => [`update lease set held = null where id = '${lease}'`],
  ],
  ['by removing its row', CHECK, ({ lease }) => [`delete from lease where id = '${lease}'`]],
  [
    'by ending it otherwise than it shows',
    CHECK,
    ({ lease }) => [
      `update lease set state = 'ending', outcome = coalesce(outcome, 'completed') where id = '${lease}'`,
      `update lease set state = 'expired', outcome = 'expired' where id = '${lease}'`,
    ],
  ],
  [
    'by an upsert',
    CHECK,
    ({ lease }) => [
      `insert into lease (id, owner, digest, state, pools, priority, wait_timeout_ms, heartbeat_timeout_ms, max_duration_ms,
        requested_at, changed_at) values ('${lease}', 'ann', 'd', 'pending', '{guests}', 0, 1, 1, 1, now(), now())
      on conflict (id) do update set state = excluded.state, outcome = null, machine_id = null`,
    ],
  ],
];

const DOUBLES: readonly Spelling[] = [
  ['by a second active lease', '23505', ({ machine }) => [aSecondLease(machine, 'active', 'null')]],
  ['by a second ending lease', '23505', ({ machine }) => [aSecondLease(machine, 'ending', `'completed'`)]],
  [
    'by a pending lease that is given it',
    '23505',
    ({ machine, pending }) => [
      `update lease set state = 'active', machine_id = '${machine}' where id = '${pending}'`,
    ],
  ],
  [
    'by a second machine of the same lease',
    '23505',
    ({ lease, other }) => [
      `update machine set state = 'leased', lease_id = '${lease}' where id = '${other}'`,
    ],
  ],
];

function aSecondLease(machine: string, state: string, outcome: string): string {
  return `insert into lease (id, owner, digest, state, outcome, pools, machine_id, priority, wait_timeout_ms,
      heartbeat_timeout_ms, max_duration_ms, requested_at, changed_at)
    values (gen_random_uuid(), 'bob', 'd', '${state}', ${outcome}, '{guests}', '${machine}', 0, 1, 1, 1, now(), now())`;
}

async function anIdsOf(hold: (typeof HOLDS)[number]): Promise<Ids> {
  const held = await fleet.held(hold.state, hold.lease);
  return { ...held, other: await fleet.machine(), pending: await fleet.lease() };
}

describe.each(HOLDS)('a machine that is $state under a lease that is $lease', (hold) => {
  test.each(DELETIONS)('is not deleted %s', async (_, sqlstate, statements) => {
    expect(await fleet.attempt(statements(await anIdsOf(hold)))).toMatchObject(refused(sqlstate));
  });

  test.each(LETTINGS_GO)('is not let go of %s', async (_, sqlstate, statements) => {
    expect(await fleet.attempt(statements(await anIdsOf(hold)))).toMatchObject(refused(sqlstate));
  });

  test.each(DOUBLES)('is not leased twice %s', async (_, sqlstate, statements) => {
    expect(await fleet.attempt(statements(await anIdsOf(hold)))).toMatchObject(refused(sqlstate));
  });

  test('is not leased twice by a bulk load', async () => {
    const { machine } = await anIdsOf(hold);
    const clocks = ['{guests}', machine, '0', '1', '1', '1', '2030-01-01', '2030-01-01'];
    const row = [randomUUID(), 'bob', 'd', 'active', ...clocks].join('\t');
    const columns = `id, owner, digest, state, pools, machine_id, priority, wait_timeout_ms, heartbeat_timeout_ms,
      max_duration_ms, requested_at, changed_at`;
    expect(
      await fleet.attempt(() => copyIn(fleet.client, `copy lease (${columns}) from stdin`, `${row}\n`)),
    ).toMatchObject(refused('23505'));
  });

  test('is not deleted by a bulk load of its tombstone', async () => {
    const { machine } = await anIdsOf(hold);
    const row = [
      machine,
      'guests',
      'here',
      'deleted',
      ...Array(2).fill('2030-01-01'),
      'me',
      '2030-01-01',
    ].join('\t');
    const columns = `id, pool, placement, state, state_since, created_at, changed_by, changed_at`;
    expect(
      await fleet.attempt(() => copyIn(fleet.client, `copy machine (${columns}) from stdin`, `${row}\n`)),
    ).toMatchObject(refused('23505'));
  });

  test('is not deleted through its entity', async () => {
    const ids = await anIdsOf(hold);
    for (const change of [{ state: 'deleting' }, { state: 'deleting', leaseId: null }] as const) {
      expect(
        await fleet.attempt(async () => {
          const em = orm.em.fork();
          em.assign(await em.findOneOrFail(MachineEntity, { id: ids.machine }), change);
          await em.flush();
        }),
      ).toMatchObject(refused(CHECK));
    }
    expect(
      await fleet.attempt(async () => {
        const em = orm.em.fork();
        await em.remove(await em.findOneOrFail(MachineEntity, { id: ids.machine })).flush();
      }),
    ).toMatchObject(refused(CHECK));
    expect(
      await fleet.attempt(() =>
        orm.em.fork().nativeUpdate(MachineEntity, { id: ids.machine }, { state: 'deleted', leaseId: null }),
      ),
    ).toMatchObject(refused(CHECK));
  });

  test('is not let go of through the entity of its lease', async () => {
    const ids = await anIdsOf(hold);
    for (const change of [{ machineId: null }, { state: 'pending', outcome: null }] as const) {
      expect(
        await fleet.attempt(async () => {
          const em = orm.em.fork();
          em.assign(await em.findOneOrFail(LeaseEntity, { id: ids.lease }), change);
          await em.flush();
        }),
      ).toMatchObject(refused(CHECK));
    }
    expect(
      await fleet.attempt(() => orm.em.fork().nativeDelete(LeaseEntity, { id: ids.lease })),
    ).toMatchObject(refused(CHECK));
  });
});

test('the same steps delete a machine once its lease has ended', async () => {
  const { machine, lease } = await fleet.held('stopped', 'ending');
  for (const statement of [finish(lease), ...walk(machine)]) await fleet.run(statement);
  expect(await fleet.run(`select state from machine where id = $1`, [machine])).toEqual([
    { state: 'deleted' },
  ]);
  await fleet.run(`delete from machine where id = $1`, [machine]);
});

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase } from '../../../src/storage/database.ts';
import { condemn } from '../../../src/storage/condemn.ts';
import { openRuleDatabase, type RuleDatabase, type RuleFleet } from './rule-fleet.ts';

let database: RuleDatabase;
let fleet: RuleFleet;
beforeAll(async () => {
  database = await openRuleDatabase();
});
beforeEach(async () => {
  fleet = await database.addPool();
});
afterAll(() => database.shut());

test('rule 12: an instance that one machine has adopted is adopted by no other', async () => {
  const { batch, members } = await launchOfTwo();
  const instance = `i-${batch.id}`;
  await fleet.record(batch, { launched: [running(instance)] });
  const [owner, other] = await ownerFirst(members, instance);
  const { deadlineAt } = await fleet.look(owner);
  const overdue = { ...fleet.act(owner, 9999), seenDeadline: deadlineAt ?? fleet.at(0) };
  expect(await fleet.store.recover(overdue)).toMatchObject({ granted: true, machine: { batch: null } });
  await expect(fleet.record(batch, { launched: [running(instance)] })).resolves.toBe(true);
  expect(await fleet.look(other)).toMatchObject({ instance: null, state: 'provisioning' });
  expect(await instanceRow(instance)).toMatchObject({ machine_id: owner });
});

test('rule 12: a condemned instance is adopted by nobody', async () => {
  const { batch, members } = await launchOfTwo();
  const instance = `i-${batch.id}`;
  await fleet.sql(
    `insert into instance (id, pool, placement, batch_id, sighted_at, condemned_at, changed_by, changed_at)
      values ($1, $2, 'here', $3, $4, $4, 'a test', $4)`,
    [instance, fleet.pool.name, batch.id, fleet.at(0)],
  );
  await expect(fleet.record(batch, { launched: [running(instance)] })).resolves.toBe(true);
  for (const member of members) expect(await fleet.look(member)).toMatchObject({ instance: null });
  expect(await instanceRow(instance)).toMatchObject({ machine_id: null });
});

test('rule 12: what a launch made beyond its members is condemned before its batch ends', async () => {
  const { batch } = await launchOfTwo();
  const launched = ['a', 'b', 'c'].map((letter) => ({
    ...running(`i-${batch.id}-${letter}`),
    address: '10.0.0.1',
  }));
  await fleet.record(batch, { launched, settled: true });
  expect(await fleet.store.lookBatch(batch.id)).toMatchObject({ state: 'ended' });
  const condemned = await fleet.sql(
    `select m.state, m.intent_kind from instance i join machine m on m.id = i.machine_id
      where i.batch_id = $1 and i.condemned_at is not null`,
    [batch.id],
  );
  expect(condemned).toEqual([{ state: 'provisioning', intent_kind: 'retire' }]);
});

test('rule 12: a machine that is claimed for its deletion condemns its instance in the same write', async () => {
  const { machine } = await fleet.released('retire');
  await fleet.claim(machine.id, { step: 'delete', at: 5 });
  expect(await instanceRow(machine.instance ?? '')).toMatchObject({ condemned_at: fleet.at(5) });
});

test('rule 12: so does one that joins the batch of its deletion', async () => {
  const { machine } = await fleet.released('retire');
  await fleet.join(machine.id, 'delete');
  expect(await instanceRow(machine.instance ?? '')).toMatchObject({ condemned_at: fleet.at(0) });
});

test('rule 12: an instance that was adopted since it was listed is not condemned', async () => {
  const machine = await fleet.booting();
  const instances = [machine.instance ?? ''];
  const database = createDatabase({ url: fleet.url, connections: 1, statementTimeoutMs: 20_000 });
  const act = { instances, reason: 'seen in the cloud, owned by nobody', now: fleet.at(5), by: 'a test' };
  const attempt = database.transaction((sql) => condemn(sql, act));
  await expect(attempt).resolves.toEqual([]);
  await database.close();
  expect(await instanceRow(machine.instance ?? '')).toMatchObject({
    machine_id: machine.id,
    condemned_at: null,
  });
});

test('rule 12: an instance nobody owns is condemned when it is seen a second time, and not before', async () => {
  const instance = `i-stray-${fleet.pool.name}`;
  expect(await sweepAt(0, instance)).toMatchObject({ sighted: 1, condemned: [] });
  expect(await sweepAt(59, instance)).toMatchObject({ condemned: [] });
  expect(await sweepAt(60, instance)).toMatchObject({ condemned: [instance] });
  expect(await sweepAt(120, instance)).toMatchObject({ condemned: [] });
});

test('rule 12: an instance of a launch that is still under way is left to that launch', async () => {
  const { batch } = await launchOfTwo();
  const instance = `i-${batch.id}`;
  expect(await sweepAt(0, instance, batch.id)).toMatchObject({ condemned: [] });
  expect(await sweepAt(500, instance, batch.id)).toMatchObject({ condemned: [] });
});

async function launchOfTwo() {
  const members = [(await fleet.requested()).id, (await fleet.requested()).id];
  let batch = '';
  for (const member of members) {
    await fleet.claim(member, { step: 'provision' });
    const joined = await fleet.join(member, 'launch', { lane: fleet.pool.name });
    batch = joined.batch?.id ?? '';
  }
  return { batch: await fleet.close(batch), members };
}

function running(instance: string) {
  return { instance, state: 'running', address: null } as const;
}

async function ownerFirst(members: readonly string[], instance: string): Promise<[string, string]> {
  const { machine_id: owner } = await instanceRow(instance);
  const other = members.find((member) => member !== owner);
  expect(members).toContain(owner);
  return [String(owner), other ?? ''];
}

async function instanceRow(instance: string): Promise<Record<string, unknown>> {
  const [row] = await fleet.sql(`select machine_id, condemned_at from instance where id = $1`, [instance]);
  return row ?? {};
}

function sweepAt(seconds: number, instance: string, batch: string | null = null) {
  const [placement = { pool: '', name: '', provider: '', spec: null }] = fleet.pool.placements;
  const items = [{ instance, state: 'running', address: null, batch } as const];
  const now = fleet.at(seconds);
  return fleet.store.sweep({
    placement,
    ...{ items, leftOvers: [] },
    listedAt: now,
    now,
    graceMs: 60_000,
    staleAfterMs: 600_000,
    by: 'a test',
  });
}

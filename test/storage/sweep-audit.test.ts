import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openRuleDatabase, type RuleDatabase, type RuleFleet } from './rules/rule-fleet.ts';

let database: RuleDatabase;
let fleet: RuleFleet;
beforeAll(async () => {
  database = await openRuleDatabase();
});
beforeEach(async () => {
  fleet = await database.addPool();
});
afterAll(() => database.shut());

/** A sweep by a listing of this many strays. */
async function sweepAt(seconds: number, strays: number) {
  const [placement = { pool: '', name: '', provider: '', spec: null }] = fleet.pool.placements;
  const items = Array.from(
    { length: strays },
    (_, index) =>
      ({ instance: `${fleet.pool.name}-${index}`, state: 'running', address: null, batch: null }) as const,
  );
  const now = fleet.at(seconds);
  const act = {
    placement,
    items,
    leftOvers: [],
    listedAt: now,
    now,
    graceMs: 1000,
    staleAfterMs: 600_000,
    by: 'reconcile',
  };
  return fleet.store.sweep(act);
}

async function audited() {
  const subject = `${fleet.pool.name}/here`;
  return fleet.sql(`select what, by, at, detail from audit where subject = $1 order by id`, [subject]);
}

test('the audit tells when a sweep halted, who confirmed it and when sweeps went on, each once', async () => {
  await sweepAt(0, 6);
  await sweepAt(10, 6);
  await sweepAt(20, 6);
  const confirm = { pool: fleet.pool.name, placement: 'here', count: 6, by: 'ada', now: fleet.at(25) };
  await fleet.store.confirmSweep(confirm);
  await sweepAt(30, 6);
  await sweepAt(40, 6);
  expect(await audited()).toMatchObject([
    { what: 'sweep-reported', by: 'reconcile', at: fleet.at(0) },
    { what: 'sweep-halted', at: fleet.at(10), detail: { condemns: 6, placement: 'here' } },
    { what: 'sweep-confirmed', by: 'ada', at: fleet.at(25), detail: { count: 6 } },
    { what: 'sweep-resumed', by: 'reconcile', at: fleet.at(30) },
  ]);
});

test('two sweeps of one placement at once do not halve what is too much', async () => {
  await sweepAt(0, 6);
  const both = await Promise.all([sweepAt(10, 6), sweepAt(10, 6)]);
  expect(both.map((each) => [each.verdict, each.condemned])).toEqual([
    ['halt', []],
    ['halt', []],
  ]);
});

test('of two first sweeps at once, one only reports and the other one finds its record', async () => {
  const both = await Promise.all([sweepAt(0, 1), sweepAt(0, 1)]);
  expect(both.map((each) => each.verdict).toSorted()).toEqual(['go', 'report']);
});

test('what sweeps sight, condemn and lose adds up with their record, and what they only report does not', async () => {
  const totals = async () => {
    const rows = 'select sighted::integer, condemned::integer, lost::integer from sweep where pool = $1';
    return (await fleet.sql(rows, [fleet.pool.name]))[0];
  };
  await fleet.ready();
  await sweepAt(3600, 2);
  expect(await totals()).toEqual({ sighted: 2, condemned: 0, lost: 0 });
  await sweepAt(3610, 3);
  expect(await totals()).toEqual({ sighted: 3, condemned: 2, lost: 1 });
  await sweepAt(3620, 3);
  expect(await totals()).toEqual({ sighted: 3, condemned: 3, lost: 1 });
});

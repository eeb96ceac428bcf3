import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FAMILIES } from '../../../src/http/metrics/families.ts';
import { createBreakableLine } from '../breakable-line.ts';
import { aPool, startFleet, type Fleet } from '../fleet-server.ts';
import { readPage, renderMetrics, withTable } from './metrics-page.ts';

const guests = aPool();
let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests);
});
afterAll(() => fleet.close());

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

async function scrape(of: Fleet): Promise<string> {
  const reply = await of.send('ann', 'GET /metrics');
  expect([reply.status, reply.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  return reply.body;
}

/** A fleet's value of a series, waited for no longer than its figures may be old. */
const valueOf = (text: string, series: string): string | undefined =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${series} `))
    ?.slice(series.length + 1);

const namesIn = (text: string, word: 'HELP' | 'TYPE'): string[] =>
  [...text.matchAll(new RegExp(`^# ${word} (\\w+)`, 'gm'))].map(([, name]) => name ?? '');

test('every metric that is told is documented, and every one documented is told, with its kind and help', async () => {
  const text = await scrape(fleet);
  const documented = [...(await readPage()).matchAll(/^\| `(drover_\w+)` \|/gm)].map(([, name]) => name);
  const ours = namesIn(text, 'TYPE').filter((name) => name.startsWith('drover_'));
  expect(ours.toSorted()).toEqual(documented.toSorted());
  for (const [name, { kind, help }] of Object.entries(FAMILIES)) {
    expect(text).toContain(`# HELP drover_${name} ${help}\n# TYPE drover_${name} ${kind}\n`);
  }
});

test('docs/metrics.md tells the metrics as they are; metrics-page.ts --write refreshes it', async () => {
  const page = await readPage();
  expect(page).toBe(withTable(page, renderMetrics()));
});

test.each(Object.entries(FAMILIES))('%s is named as Prometheus would have it', (name, { kind, labels }) => {
  expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
  expect(name.endsWith('_total')).toBe(kind === 'counter');
  for (const label of labels) expect(label).toMatch(/^[a-z]+$/);
});

test('no series is told twice, and no value is anything but a number', async () => {
  const lines = (await scrape(fleet)).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const series = lines.map((line) => line.slice(0, line.lastIndexOf(' ')));
  expect(new Set(series).size).toBe(series.length);
  for (const line of lines) expect(Number(line.slice(line.lastIndexOf(' ') + 1))).not.toBeNaN();
});

test('what a fleet holds is told, with zeros where there is nothing', async () => {
  const own = await startFleet();
  opened.push(own);
  await own.addPools(guests);
  await own.addReadyMachine(guests);
  await own.send('ann', 'POST /v1/leases', { body: { platform: 'windows' } });
  const text = await scrape(own);
  const here = 'pool="guests"';
  const told = Object.entries({
    [`drover_machines{${here},state="leased"}`]: '1',
    [`drover_machines{${here},state="ready"}`]: '0',
    [`drover_pool_leases{${here},state="active"}`]: '1',
    [`drover_pool_pending_oldest_seconds{${here}}`]: '0',
    'drover_leases{state="active"}': '1',
    'drover_leases{state="pending"}': '0',
    [`drover_machines_requested_total{${here}}`]: '1',
    [`drover_machines_deleted_total{${here}}`]: '0',
    [`drover_machines_set_aside{${here}}`]: '0',
    [`drover_pool_max_machines{${here}}`]: '50',
    'drover_frozen{verb="launch"}': '0',
    'drover_build_info{version="0.0.0-test"}': '1',
  });
  expect(told.map(([series]) => [series, valueOf(text, series)])).toEqual(told);
  expect(text).toMatch(/^drover_batches_ended_total\{lane="[^"]+",verb="launch"\} 1$/m);
  expect(text).toMatch(/^process_cpu_seconds_total /m);
});

test('many scrapes at once are whole, each of them', async () => {
  const texts = await Promise.all(Array.from({ length: 20 }, () => scrape(fleet)));
  const series = (text: string) => [...text.matchAll(/^drover_\S+(?: \S+)*(?= )/gm)].map(([found]) => found);
  const [first = ''] = texts;
  expect(series(first).length).toBeGreaterThan(Object.keys(FAMILIES).length);
  for (const text of texts) expect(series(text)).toEqual(series(first));
});

test('without its database there are no figures at all, and they are back with it', async () => {
  let line: Awaited<ReturnType<typeof createBreakableLine>> | undefined;
  const through = async (url: string) => {
    line = await createBreakableLine(url);
    return line.url;
  };
  const own = await startFleet({ through, clock: stepping() });
  opened.push(own);
  if (line === undefined) throw new Error('the storage was opened without its line');
  opened.push(line);
  await scrape(own);
  line.cut();
  const reply = await own.send('ann', 'GET /metrics');
  expect([reply.status, reply.body.error.code]).toEqual([503, 'unavailable']);
  expect(reply.body.error.message).toContain('cannot reach its database');
  line.mend();
  expect(await scrape(own)).toContain('drover_leases{state="pending"} 0');
});

/** Each look at this clock is a minute later: no figures are young enough to be told twice. */
function stepping() {
  let minutes = 0;
  return {
    now: () => {
      minutes += 1;
      return new Date(Date.UTC(2030, 0, 1, 0, minutes));
    },
  };
}

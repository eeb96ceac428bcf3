import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { createLeaseWaits } from '../../src/storage/lease-waits.ts';
import { createListener, type Listener } from '../../src/storage/listener.ts';
import { createBreakableLine } from '../http/breakable-line.ts';
import { openRawFleet, type RawFleet } from './raw-fleet.ts';

let fleet: RawFleet;
beforeAll(async () => {
  fleet = await openRawFleet();
});
afterAll(() => fleet.close());

async function listen(url = fleet.url): Promise<{ listener: Listener; errors: unknown[] }> {
  const errors: unknown[] = [];
  const listener = createListener({
    url,
    onError: (error) => errors.push(error),
    onDeaf: () => errors.push('deaf'),
  });
  onTestFinished(() => listener.stop());
  await listener.start();
  return { listener, errors };
}

/** Everybody who listens here, besides the test's own connection. */
async function listeners(): Promise<number[]> {
  const rows = await fleet.run(
    `select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%'`,
  );
  return rows.map((row) => Number(row['pid']));
}

function collected(listener: Listener, channel: string): string[] {
  const heard: string[] = [];
  listener.on(channel, (payload) => heard.push(payload));
  return heard;
}

/** Notifies until it is heard: what is sent while nobody listens is lost, and that is allowed. */
async function notifyUntilHeard(channel: string, heard: readonly string[]): Promise<boolean> {
  const isHeard = await waitUntil({ deadlineMs: 10_000 }, async () => {
    await fleet.run(`select pg_notify($1, 'again')`, [channel]);
    return heard.includes('again') ? true : undefined;
  });
  return isHeard ?? false;
}

describe('a listener', () => {
  test('hears each payload on the channels it was asked for, before and after its start', async () => {
    const { listener } = await listen();
    const [one, two] = [collected(listener, 'one'), collected(listener, 'two')];
    expect(await notifyUntilHeard('one', one)).toBe(true);
    expect(await notifyUntilHeard('two', two)).toBe(true);
    await fleet.run(`select pg_notify('one', 'a'), pg_notify('three', 'b')`);
    await waitUntil({ deadlineMs: 10_000 }, async () => (one.includes('a') ? true : undefined));
    expect(one.filter((payload) => payload !== 'again')).toEqual(['a']);
  });

  test('comes back by itself after its connection is ended, says so, and hears again', async () => {
    const { listener, errors } = await listen();
    const heard = collected(listener, 'drover_outbox');
    expect(await notifyUntilHeard('drover_outbox', heard)).toBe(true);
    for (const pid of await listeners()) await fleet.run(`select pg_terminate_backend($1, 5000)`, [pid]);
    heard.length = 0;
    expect(await notifyUntilHeard('drover_outbox', heard)).toBe(true);
    expect(errors.length).toBeGreaterThan(0);
  });

  test('comes back after a while without any server, with what it was asked for meanwhile', async () => {
    const line = await createBreakableLine(fleet.url);
    onTestFinished(() => line.close());
    const { listener, errors } = await listen(line.url);
    line.cut();
    const heard = collected(listener, 'later');
    await waitUntil({ deadlineMs: 10_000 }, async () => (errors.length >= 2 ? true : undefined));
    line.mend();
    expect(await notifyUntilHeard('later', heard)).toBe(true);
  });

  test('is started without a server and hears once there is one', async () => {
    const line = await createBreakableLine(fleet.url);
    onTestFinished(() => line.close());
    line.cut();
    const { listener, errors } = await listen(line.url);
    expect(errors.length).toBeGreaterThan(0);
    const heard = collected(listener, 'one');
    line.mend();
    expect(await notifyUntilHeard('one', heard)).toBe(true);
  });

  test('calls nobody who has taken the listening back', async () => {
    const { listener } = await listen();
    const [kept, gone] = [collected(listener, 'one'), [] as string[]];
    const takeBack = listener.on('one', (payload) => gone.push(payload));
    expect(await notifyUntilHeard('one', gone)).toBe(true);
    takeBack();
    gone.length = 0;
    kept.length = 0;
    expect(await notifyUntilHeard('one', kept)).toBe(true);
    expect(gone).toEqual([]);
  });

  test('leaves no connection behind, stopped while it is still connecting', async () => {
    const listener = createListener({ url: fleet.url, onError: () => undefined, onDeaf: () => undefined });
    collected(listener, 'one');
    const starting = listener.start();
    await listener.stop();
    await starting;
    const none = await waitUntil({ deadlineMs: 5000 }, async () => {
      return (await listeners()).length === 0 ? true : undefined;
    });
    expect(none).toBe(true);
  });
});

describe('waiting for a lease', () => {
  test('ends when the lease changes, whoever changed it', async () => {
    const { listener } = await listen();
    const waits = createLeaseWaits(listener, () => new Date());
    const heard = collected(listener, 'drover_lease');
    const lease = await fleet.lease();
    const waited = waits.until(lease, new Date(Date.now() + 20_000), new AbortController().signal);
    expect(await notifyUntilHeard('drover_lease', heard)).toBe(true);
    await fleet.run(`update lease set state = 'cancelled', outcome = 'cancelled' where id = $1`, [lease]);
    await waited;
    await waitUntil({ deadlineMs: 5000 }, async () => (heard.includes(lease) ? true : undefined));
    expect(heard).toContain(lease);
  });

  test('ends at its deadline and when it is given up', async () => {
    const { listener } = await listen();
    const waits = createLeaseWaits(listener, () => new Date());
    const never = new AbortController();
    const began = Date.now();
    await waits.until(randomUUID(), new Date(began + 50), never.signal);
    expect(Date.now() - began).toBeGreaterThanOrEqual(49);
    await waits.until(randomUUID(), new Date(began - 1000), never.signal);
    const given = new AbortController();
    const waited = waits.until(randomUUID(), new Date(began + 20_000), given.signal);
    given.abort();
    await waited;
    await waits.until(randomUUID(), new Date(began + 20_000), given.signal);
    expect(Date.now() - began).toBeLessThan(15_000);
  });
});

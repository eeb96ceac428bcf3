import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { startFleet, TOKENS, type Fleet, type FleetOptions } from './fleet-server.ts';

/** Longer than a test may take: whoever waits for it fails. */
const settings = { stopTimeoutMs: 60_000 };

const opened: Fleet[] = [];
afterEach(async () => {
  for (const fleet of opened.splice(0)) await fleet.close();
});

async function open(options: FleetOptions): Promise<Fleet> {
  const fleet = await startFleet(options);
  opened.push(fleet);
  return fleet;
}

test('a stop waits for what a client began that has gone away', async () => {
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const told: string[] = [];
  const wrapStore: FleetOptions['wrapStore'] = (store) => ({
    ...store,
    async pools() {
      asked.resolve();
      await gate.promise;
      told.push('pools read');
      return store.pools();
    },
  });
  const fleet = await open({ settings, wrapStore });
  const away = new AbortController();
  const headers = { authorization: `Bearer ${TOKENS.ann}` };
  const answer = fetch(`${fleet.url}/v1/pools`, { headers, signal: away.signal });
  await asked.promise;
  away.abort();
  await expect(answer).rejects.toThrow(/abort/);
  await untilLogged(fleet, 'the client went away');

  const stopped = fleet.server.stop().then(() => told.push('stopped'));
  await untilRefused(fleet);
  gate.resolve();
  await stopped;
  expect(told).toEqual(['pools read', 'stopped']);
});

test('a connection on which nothing was ever asked holds up no stop', async () => {
  const fleet = await open({ settings });
  const socket = connect(Number(new URL(fleet.url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  // Taken after it, and answered: the server knows of it.
  expect((await fleet.send(null, 'GET /healthz')).status).toBe(200);
  const closed = once(socket, 'close');
  await fleet.server.stop();
  await closed;
});

async function untilLogged(fleet: Fleet, text: string): Promise<void> {
  const isLogged = async () => (fleet.logged.some((line) => line.includes(text)) ? true : undefined);
  expect(await waitUntil({ deadlineMs: 10_000, everyMs: 5 }, isLogged)).toBe(true);
}

/** Until it listens no more: then nothing but what is under way keeps it. */
async function untilRefused({ url }: Fleet): Promise<void> {
  const isRefused = () =>
    new Promise<true | undefined>((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      socket.once('connect', () => socket.destroy());
      socket.once('error', () => resolve(true));
      socket.once('close', () => resolve(undefined));
    });
  expect(await waitUntil({ deadlineMs: 10_000, everyMs: 5 }, isRefused)).toBe(true);
}

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CheckoutCopy, copyCheckout, type Traces } from './checkout-copy.ts';

let checkout: CheckoutCopy;
beforeAll(async () => {
  checkout = await copyCheckout();
});
afterAll(() => checkout.remove());

/** What a shell reports of a command that Ctrl-C has ended. */
const INTERRUPTED = 130;
const TIMEOUT = { timeout: 180_000 };

test.each([
  ['servers start', 'starting PostgreSQL'],
  ['clouds start', 'emulated clouds'],
  ['tasks are requested', 'burst:'],
  ['tasks hold machines', / [1-9]\d* holding/],
])('Ctrl-C while %s stops everything in order', TIMEOUT, async (_when, said) => {
  const run = checkout.start(['node', 'scripts/launch.mjs', 'start', '--once'], { DROVER_HTTP_PORT: '0' });
  await run.until(said);
  const seen = await checkout.look();
  run.interrupt();
  expect(await run.exited).toBe(INTERRUPTED);
  expect(await checkout.left(seen)).toEqual([]);
  expect(complaintsIn(run.said())).toEqual([]);
});

test.each([
  ['its server starts', 'starting PostgreSQL'],
  ['seeds are explored', 'exploring over PostgreSQL'],
])('Ctrl-C while %s ends an exploration over PostgreSQL', TIMEOUT, async (_when, said) => {
  const explore = ['scripts/launch.mjs', 'explore', '--store', 'postgres', '--seeds', '1000'];
  const run = checkout.start(['node', ...explore]);
  await run.until(said);
  const seen = await checkout.look();
  run.interrupt();
  expect(await run.exited).toBe(INTERRUPTED);
  expect(await checkout.left(seen)).toEqual([]);
  expect(run.said()).not.toMatch(/violation|Error/);
});

/** As each shows in a list of processes; what is below it is to notice by itself. */
const CHAIN = {
  npm: /^npm start\b/,
  'the launcher': /^\S*node \S*launch\.mjs start\b/,
  'the main process': /^\S*node \S*start\.ts\b/,
} as const;
const LINKS = ['npm', 'the launcher', 'the main process'] as const;

test.each(
  LINKS.flatMap((link) => [{ signal: 'SIGTERM', link } as const, { signal: 'SIGKILL', link } as const]),
)(
  '$signal to $link alone, while tasks are requested, leaves no process and no port',
  TIMEOUT,
  async ({ signal, link }) => {
    const run = checkout.start(['npm', 'start', '--', '--once'], { DROVER_HTTP_PORT: '0' });
    await run.until('burst:');
    const seen = await checkout.look();
    expect(seen.sockets.length).toBeGreaterThan(4);
    process.kill(pidOf(link, seen), signal);
    await run.exited;
    expect(await checkout.left(seen)).toEqual([]);
    expect(complaintsIn(run.said())).toEqual([]);
  },
);

function pidOf(link: keyof typeof CHAIN, { processes }: Traces): number {
  const [found, ...more] = processes.filter(({ command }) => CHAIN[link].test(command));
  if (found === undefined || more.length > 0)
    throw new Error(`not one ${link} among:\n${processes.map(({ command }) => command).join('\n')}`);
  return found.pid;
}

/** A stop in order has nothing to tell: log lines are warnings and errors. */
function complaintsIn(said: string): string[] {
  return said.split('\n').filter((line) => line.startsWith('{'));
}

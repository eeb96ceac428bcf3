import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CheckoutCopy, copyCheckout } from './checkout-copy.ts';

let checkout: CheckoutCopy;
beforeAll(async () => {
  checkout = await copyCheckout();
});
afterAll(() => checkout.remove());

/** What a shell reports of a command that Ctrl-C has ended. */
const INTERRUPTED = 130;

test.each([
  ['servers start', 'starting PostgreSQL'],
  ['clouds start', 'emulated clouds'],
  ['tasks are requested', 'burst:'],
  ['tasks hold machines', / [1-9]\d* holding/],
])('Ctrl-C while %s stops everything in order', { timeout: 180_000 }, async (_when, said) => {
  const run = checkout.start(['node', 'scripts/launch.mjs', 'start', '--once'], { DROVER_HTTP_PORT: '0' });
  await run.until(said);
  const seen = await checkout.look();
  run.interrupt();
  expect(await run.exited).toBe(INTERRUPTED);
  expect(await checkout.left(seen)).toEqual([]);
});

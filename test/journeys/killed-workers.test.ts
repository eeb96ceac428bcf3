import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CheckoutCopy, copyCheckout } from './checkout-copy.ts';
import { expectSuccess } from './expect-success.ts';
import { expectWholeReport } from './expect-whole-report.ts';

let checkout: CheckoutCopy;
beforeAll(async () => {
  checkout = await copyCheckout();
});
afterAll(() => checkout.remove());

test('a worker process killed every ten seconds changes nothing about what the main job promises', async () => {
  const file = join(checkout.dir, 'report.json');
  const startedMs = performance.now();
  const words = ['start', '--once', '--workers', '4', '--kill-worker-every', '10', '--report', file];
  const run = checkout.start(['node', 'scripts/launch.mjs', ...words], { DROVER_HTTP_PORT: '0' });
  await expectSuccess(run);
  expect(await checkout.left()).toEqual([]);
  const deaths = run.said().match(/worker \d+ \(process \d+\) died; another takes its place/g) ?? [];
  expect(deaths.length).toBeGreaterThanOrEqual(2);
  const { seconds } = await expectWholeReport(file);
  // More than there was time to kill would have died of their own accord.
  expect(deaths.length).toBeLessThanOrEqual(Math.floor(seconds / 10));
  const wholeSeconds = (performance.now() - startedMs) / 1000;
  console.log(
    `${deaths.length} killed, burst and audit ${seconds} s, whole run ${wholeSeconds.toFixed(1)} s`,
  );
}, 420_000);

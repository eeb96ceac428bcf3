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

test('the main job leases 300 machines on both clouds, leaks none, proves every promise and leaves nothing running', async () => {
  const file = join(checkout.dir, 'report.json');
  const startedMs = performance.now();
  const run = checkout.start(['node', 'scripts/launch.mjs', 'start', '--once', '--report', file], {
    DROVER_HTTP_PORT: '0',
  });
  await run.until('burst: 300 tasks');
  const seen = await checkout.look();
  expect(seen.processes.map(({ command }) => command).join('\n')).toMatch(
    /postgres[^]*redis|redis[^]*postgres/,
  );
  expect(seen.sockets.length).toBeGreaterThan(4);
  await expectSuccess(run);
  expect(await checkout.left(seen)).toEqual([]);
  const { machines, seconds } = await expectWholeReport(file);
  expect(run.said()).toContain('nothing stuck, nothing leaked, nothing overtaken');
  const wholeSeconds = (performance.now() - startedMs) / 1000;
  console.log(
    `burst and audit ${seconds} s, whole run ${wholeSeconds.toFixed(1)} s, ${JSON.stringify(machines)}`,
  );
}, 420_000);

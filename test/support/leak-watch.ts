import { randomUUID } from 'node:crypto';
import { afterAll } from 'vitest';
import { watchParent } from '../../src/embedded/parent-watch.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { findChildren, findMarked, type FoundProcess } from './process-search.ts';

/** Processes that are on their way out get this long. */
const GONE_WITHIN_MS = 5_000;

// Taken before any test can put a false clock in its place.
const clock = performance.now.bind(performance);
const mark = { name: 'DROVER_TEST_FILE', value: randomUUID() };
process.env[mark.name] = mark.value;

// A killed test run takes its workers with it.
watchParent({ onGone: () => process.exit(1) });

// Registered first, so it runs after the file's own.
afterAll(async () => {
  const wait = { deadlineMs: GONE_WITHIN_MS, everyMs: 100, clock };
  const isClean = await waitUntil(wait, async () => ((await findLeft()).length === 0 ? true : undefined));
  if (isClean) return;
  const left = await findLeft();
  for (const { pid } of left) process.kill(pid, 'SIGKILL');
  throw new Error(
    `this file left processes behind: ${left.map(({ pid, command }) => `${pid} ${command}`).join('; ')}`,
  );
});

/** Servers run with an environment of their own, but they are this process's children. */
async function findLeft(): Promise<FoundProcess[]> {
  return [...(await findMarked(mark)), ...(await findChildren(process.pid))];
}

import { expect, test } from 'vitest';
import { createSharedReading } from '../../../src/http/metrics/shared-reading.ts';

function given() {
  const begun: { resolve(value: string): void; reject(error: Error): void }[] = [];
  let nowMs = 0;
  const read = () => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    begun.push({ resolve, reject });
    return promise;
  };
  const reading = createSharedReading({ read, clock: { now: () => new Date(nowMs) }, ageMs: 1000 });
  return { begun, reading, at: (ms: number) => void (nowMs = ms) };
}

test('who asks within the age shares the reading, who asks later gets a new one', async () => {
  const { begun, reading, at } = given();
  const first = reading();
  at(999);
  const second = reading();
  begun[0]?.resolve('one');
  expect([await first, await second, await reading()]).toEqual(['one', 'one', 'one']);
  at(1000);
  const third = reading();
  await first;
  begun[1]?.resolve('two');
  expect(await third).toBe('two');
});

test('while a slow reading is under way at most one more waits for its end, and all who ask share that', async () => {
  const { begun, reading, at } = given();
  const slow = reading();
  at(5000);
  const late = [reading(), reading(), reading()];
  expect(begun).toHaveLength(1);
  begun[0]?.resolve('old');
  expect(await slow).toBe('old');
  expect(begun).toHaveLength(2);
  begun[1]?.resolve('new');
  expect(await Promise.all(late)).toEqual(['new', 'new', 'new']);
});

test('a failure is told, never an earlier reading in its place, and the next one may succeed', async () => {
  const { begun, reading, at } = given();
  const first = reading();
  begun[0]?.resolve('one');
  await first;
  at(1000);
  const failing = reading();
  await Promise.resolve();
  begun[1]?.reject(new Error('away'));
  await expect(failing).rejects.toThrow('away');
  at(2000);
  const again = reading();
  await failing.catch(() => undefined);
  begun[2]?.resolve('two');
  expect(await again).toBe('two');
});

test('a clock that is set back keeps no reading for longer', async () => {
  const { begun, reading, at } = given();
  at(10_000);
  const first = reading();
  begun[0]?.resolve('one');
  await first;
  at(0);
  const second = reading();
  await first;
  begun[1]?.resolve('two');
  expect(await second).toBe('two');
});

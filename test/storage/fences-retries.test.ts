import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openRawFleet, type RawFleet, refused } from './raw-fleet.ts';

let fleet: RawFleet;
beforeAll(async () => {
  fleet = await openRawFleet();
});
afterAll(() => fleet.close());

const CHECK = '23514';

describe('a lease that may be retried', () => {
  test.each([
    ['more often than it asked for', { max_retries: 1, retries: 2, retry_of: randomUUID() }],
    ['a negative number of times', { max_retries: 1, retries: -1 }],
    ['in the place of none', { max_retries: 1, retries: 1, retry_of: null }],
    ['for the first time in the place of another', { max_retries: 1, retries: 0, retry_of: randomUUID() }],
  ])('is not written down as retried %s', async (_, columns) => {
    await expect(fleet.lease(columns)).rejects.toMatchObject({ code: CHECK });
  });

  test('is not succeeded while it is pending, nor after its last retry', async () => {
    const pending = await fleet.lease({ max_retries: 1 });
    const last = await fleet.lease({ max_retries: 1, retries: 1, retry_of: pending });
    for (const id of [pending, last]) {
      const retried = `update lease set retried_by = gen_random_uuid() where id = '${id}'`;
      expect(await fleet.attempt([retried])).toMatchObject(refused(CHECK));
    }
  });

  test('is not succeeded where it ended in another way than lost', async () => {
    const { lease } = await fleet.held('leased', 'ending');
    const retried = `update lease set max_retries = 1, retried_by = gen_random_uuid() where id = '${lease}'`;
    expect(await fleet.attempt([retried])).toMatchObject(refused(CHECK));
  });

  test('has one successor at most', async () => {
    const retry_of = randomUUID();
    await fleet.lease({ max_retries: 1, retries: 1, retry_of });
    await expect(fleet.lease({ max_retries: 1, retries: 1, retry_of })).rejects.toMatchObject({
      code: '23505',
    });
  });
});

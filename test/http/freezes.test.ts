import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFleet, type Fleet } from './fleet-server.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet.close());

test('operators freeze and unfreeze launches and deletions, and everybody sees it', async () => {
  const set = (verbs: string[], frozen: boolean) =>
    fleet.send('operator', 'POST /v1/freezes', { body: { verbs, frozen } });
  const seen = async () => (await fleet.send('ann', 'GET /v1/freezes')).body.freezes;
  expect(await seen()).toEqual([]);
  expect((await set(['launch', 'delete'], true)).status).toBe(200);
  const by = 'api:operator';
  const since = expect.any(String);
  expect(await seen()).toEqual([
    { verb: 'launch', by, since },
    { verb: 'delete', by, since },
  ]);
  expect((await set(['launch'], false)).body.freezes).toEqual([{ verb: 'delete', by, since }]);
});

test('nobody else freezes anything, and nothing else can be frozen', async () => {
  const act = { body: { verbs: ['launch'], frozen: true } };
  expect((await fleet.send('ann', 'POST /v1/freezes', act)).status).toBe(403);
  for (const verbs of [[], ['reset']]) {
    const body = { verbs, frozen: true };
    expect((await fleet.send('operator', 'POST /v1/freezes', { body })).status).toBe(400);
  }
});

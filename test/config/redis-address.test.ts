import { expect, test } from 'vitest';
import { ConfigError, describeConfig, loadConfig, parseRedisAddress, sayProblem } from '../../src/config.ts';

const SECRET = 'hunter2';

test.each(['redis://h', 'redis://u:p@h:6380/2', 'rediss://:p@h?family=6'])(
  'the address of one server stays as it is: %s',
  (url) => {
    expect(parseRedisAddress(url)).toEqual({ kind: 'single', url });
  },
);

test.each([
  [
    'redis+sentinel://u%40x:p%2Fw@one:26379,two,[::1]:9/my-master.1?db=3&sentinelPassword=s%26',
    {
      ...{ kind: 'sentinel', tls: false, name: 'my-master.1', db: 3, username: 'u@x', password: 'p/w' },
      sentinels: [
        { host: 'one', port: 26_379 },
        { host: 'two', port: 26_379 },
        { host: '::1', port: 9 },
      ],
      sentinelPassword: 's&',
    },
  ],
  [
    'rediss+sentinel://h/m',
    { kind: 'sentinel', tls: true, name: 'm', db: 0, sentinels: [{ host: 'h', port: 26_379 }] },
  ],
  [
    'rediss+cluster://:p@h1:7000,h2',
    {
      ...{ kind: 'cluster', tls: true, password: 'p' },
      nodes: [
        { host: 'h1', port: 7000 },
        { host: 'h2', port: 6379 },
      ],
    },
  ],
  ['redis+cluster://h:1/0?db=0', { kind: 'cluster', tls: false, nodes: [{ host: 'h', port: 1 }] }],
])('the address of several servers is taken apart: %s', (text, address) => {
  expect(parseRedisAddress(text)).toEqual(address);
});

test.each([
  ['http://u:hunter2@h', /must be an address that begins with redis:\/\/ .*; write for example/],
  ['redis+ring://u:hunter2@h', /must be an address that begins with redis:\/\//],
  ['redis+sentinel://u:hunter2@h:1,h:2', /names no master after the sentinels; .*mymaster/],
  ['redis+sentinel://u:hunter2@h/a/hunter2', /names a master that no sentinel can have; /],
  ['redis+sentinel://u:hunter2@/m', /names no host; write HOST:PORT/],
  ['redis+sentinel://h/m?db=hunter2', /has a db that is no whole number; .*\?db=0/],
  ['redis+sentinel://h/m?hunter2=1', /has an option .* not known; remove it; known are db, sentinelUsername/],
  ['redis+sentinel://h/m?db=1&db=2', /has the option db twice; /],
  ['redis+sentinel://h/m?sentinelPassword=', /has the option sentinelPassword without a value; /],
  ['redis+cluster://u:hunter2@h,,h', /between its commas that is no HOST:PORT; .*%2C/],
  ['redis+cluster://u:hun/ter2@h', /has a port that is no whole number from 1 to 65535; .*%2F/],
  ['redis+cluster://u:hunter2@h:70000', /has a port that is no whole number from 1 to 65535; /],
  ['redis+cluster://hunter2@h', /has no password before its @; write USER:PASSWORD@/],
  ['redis+cluster://u:%hunter2@h', /has a % in it that begins no encoded character; .*%25/],
  ['redis+cluster://u:hunter2@h/1', /names a database, of which a cluster has but one; remove/],
  ['redis+cluster://u:hunter2@h?db=1', /names a database, of which a cluster has but one; remove/],
])('a mistake in it is one message that repeats nothing of it: %s', async (REDIS_URL, message) => {
  const error = await loadConfig({ env: { REDIS_URL }, cwd: import.meta.dirname, providers: [] }).catch(
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConfigError)) throw new Error('the mistake was let pass');
  expect(error.problems.map(sayProblem)).toEqual([expect.stringMatching(message)]);
  expect(error.message).toMatch(/REDIS_URL: redisUrl /);
  expect(error.message).not.toMatch(/hunter|ter2/);
});

test('a prefix without a hash tag is refused on a cluster alone', async () => {
  const load = (REDIS_URL: string) =>
    loadConfig({
      env: { REDIS_URL, DROVER_REDIS_PREFIX: '}mine' },
      cwd: import.meta.dirname,
      providers: [],
    });
  await expect(load('redis+cluster://h')).rejects.toThrow(/DROVER_REDIS_PREFIX: redisPrefix begins with }/);
  expect((await load('redis://h')).redisPrefix).toBe('}mine');
});

test.each([
  [`redis+sentinel://u:${SECRET}@h,[::1]:2/m?sentinelPassword=${SECRET}`, 'u:***@h:26379,[::1]:2/m?db=0'],
  [`rediss+cluster://:${SECRET}@h:1,h:2`, 'rediss+cluster://:***@h:1,h:2'],
  ['redis+cluster://h:1', 'redis+cluster://h:1'],
])('what is shown of it names its hosts and hides its passwords', async (REDIS_URL, shown) => {
  const config = await loadConfig({ env: { REDIS_URL }, cwd: import.meta.dirname, providers: [] });
  const text = JSON.stringify(describeConfig(config));
  expect(text).toContain(shown);
  expect(text).not.toContain(SECRET);
});

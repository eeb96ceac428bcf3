import { createHash } from 'node:crypto';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ConfigError,
  describeConfig,
  loadClientSettings,
  type Environment,
  loadConfig,
  type Problem,
  readEnvironment,
  sayProblem,
} from '../../src/config.ts';
import { settingsSchema } from '../../src/config/settings-schema.ts';
import { variablesOf } from '../../src/config/variables.ts';
import type { WorkSettings } from '../../src/fleet/ports.ts';
import { SOME_PROVIDERS } from './some-providers.ts';

const POOLS = `
- name: win10
  platform: windows
  max: 5
  probe: { kind: none }
  placements: [{ name: here, provider: cloud-a, region: north }]
`;

let cwd: string;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'drover-config-'));
});

afterEach(() => rm(cwd, { recursive: true, force: true }));

async function write(name: string, text: string): Promise<void> {
  const path = join(cwd, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

function load(env: Environment = {}, file?: string) {
  return loadConfig({ env, cwd, providers: SOME_PROVIDERS, ...(file === undefined ? {} : { file }) });
}

async function problemsOf(env: Environment = {}, file?: string): Promise<readonly Problem[]> {
  try {
    await load(env, file);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

async function told(env: Environment = {}, file?: string): Promise<string[]> {
  return (await problemsOf(env, file)).map(sayProblem);
}

describe('without any configuration', () => {
  test('everything has a default, and both databases are embedded', async () => {
    const config = await load();
    expect(config).toMatchObject({
      log: { level: 'info' },
      http: { host: '127.0.0.1', port: 8420 },
      tokenFile: join(cwd, '.drover/token'),
      tokens: [],
      client: { url: 'http://127.0.0.1:8420' },
      providers: { 'cloud-a': {}, 'cloud-b': {} },
      places: {},
      warnings: [],
    });
    for (const absent of ['databaseUrl', 'redisUrl', 'pools', 'poolsFile'])
      expect(config).not.toHaveProperty(absent);
  });

  test('workers pace themselves by the usual settings', async () => {
    const work: WorkSettings = (await load()).work;
    expect(work).toEqual({
      claimMs: 30_000,
      windowMs: 50,
      reconcileMs: 5000,
      sweepMs: 60_000,
      sweepGraceMs: 60_000,
      retentionMs: 604_800_000,
    });
  });

  test('an embedded run has an id that stays and that no other folder has', async () => {
    const first = await load();
    const again = await load();
    const other = await loadConfig({ env: {}, cwd: join(cwd, 'other'), providers: SOME_PROVIDERS });
    expect(first.installation).toMatch(/^drover-[0-9a-f]{8}$/);
    expect(again.installation).toBe(first.installation);
    expect(other.installation).not.toBe(first.installation);
    expect(first.redisPrefix).toBe(first.installation);
  });

  test('the configuration is frozen through and through', async () => {
    await write('pools.yaml', POOLS);
    const config = await load();
    for (const part of [
      config,
      config.http,
      config.work,
      config.pools,
      config.pools?.[0]?.placements[0]?.spec,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});

describe('what is configured', () => {
  test('a variable wins over the file, the file over the default, and an empty variable says nothing', async () => {
    await write('drover.yaml', 'http: { port: 9000, host: 0.0.0.0 }\nwork: { sweep: 5m }\n');
    const config = await load({ DROVER_HTTP_PORT: '0', DROVER_HTTP_HOST: '', DROVER_WORK_CLAIM: '12.5' });
    expect(config.http).toEqual({ host: '0.0.0.0', port: 0 });
    expect(config.work).toMatchObject({ sweepMs: 300_000, claimMs: 12_500, reconcileMs: 5000 });
  });

  test('a daily limit on machine-hours is that of the file or the variable, and none unless there is one', async () => {
    expect((await load()).maxMachineHoursPerDay).toBeUndefined();
    await write('drover.yaml', 'maxMachineHoursPerDay: 500\n');
    expect((await load()).maxMachineHoursPerDay).toBe(500);
    const variable = { DROVER_MAX_MACHINE_HOURS_PER_DAY: '200' };
    expect((await load(variable)).maxMachineHoursPerDay).toBe(200);
  });

  test('the file is ./drover.yaml, or what DROVER_CONFIG names, or what the caller names', async () => {
    await write('drover.yaml', 'log: { level: warn }');
    await write('b/other.yaml', 'log: { level: debug }');
    await write('c.yaml', 'log: { level: trace }');
    expect((await load()).log.level).toBe('warn');
    expect((await load({ DROVER_CONFIG: 'b/other.yaml' })).log.level).toBe('debug');
    expect((await load({ DROVER_CONFIG: 'b/other.yaml' }, 'c.yaml')).log.level).toBe('trace');
  });

  test('paths start at the file that says them, and otherwise where the program does', async () => {
    await write('etc/drover.yaml', 'pools: my-pools.yaml\ntokenFile: token');
    await write('etc/my-pools.yaml', POOLS);
    await write('here.yaml', POOLS);
    const byFile = await load({ DROVER_CONFIG: 'etc/drover.yaml' });
    expect([byFile.poolsFile, byFile.tokenFile]).toEqual([
      join(cwd, 'etc/my-pools.yaml'),
      join(cwd, 'etc/token'),
    ]);
    const byVariable = await load({
      DROVER_CONFIG: 'etc/drover.yaml',
      DROVER_POOLS: 'here.yaml',
      DROVER_TOKEN_FILE: 't',
    });
    expect([byVariable.poolsFile, byVariable.tokenFile]).toEqual([join(cwd, 'here.yaml'), join(cwd, 't')]);
    await write('etc/bare.yaml', '{}');
    expect((await load({ DROVER_CONFIG: 'etc/bare.yaml' })).tokenFile).toBe(join(cwd, '.drover/token'));
  });

  test('./pools.yaml is read where it is there', async () => {
    await write('pools.yaml', POOLS);
    const config = await load();
    expect(config.poolsFile).toBe(join(cwd, 'pools.yaml'));
    expect(config.pools?.map(({ name }) => name)).toEqual(['win10']);
  });

  test('tokens are kept by their hashes, DROVER_TOKEN as an operator among them', async () => {
    const hash = 'ab'.repeat(32);
    await write('drover.yaml', `tokens:\n  - { owner: ci, sha256: ${hash} }\n`);
    const token = 'a-token-of-some-length';
    const config = await load({ DROVER_TOKEN: token });
    expect(config.tokens).toEqual([
      { owner: 'ci', sha256: hash, operator: false },
      { owner: 'operator', sha256: createHash('sha256').update(token).digest('hex'), operator: true },
    ]);
    expect(config.client.token).toBe(token);
  });

  test("each provider's section passes that provider's own schema", async () => {
    await write('drover.yaml', 'providers: { cloud-a: { endpoint: "https://cloud.example", retries: 3 } }');
    const config = await load();
    expect(config.providers['cloud-a']).toEqual({ endpoint: 'https://cloud.example', retries: 3 });
  });

  test('an id given by hand names the keys in Redis unless these have a name of their own', async () => {
    const env = { DATABASE_URL: 'postgres://u@h/d', DROVER_INSTALLATION: 'detonation-1' };
    expect(await load(env)).toMatchObject({ installation: 'detonation-1', redisPrefix: 'detonation-1' });
    expect((await load({ ...env, DROVER_REDIS_PREFIX: 'mine' })).redisPrefix).toBe('mine');
  });

  test('a variable that sets nothing is warned of, with the one it may have meant', async () => {
    const config = await load({ DROVER_HTP_PORT: '5', DROVER_CONFIG: '', OTHER: 'x', DROVER_XYZZY: '1' });
    expect(config.warnings).toEqual([
      'DROVER_HTP_PORT sets nothing; did you mean DROVER_HTTP_PORT?',
      'DROVER_XYZZY sets nothing; remove it',
    ]);
  });
});

describe('mistakes', () => {
  test('are told all at once: of variables, of the file with lines, and of the pools', async () => {
    await write(
      'drover.yaml',
      'htp: {}\nlog:\n  level: loud\nproviders:\n  cloud-a: { retries: -1 }\n  cloud-x: {}\n',
    );
    await write('pools.yaml', POOLS.replace('max: 5', 'max: 0'));
    const lines = await told({
      DROVER_HTTP_PORT: '84x20',
      DROVER_WORK_WINDOW: '2s',
      DATABASE_URL: 'mysql://h/d',
    });
    expect(lines.toSorted()).toEqual([
      expect.stringMatching(
        /^DATABASE_URL: databaseUrl must be an address that begins with postgres:\/\/ or postgresql:\/\//,
      ),
      expect.stringMatching(
        /^DROVER_HTTP_PORT: http.port must be a whole number .* but is "84x20"; write for example 8420/,
      ),
      expect.stringMatching(
        /^DROVER_INSTALLATION: installation is missing although DATABASE_URL is set.*; set it to/,
      ),
      expect.stringMatching(
        /^DROVER_WORK_WINDOW: work.window must be a duration from 0ms to 250ms, but is "2s"/,
      ),
      expect.stringMatching(/^drover.yaml:1:1: htp is not a known key; did you mean "http"\?/),
      expect.stringMatching(/^drover.yaml:3:10: log.level must be one of fatal, error/),
      expect.stringMatching(/^drover.yaml:5:23: providers.cloud-a.retries must be at least 0/),
      expect.stringMatching(
        /^drover.yaml:6:3: providers.cloud-x is not a known key; did you mean "cloud-a"\?/,
      ),
      expect.stringMatching(
        /^pools.yaml:4:8: pool "win10": max must be a whole number from 1 to 100000, but is 0/,
      ),
    ]);
  });

  test.each([
    ['text', 'just text', 'drover.yaml:1:1: the file must be a mapping'],
    ['a list', '- a', 'drover.yaml:1:1: the file must be a mapping'],
    ['a section that is no mapping', 'http: 8420', 'drover.yaml:1:7: http must be a mapping'],
    ['a key written twice', 'log: {}\nlog: {}', 'drover.yaml:2:1: has a key that was already written'],
    ['an error of syntax', 'http: {port: 1', 'drover.yaml:1:'],
    [
      'an option for a provider without any',
      'providers: { cloud-b: { a: 1 } }',
      'drover.yaml:1:25: providers.cloud-b.a is not',
    ],
  ])('in the file have a place: %s', async (_what, text, beginning) => {
    await write('drover.yaml', text);
    const lines = await told({ DROVER_HTTP_PORT: '1' });
    expect(lines.some((line) => line.startsWith(beginning))).toBe(true);
  });

  test('an empty file is none', async () => {
    await write('drover.yaml', '# nothing yet\n');
    expect((await load()).http.port).toBe(8420);
  });

  test('a file that was named has to be there', async () => {
    expect(await told({ DROVER_CONFIG: 'gone.yaml', DROVER_POOLS: 'gone-too.yaml' })).toEqual([
      expect.stringMatching(/^DROVER_CONFIG: names .*gone.yaml, which cannot be read \(ENOENT\)/),
      expect.stringMatching(/^DROVER_POOLS: names .*gone-too.yaml, which cannot be read \(ENOENT\)/),
    ]);
    expect(await told({}, 'gone.yaml')).toEqual([expect.stringMatching(/^gone.yaml: names .*ENOENT/)]);
    await write('pools.yaml/a-folder', '');
    expect(await told()).toEqual([
      expect.stringMatching(/^pools: names .*pools.yaml, which cannot be read \(EISDIR\)/),
    ]);
  });

  test('an address past the pooler says nothing without the pooler', async () => {
    expect(await told({ DATABASE_DIRECT_URL: 'postgres://h/d' })).toEqual([
      expect.stringMatching(/^DATABASE_URL: databaseUrl is missing although DATABASE_DIRECT_URL is set; set/),
    ]);
  });

  test('every setting refuses a value that is wrong for it, and names its variable', async () => {
    for (const { name, schema } of settable()) {
      // Every other setting that is a path, and these alone, takes whatever text is given.
      if ('minLength' in schema) continue;
      const lines = await told({ DROVER_INSTALLATION: 'a', [name]: ' ?! ' });
      expect(lines.map((line) => line.split(':')[0])).toEqual([name]);
    }
  });
});

function settable() {
  return variablesOf(settingsSchema(SOME_PROVIDERS)).filter(({ schema }) => schema['x-ambient'] !== true);
}

describe('a secret', () => {
  const SECRET = 'hunter2-Zq9';

  test.each([
    ['a database of another kind', { DATABASE_URL: `mysql://drover:${SECRET}@h/d` }, ''],
    ['an address that is none', { REDIS_URL: `:${SECRET}@h` }, ''],
    ['a token that is too short', { DROVER_TOKEN: SECRET }, ''],
    ['a server of another kind', { DROVER_URL: `ftp://u:${SECRET}@h` }, ''],
    ['an address in the wrong place', { DROVER_REDIS_PREFIX: `redis://u:${SECRET}@h` }, ''],
    ['a token among the hashes', {}, `tokens: [{ owner: ci, sha256: ${SECRET} }]`],
    ['a token instead of the list', {}, `tokens: ${SECRET}`],
    ["a provider's option", {}, `providers: { cloud-a: { apiKey: ${SECRET}${SECRET} } }`],
    ["a provider's section", {}, `providers: { cloud-a: ${SECRET} }`],
    ["a provider's number", {}, `providers: { cloud-a: { retries: ${SECRET} } }`],
    ['a file that is one address', {}, `redis://u:${SECRET}@h`],
    ['an address as a key', {}, `? "redis://u:${SECRET}@h"\n: 5`],
    ['broken syntax around it', {}, `databaseUrl: "postgres://u:${SECRET}@h/d\nhttp: [`],
    ['an alias of its name', {}, `databaseUrl: *${SECRET}`],
    ['a tag of its name', {}, `databaseUrl: !${SECRET} a`],
  ])('is not repeated when it is refused: %s', async (_what, env, file) => {
    await write('drover.yaml', file);
    const lines = await told({ DROVER_INSTALLATION: 'a', ...env });
    expect(lines).not.toEqual([]);
    expect(lines.join('\n')).not.toContain(SECRET);
  });

  test('is not shown with the configuration, which shows the rest', async () => {
    await write(
      'drover.yaml',
      `providers: { cloud-a: { apiKey: hunter2-Zq } }\ntokens: [{ owner: ci, sha256: ${'c'.repeat(64)} }]`,
    );
    const config = await load({
      DROVER_INSTALLATION: 'a',
      DATABASE_URL: `postgres://drover:${SECRET}@db.example/fleet?sslpassword=${SECRET}&sslmode=require`,
      DATABASE_DIRECT_URL: `postgres://drover:${SECRET}@direct.example/fleet`,
      REDIS_URL: `rediss://:${SECRET}@redis.example`,
      DROVER_TOKEN: `${SECRET}-${SECRET}`,
      DROVER_URL: `https://u:${SECRET}@api.example`,
    });
    const shown = JSON.stringify(describeConfig(config));
    expect(config.databaseUrl).toContain(SECRET);
    expect(shown).not.toMatch(/hunter2|cccc/);
    expect(shown).not.toContain(config.tokens[1]?.sha256);
    for (const word of [
      'db.example/fleet',
      'sslmode=require',
      'direct.example/fleet',
      'redis.example',
      'api.example',
      '8420',
      'owner',
      'tokenFile',
    ]) {
      expect(shown).toContain(word);
    }
  });
});

describe('the command line', () => {
  test('needs two variables at most, and no file', () => {
    expect(loadClientSettings({})).toEqual({ url: 'http://127.0.0.1:8420' });
    const token = 'a-token-of-some-length';
    const settings = loadClientSettings({
      DROVER_URL: 'https://drover.example',
      DROVER_TOKEN: token,
      DROVER_HTTP_PORT: 'x',
    });
    expect(settings).toEqual({ url: 'https://drover.example', token });
  });

  test('is told what is wrong with them', () => {
    expect(() => loadClientSettings({ DROVER_URL: 'drover.example' })).toThrow(
      /DROVER_URL: client.url must be an address/,
    );
  });
});

test('the environment is read once as it is, and is no view of the process', () => {
  const env = readEnvironment();
  process.env['DROVER_CONFIG_TEST'] = 'later';
  expect(env['PATH']).toBe(process.env['PATH']);
  expect(env['DROVER_CONFIG_TEST']).toBeUndefined();
  delete process.env['DROVER_CONFIG_TEST'];
});

describe('.env.example', () => {
  async function lines(): Promise<[name: string, value: string][]> {
    const text = await readFile(new URL('../../.env.example', import.meta.url), 'utf8');
    return text
      .split('\n')
      .map((line) => /^#?([A-Z_]+)=(.*)$/.exec(line))
      .flatMap((match): [string, string][] => (match === null ? [] : [[match[1] ?? '', match[2] ?? '']]));
  }

  test('names every variable once, and no other', async () => {
    const named = (await lines()).map(([name]) => name).toSorted();
    expect(named).toEqual([...settable().map(({ name }) => name), 'DROVER_CONFIG'].toSorted());
  });

  test('shows the default wherever there is one', async () => {
    const shown = new Map(await lines());
    const usual = settable().filter(({ schema }) => 'default' in schema);
    expect(usual.map(({ name }) => shown.get(name))).toEqual(
      usual.map(({ schema }) => String(schema['default'])),
    );
  });

  test('makes a configuration that can be used when all of it is taken', async () => {
    await write('drover.yaml', '{}');
    await write('pools.yaml', POOLS);
    const config = await load(Object.fromEntries(await lines()));
    expect(config).toMatchObject({ installation: 'detonation-1', warnings: [], http: { port: 8420 } });
  });

  test('leaves every line commented out, so that a copy of it changes nothing', async () => {
    const text = await readFile(new URL('../../.env.example', import.meta.url), 'utf8');
    expect(text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
  });
});

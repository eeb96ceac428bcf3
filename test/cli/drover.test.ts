import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/cli/connection.ts';
import { runCommandLine } from '../../src/cli/drover.ts';
import { toSeconds } from '../../src/cli/option-values.ts';
import { plain, table } from '../../src/cli/print.ts';
import { aPool, startFleet, TOKENS, type Fleet } from '../http/fleet-server.ts';
import { addRefusedMachine } from '../http/refused-machine.ts';
import { startDrover, type Finished } from './drover-process.ts';

const guests = aPool();
let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests);
});
afterAll(() => fleet.close());

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A folder in which an embedded run left its address and token. */
async function folderOfRun(run: unknown, token: string = TOKENS.ann): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'drover-cli-'));
  folders.push(folder);
  await mkdir(join(folder, '.drover'));
  await writeFile(join(folder, '.drover', 'token'), `${token}\n`);
  await writeFile(join(folder, '.drover', 'run.json'), typeof run === 'string' ? run : JSON.stringify(run));
  return folder;
}

interface Where {
  env?: Record<string, string>;
  cwd?: string;
}

/** Runs a command line in this process, with a context of its own. */
async function droverIn({ env = {}, cwd = tmpdir() }: Where, args: readonly string[]): Promise<Finished> {
  const said = { out: '', err: '' };
  const code = await runCommandLine(['node', 'drover', ...args], {
    env,
    cwd,
    out: (line) => void (said.out += `${line}\n`),
    err: (line) => void (said.err += `${line}\n`),
    exitCode: 0,
  });
  return { code, ...said };
}

const asAnn = () => ({ DROVER_URL: fleet.url, DROVER_TOKEN: TOKENS.ann });
const drover = (...args: string[]) => droverIn({ env: asAnn() }, args);

async function json(...args: string[]) {
  const { code, out, err } = await drover(...args, '--json');
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
}

test('a lease goes its whole way by commands', async () => {
  const requested = await json('lease', 'request', '--pool', 'guests', '--idempotency-key', 'cli-1');
  expect(requested).toMatchObject({ state: 'pending', owner: 'ann' });
  const again = await json('lease', 'request', '--pool', 'guests', '--idempotency-key', 'cli-1');
  expect(again.id).toBe(requested.id);
  await fleet.addReadyMachine(guests);
  await fleet.store.match({ pool: guests, now: new Date(), by: 'test', limit: 10 });
  expect(await json('lease', 'show', requested.id)).toMatchObject({ state: 'active', address: '10.0.0.7' });
  expect((await json('lease', 'heartbeat', requested.id)).state).toBe('active');
  expect(await json('lease', 'complete', requested.id)).toMatchObject({
    state: 'ending',
    outcome: 'completed',
  });
  const late = await drover('lease', 'heartbeat', requested.id);
  expect(late.code).toBe(1);
  expect(late.err).toContain('is over: completed');
});

test('a request is withdrawn by command, and the list shows it', async () => {
  const { id } = await json(
    'lease',
    'request',
    '--platform',
    'windows',
    '--tag',
    'office',
    '--priority',
    '-2',
  );
  expect((await json('lease', 'cancel', id)).state).toBe('cancelled');
  const { leases } = await json('lease', 'list', '--state', 'cancelled');
  expect(leases[0]).toMatchObject({ id, priority: -2 });
  expect((await drover('lease', 'list')).out).toContain(id);
});

test('a user tells by command that the cloud takes the machine away', async () => {
  await fleet.addReadyMachine(guests);
  const { id } = await json('lease', 'request', '--pool', 'guests', '--wait');
  expect(await json('lease', 'lost', id)).toMatchObject({ state: 'ending', outcome: 'lost' });
});

test('a request may ask to be retried, with a limit; a command run under a lease may not', async () => {
  const asked = ['--pool', 'guests', '--on-lost', 'retry'];
  const unlimited = await json('lease', 'request', ...asked);
  expect(unlimited).toMatchObject({ onLost: 'retry', maxRetries: 3, retriedBy: null });
  const limited = await json('lease', 'request', ...asked, '--max-retries', '2');
  expect(limited).toMatchObject({ onLost: 'retry', maxRetries: 2 });
  for (const { id } of [unlimited, limited]) await json('lease', 'cancel', id);
  const refused = await drover('lease', 'request', '--pool', 'guests', '--max-retries', '2');
  expect([refused.code, refused.out]).toEqual([2, '']);
  expect(refused.err).toContain('Give onLost retry with maxRetries');
  expect(await drover('lease', 'run', ...asked, '--', 'true')).toMatchObject({ code: 2, out: '' });
});

test('pools and machines are listed for people and for programs, and one is shown', async () => {
  const machine = await fleet.addReadyMachine(guests);
  expect((await json('pools')).pools[0]).toMatchObject({ name: 'guests' });
  expect((await drover('pools')).out).toMatch(/^POOL .*\nguests +windows +x64 /);
  expect((await json('machines', '--state', 'ready')).machines.at(-1).id).toBeTypeOf('string');
  expect((await drover('machines', '--pool', 'guests')).out).toContain(machine.id);
  expect((await json('show', machine.id)).timeline.at(-1).to).toBe('ready');
  expect((await drover('show', machine.id)).out).toMatch(/state +ready[^]*booting +ready/);
  const { id } = await json('lease', 'request', '--pool', 'guests');
  expect((await drover('show', id)).out).toContain(id);
});

test('a halted sweep is told of with the pools, with the command by which an operator confirms it', async () => {
  const wild = aPool({ name: 'wild' });
  await fleet.addPools(guests, wild);
  const [placement = { pool: '', name: '', provider: '', spec: null }] = wild.placements;
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
  const items = ids.map((instance) => ({ instance, state: 'running', address: null, batch: null }) as const);
  const now = new Date();
  const act = {
    placement,
    items,
    leftOvers: [],
    listedAt: now,
    now,
    graceMs: 0,
    staleAfterMs: 60_000,
    by: 'a test',
  };
  await fleet.store.sweep(act);
  await fleet.store.sweep(act);
  const { out } = await drover('pools');
  const command = /drover (confirm-sweep wild here --count 6)$/m.exec(out)?.[1]?.split(' ') ?? [];
  expect((await drover(...command)).code).toBe(77);
  const asOperator = { env: { ...asAnn(), DROVER_TOKEN: TOKENS.operator } };
  expect(await droverIn(asOperator, command)).toMatchObject({ code: 0, err: '' });
  expect((await droverIn(asOperator, ['confirm-sweep', 'wild', 'there', '--count', '6'])).code).toBe(1);
  expect(await fleet.store.sweep(act)).toMatchObject({ verdict: 'go', condemned: ids });
});

test('machines that cannot be deleted are listed with why, and one tells it of itself', async () => {
  const refusal = { failure: 'has a lock on it', now: new Date() };
  const { id } = await addRefusedMachine(fleet, guests, refusal);
  const { machines } = await json('machines', '--set-aside');
  expect(machines).toMatchObject([{ id, setAside: { refusals: 1, reason: 'has a lock on it' } }]);
  const said =
    /set aside since \S+: its deletion was refused once, is tried again at \S+; has a lock on it$/m;
  expect((await drover('machines', '--set-aside')).out).toMatch(said);
  expect((await drover('show', id)).out).toMatch(said);
});

test('launches and deletions are frozen and let go, and the pools tell of it', async () => {
  const asOperator = { env: { ...asAnn(), DROVER_TOKEN: TOKENS.operator } };
  const frozen = await droverIn(asOperator, ['freeze', '--launches', '--deletes']);
  expect(frozen).toMatchObject({ code: 0, err: '' });
  const said = /^Launches are frozen since .*\nDeletions are frozen since .* \(api:operator\)\.$/m;
  expect((await drover('pools')).out).toMatch(said);
  await droverIn(asOperator, ['unfreeze', '--launches']);
  expect((await json('pools')).freezes).toMatchObject([{ verb: 'delete' }]);
  expect((await droverIn(asOperator, ['unfreeze'])).out).toBe('Nothing is frozen.\n');
  expect((await droverIn(asOperator, ['freeze'])).code).toBe(2);
  expect((await drover('freeze', '--launches')).code).toBe(77);
});

test('a daily limit on machine-hours is told of with the pools, and until when it holds launches back', async () => {
  const daily = aPool({ name: 'daily', maxMachineHoursPerDay: 100 });
  await fleet.addPools(guests, daily);
  expect((await drover('pools')).out).toContain(
    'The pool daily has used 0.0 of 100 machine-hours since midnight UTC.',
  );
  await fleet.addPools(guests, aPool({ name: 'daily', maxMachineHoursPerDay: 1e-9 }));
  await fleet.addReadyMachine(daily);
  await fleet.store.noteMachineHours({ now: new Date(Date.now() + 1000), by: 'a test' });
  expect((await drover('pools')).out).toMatch(
    /^The pool daily .*: it launches nothing until .*T00:00:00\.000Z, unless/m,
  );
  expect((await json('pools')).machineHours).toMatchObject({ maxPerDay: null, reachedAt: null });
});

test('more machines than a page holds are listed, up to the limit', async () => {
  const wide = aPool({ name: 'wide', max: 300 });
  await fleet.addPools(guests, wide);
  const view = await fleet.store.viewPool('wide');
  const wish = { pool: wide, placement: 'here', version: view?.version ?? -1, reason: 'test' };
  await fleet.store.provision({ ...wish, count: 230, now: new Date(), by: 'test' });
  expect((await json('machines', '--pool', 'wide')).machines).toHaveLength(230);
  const some = await json('machines', '--pool', 'wide', '--limit', '205');
  expect([some.machines.length, some.more]).toEqual([205, true]);
});

test('what does not exist is told with the exit code 1', async () => {
  const { code, err } = await drover('show', '00000000-0000-4000-8000-000000000000');
  expect(code).toBe(1);
  expect(err).toContain('neither a machine nor a lease');
});

test('a wrong command line or setting is told with the exit code 2', async () => {
  const wrong = [
    await drover('lease', 'run', '--pool', 'guests', '--wait-timeout', 'soon', '--', 'true'),
    await drover('lease', 'run', '--pool', 'guests'),
    await drover('nonsense'),
    await drover('machines', '--state', 'asleep'),
    await droverIn({ env: { DROVER_URL: 'localhost', DROVER_TOKEN: 'x' } }, ['pools']),
  ];
  for (const { code, out, err } of wrong) {
    expect([code, out]).toEqual([2, '']);
    expect(err).not.toBe('');
    expect(err).not.toContain('    at ');
  }
});

test.each(['serve', 'work'])(
  'what drover %s cannot be run with is told with the exit code 2',
  async (command) => {
    const wrong = await droverIn({ env: { DROVER_HTTP_PORT: 'http' } }, [command]);
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('DROVER_HTTP_PORT: http.port must be a whole number');
    const alone = await droverIn({}, [command]);
    expect(alone).toMatchObject({ code: 2, out: '' });
    expect(alone.err).toContain('DATABASE_URL and REDIS_URL must both be set');
  },
);

test('an invalid token is told with the exit code 77', async () => {
  const stranger = await droverIn({ env: { DROVER_URL: fleet.url, DROVER_TOKEN: 'x' } }, ['pools']);
  expect(stranger.code).toBe(77);
  expect(stranger.err).toContain('valid token');
});

test('a fleet that is gone is told with the exit code 69, soon', async () => {
  const cwd = await folderOfRun({ url: 'http://127.0.0.1:1', tokenFile: 'token' });
  const { code, err } = await droverIn({ cwd }, ['pools']);
  expect(code).toBe(69);
  expect(err).toMatch(/No answer from http:\/\/127.0.0.1:1: .*Check that the fleet is running/);
});

test('help is no mistake, and the program is one of its own', async () => {
  const { code, out } = await startDrover(['lease', 'run', '--help'], { env: {} }).ended;
  expect(code).toBe(0);
  expect(out).toContain('DROVER_MACHINE_ADDRESS');
});

test('in the folder of an embedded run no settings are needed', async () => {
  const cwd = await folderOfRun({ url: fleet.url, tokenFile: 'token' });
  const { code, out } = await droverIn({ cwd }, ['pools', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(out).pools).not.toHaveLength(0);
});

test('without settings or an embedded run it says what to set', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'drover-cli-'));
  folders.push(cwd);
  await expect(connect({ env: {}, cwd })).rejects.toThrow(
    /No fleet to talk to. Set DROVER_URL and DROVER_TOKEN/,
  );
  await expect(connect({ env: { DROVER_TOKEN: 'x' }, cwd })).rejects.toThrow(/DROVER_URL is not/);
  await expect(connect({ env: { DROVER_URL: 'http://a' }, cwd })).rejects.toThrow(/DROVER_TOKEN is not/);
});

test("the embedded run's token goes to no other address", async () => {
  const cwd = await folderOfRun({ url: fleet.url, tokenFile: 'token' });
  const env = { DROVER_URL: 'http://elsewhere.example' };
  await expect(connect({ env, cwd })).rejects.toThrow(/DROVER_TOKEN is not set/);
});

test('a broken run file or an empty token is told', async () => {
  await expect(connect({ env: {}, cwd: await folderOfRun('{') })).rejects.toThrow(/run.json does not say/);
  const cwd = await folderOfRun({ url: fleet.url, tokenFile: 'token' }, ' ');
  await expect(connect({ env: {}, cwd })).rejects.toThrow(/is empty/);
  const missing = await folderOfRun({ url: fleet.url, tokenFile: 'nowhere' });
  await expect(connect({ env: {}, cwd: missing })).rejects.toThrow(/Cannot read the token/);
});

test.each([
  ['90', 90],
  ['90s', 90],
  ['15m', 900],
  ['2h', 7200],
  ['1.5d', 129_600],
  ['500ms', 0.5],
])('%s is %d seconds', (text, seconds) => {
  expect(toSeconds(text)).toBe(seconds);
});

test.each(['', '15 m', '-1s', 'm', '1w', '1e3'])('"%s" is no duration', (text) => {
  expect(() => toSeconds(text)).toThrow(/duration/);
});

test('what a cloud or guest named does not move the cursor of a terminal', () => {
  expect(plain('a\u001b[2Jb\n\u009bc')).toBe('a?[2Jb??c');
  expect(table(['A', 'B'], [['one', 't\two']])).toEqual(['A    B', 'one  t?wo']);
});

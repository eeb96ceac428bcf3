import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aPool, startFleet, TOKENS, type Fleet } from '../http/fleet-server.ts';
import { startDrover, type DroverProcess } from './drover-process.ts';

const guests = aPool();
let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addPools(guests);
});
afterAll(() => fleet.close());

function drover(...args: string[]): DroverProcess {
  return startDrover(args, { env: { DROVER_URL: fleet.url, DROVER_TOKEN: TOKENS.ann } });
}

const run = (script: string, ...options: string[]) =>
  drover('lease', 'run', '--pool', 'guests', ...options, '--', 'sh', '-c', script);

/** Says that it runs, then waits for a signal, whose name it tells, and ends with 9. */
const TELLS_SIGNALS = [
  ...['INT', 'TERM', 'HUP'].map((name) => `trap "echo got ${name}; exit 9" ${name}`),
  'echo started',
  'while :; do sleep 0.05; done',
].join('; ');

interface LeaseShown {
  id: string;
  state: string;
  outcome: string | null;
  deadlineAt: string;
}

async function newestLease(): Promise<LeaseShown> {
  const { body } = await fleet.send('ann', 'GET /v1/leases?limit=1');
  return body.leases[0];
}

async function eventually<Value>(look: () => Promise<Value | undefined>): Promise<Value> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it never happened');
}

describe('with a machine', () => {
  test('the command finds its machine in its environment, and success completes the lease', async () => {
    const machine = await fleet.addReadyMachine(guests);
    const shows = 'echo "$DROVER_MACHINE_ADDRESS $DROVER_MACHINE_ID $DROVER_LEASE_ID"';
    const { code, out } = await run(shows).ended;
    const lease = await newestLease();
    expect(code).toBe(0);
    expect(out).toBe(`10.0.0.7 ${machine.id} ${lease.id}\n`);
    expect(lease.outcome).toBe('completed');
  });

  test("the command's exit code is passed on, and the lease fails with it", async () => {
    await fleet.addReadyMachine(guests);
    const { code } = await run('exit 7').ended;
    expect(code).toBe(7);
    expect((await newestLease()).outcome).toBe('failed');
  });

  test('options after the command are the command’s own', async () => {
    await fleet.addReadyMachine(guests);
    const { code, out } = await drover('lease', 'run', '--pool', 'guests', 'echo', '--json', '--pool').ended;
    expect([code, out]).toEqual([0, '--json --pool\n']);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s reaches the command, which decides',
    async (signal) => {
      await fleet.addReadyMachine(guests);
      const running = run(TELLS_SIGNALS);
      await running.said('started');
      running.kill(signal);
      const { code, out } = await running.ended;
      expect(out).toContain(`got ${signal.slice(3)}`);
      expect(code).toBe(9);
      expect((await newestLease()).outcome).toBe('failed');
    },
  );

  test('a command ended by a signal gives 128 and the number of the signal', async () => {
    await fleet.addReadyMachine(guests);
    const { code } = await run('kill -KILL $$').ended;
    expect(code).toBe(137);
    expect((await newestLease()).outcome).toBe('failed');
  });

  test('a command that cannot be run fails the lease', async () => {
    await fleet.addReadyMachine(guests);
    const missing = await drover('lease', 'run', '--pool', 'guests', '--', 'no-such-command').ended;
    expect(missing.code).toBe(127);
    expect(missing.err).toContain('cannot run the command');
    expect((await newestLease()).outcome).toBe('failed');
    await fleet.addReadyMachine(guests);
    const folder = await drover('lease', 'run', '--pool', 'guests', '--', '/').ended;
    expect(folder.code).toBe(126);
  });

  test('heartbeats keep the lease for longer than its time-out', async () => {
    await fleet.addReadyMachine(guests);
    const running = run(TELLS_SIGNALS, '--heartbeat-timeout', '1s');
    await running.said('started');
    const first = await newestLease();
    const laterMs = Date.parse(first.deadlineAt) + 1500;
    const kept = await eventually(async () => {
      await fleet.store.expireLeases({ now: new Date(), by: 'test', limit: 10 });
      const lease = await newestLease();
      return Date.parse(lease.deadlineAt) > laterMs || lease.state !== 'active' ? lease : undefined;
    });
    expect(kept).toMatchObject({ id: first.id, state: 'active' });
    running.kill('SIGTERM');
    expect((await running.ended).code).toBe(9);
  });

  test('a lost lease ends the command, and is told', async () => {
    await fleet.addReadyMachine(guests);
    const running = run(TELLS_SIGNALS, '--heartbeat-timeout', '1s');
    await running.said('started');
    const { id } = await newestLease();
    await fleet.send('operator', `POST /v1/leases/${id}/cancel`);
    const { code, out, err } = await running.ended;
    expect(code).toBe(75);
    expect(out).toContain('got TERM');
    expect(err).toContain(`lease ${id} is lost`);
    expect(err).toContain('cancelled');
  });

  test('a command that ignores the loss is ended hard after 10 s', async () => {
    await fleet.addReadyMachine(guests);
    const stubborn = 'trap "echo ignored" TERM; echo started; while :; do sleep 0.05; done';
    const running = run(stubborn, '--heartbeat-timeout', '1s');
    await running.said('started');
    const { id } = await newestLease();
    await fleet.send('operator', `POST /v1/leases/${id}/cancel`);
    await running.said('ignored');
    const from = performance.now();
    const { code, err } = await running.ended;
    expect(code).toBe(75);
    expect(performance.now() - from).toBeGreaterThan(9000);
    expect(err).toContain('SIGKILL');
  });

  test('a lease that ended before its command did is told as lost', async () => {
    await fleet.addReadyMachine(guests);
    const running = run('echo started; exec sleep 60');
    await running.said('started');
    const { id } = await newestLease();
    const beaten = () => fleet.logged.some((line) => line.includes(`${id}/heartbeat`));
    await eventually(async () => beaten() || undefined);
    await fleet.send('operator', `POST /v1/leases/${id}/cancel`);
    running.kill('SIGTERM');
    const { code, err } = await running.ended;
    expect(code).toBe(75);
    expect(err).toContain('before the command ended');
  });

  test('where no heartbeat reaches the fleet for too long, the lease counts as lost', async () => {
    const other = await startFleet();
    try {
      await other.addPools(guests);
      await other.addReadyMachine(guests);
      const env = { DROVER_URL: other.url, DROVER_TOKEN: TOKENS.ann };
      const args = ['lease', 'run', '--pool', 'guests', '--heartbeat-timeout', '1s', '--'];
      const running = startDrover([...args, 'sh', '-c', TELLS_SIGNALS], { env });
      await running.said('started');
      await other.server.stop();
      const { code, out, err } = await running.ended;
      expect([code, out]).toEqual([75, 'started\ngot TERM\n']);
      expect(err).toContain('no heartbeat has reached the fleet for 1 s');
    } finally {
      await other.close();
    }
  });

  test('with --json what happens is told as one JSON object a line, apart from the output', async () => {
    await fleet.addReadyMachine(guests);
    const { out, err } = await run('echo result', '--json').ended;
    expect(out).toBe('result\n');
    const events = err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).event);
    expect(events).toEqual(['requested', 'active', 'ended']);
  });
});

describe('without a machine', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s withdraws the request and nothing is run', async (signal, expected) => {
    const waiting = run('echo started');
    await waiting.said('waiting for a machine');
    const { id } = await newestLease();
    waiting.kill(signal);
    const { code, out, err } = await waiting.ended;
    expect([code, out]).toEqual([expected, '']);
    expect(err).toContain(`lease ${id} cancelled`);
    expect(await newestLease()).toMatchObject({ id, state: 'cancelled' });
  });

  test('the command begins as soon as a machine is there', async () => {
    const waiting = run('echo started');
    await waiting.said('waiting for a machine');
    await fleet.addReadyMachine(guests);
    await fleet.store.match({ pool: guests, now: new Date(), by: 'test', limit: 10 });
    const { code, out } = await waiting.ended;
    expect([code, out]).toEqual([0, 'started\n']);
  });

  test('a request that waited in vain is told with its reason', async () => {
    const waiting = run('echo started', '--wait-timeout', '1s');
    await waiting.said('waiting for a machine');
    await fleet.store.expireLeases({ now: new Date(Date.now() + 2000), by: 'test', limit: 10 });
    const { code, out, err } = await waiting.ended;
    expect([code, out]).toEqual([69, '']);
    expect(err).toContain('no-capacity');
  });

  test('a pool that does not exist is told with those that do', async () => {
    const { code, err } = await drover('lease', 'run', '--pool', 'gusts', '--', 'true').ended;
    expect(code).toBe(2);
    expect(err).toContain('There is no pool gusts. Known there: guests.');
  });
});

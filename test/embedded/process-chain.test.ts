import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_SEARCH_PATH } from '../../src/embedded/find-program.ts';
import { findPlaces } from '../../src/embedded/places.ts';
import { findRedis } from '../../src/embedded/redis-program.ts';
import { findServerUser } from '../../src/embedded/run-as.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import {
  PACKAGES_FOR_SERVERS,
  makeCheckout,
  readReport,
  type ServeReport,
  type Started,
  type ThrowawayCheckout,
} from './throwaway-checkout.ts';

const isRoot = process.getuid?.() === 0;

/** Redis may have to be fetched; all checkouts then share it. */
async function cacheWithRedis(): Promise<string> {
  const { env } = process;
  const hints = {
    checkout: process.cwd(),
    uid: process.getuid?.() ?? 0,
    home: env['HOME'],
    cacheHome: env['XDG_CACHE_HOME'],
  };
  const { cacheDir } = await findPlaces({ ...hints, cacheDir: env['DROVER_CACHE_DIR'] });
  await findRedis({
    cacheDir,
    searchPath: DEFAULT_SEARCH_PATH,
    onProgress: () => undefined,
    signal: undefined,
  });
  return cacheDir;
}

describe.each(isRoot ? ['root', 'nobody'] : ['a normal user'])(
  'npm start as %s',
  { timeout: 60_000 },
  (name) => {
    let checkout: ThrowawayCheckout;
    let cacheDir: string;
    let starts = 0;

    beforeAll(async () => {
      cacheDir = await cacheWithRedis();
      const user = name === 'nobody' ? await findServerUser() : undefined;
      checkout = await makeCheckout({ user, packages: PACKAGES_FOR_SERVERS });
    });

    afterAll(() => checkout.remove());

    async function start(): Promise<{ started: Started; report: ServeReport }> {
      const started = await checkout.start(['npm', 'start'], { DROVER_CACHE_DIR: cacheDir });
      const report = await readReport(started);
      // More than before: what earlier starts wrote is still there.
      expect(report.starts).toBeGreaterThan(starts);
      starts = report.starts;
      return { started, report };
    }

    /** Processes and open ports, once there are none or ten seconds have passed. */
    async function left(report: Pick<ServeReport, 'ports'>): Promise<unknown[]> {
      const look = async () => {
        const open = await Promise.all(
          report.ports.map(async (port) => ((await isListening(port)) ? [port] : [])),
        );
        return [...(await checkout.processes()), ...open.flat()];
      };
      const wait = { deadlineMs: 10_000, everyMs: 50 };
      return (await waitUntil(wait, async () => ((await look()).length === 0 ? [] : undefined))) ?? look();
    }

    async function pidOf(link: string, report: ServeReport, started: Started): Promise<number> {
      if (link === 'npm') return started.child.pid ?? 0;
      if (link === 'the main process') return report.pid;
      const launcher = (await checkout.processes()).find(({ command }) =>
        /^\S*node \S*launch\.mjs start/.test(command),
      );
      if (launcher === undefined) throw new Error('there is no launcher');
      return launcher.pid;
    }

    test('a second start serves the same data within five seconds', async () => {
      const first = await start();
      process.kill(first.report.pid, 'SIGTERM');
      expect(await first.started.exited).toBe(0);
      const startedAt = performance.now();
      const second = await start();
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      process.kill(second.report.pid, 'SIGTERM');
      expect(await left(second.report)).toEqual([]);
    });

    test.each(['npm', 'the launcher', 'the main process'])(
      'killing %s leaves no process and no port',
      async (link) => {
        const { started, report } = await start();
        process.kill(await pidOf(link, report, started), 'SIGKILL');
        await started.exited;
        expect(await left(report)).toEqual([]);
      },
    );

    test('Ctrl-C in a terminal stops everything in order', async () => {
      const { started, report } = await start();
      process.kill(-(started.child.pid ?? 0), 'SIGINT');
      await started.exited;
      expect(await left(report)).toEqual([]);
    });

    test('SIGTERM to npm alone stops everything in order', async () => {
      const { started, report } = await start();
      started.child.kill('SIGTERM');
      await started.exited;
      expect(await left(report)).toEqual([]);
    });

    test('a start that is stopped half-way leaves nothing behind', async () => {
      const started = await checkout.start(['npm', 'start'], { DROVER_CACHE_DIR: cacheDir });
      const isUnderWay = await waitUntil({ deadlineMs: 20_000, everyMs: 5 }, async () =>
        started.output.stderr.includes('starting PostgreSQL') ? true : undefined,
      );
      expect(isUnderWay).toBe(true);
      started.child.kill('SIGKILL');
      expect(await left({ ports: [] })).toEqual([]);
    });

    test('a start beside one that serves says which process to stop', async () => {
      const { started, report } = await start();
      const second = await checkout.start(['npm', 'start'], { DROVER_CACHE_DIR: cacheDir });
      expect(await second.exited).toBe(1);
      expect(second.output.stderr).toContain(`already running in this checkout (process ${report.pid})`);
      process.kill(report.pid, 'SIGTERM');
      await started.exited;
      expect(await left(report)).toEqual([]);
    });
  },
);

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

import { AssertionError } from 'node:assert';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createWorkerProcesses, type WorkerProcesses } from '../../src/cli/start/worker-processes.ts';
import { type Client, createClient } from '../../src/client/client.ts';
import { DEFAULT_SEARCH_PATH } from '../../src/embedded/find-program.ts';
import type { Log } from '../../src/fleet/ports.ts';
import { composeServe, prepareDatabase } from '../../src/main.ts';
import {
  type EmulatedGround,
  type EmulatedGroundOptions,
  prepareGround,
  type Undo,
} from './emulated-ground.ts';

export interface EmulatedFleetOptions extends EmulatedGroundOptions {
  /** Worker processes. */
  workers: number;
}

/** The whole stack: PostgreSQL, Redis, API, worker processes, the vendors' SDKs and both emulated clouds. */
export interface EmulatedFleet extends Pick<
  EmulatedGround,
  'config' | 'clouds' | 'sql' | 'until' | 'failedJobs' | 'shrink' | 'history'
> {
  client: Client;
  /** Stops API and workers in order; servers and clouds go on. */
  halt(): Promise<void>;
  /** Starts them again, as `drover serve` and `drover work` do. */
  resume(): Promise<void>;
  /** What API and workers have logged that is no mere information. */
  troubles(): Promise<string[]>;
  stop(): Promise<void>;
}

/** Starts a fleet with a database, a key prefix and clouds of its own; nothing is left of it after `stop`. */
export async function startEmulatedFleet(options: EmulatedFleetOptions): Promise<EmulatedFleet> {
  const undo: Undo = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    return { ...(await assemble(options, undo)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function assemble(options: EmulatedFleetOptions, undo: Undo): Promise<Omit<EmulatedFleet, 'stop'>> {
  const ground = await prepareGround(options, undo);
  const said: string[] = [];
  const processes = createProcesses(options, ground, { said, undo });
  await processes.start();
  return {
    ...ground,
    client: createClient({ url: processes.url(), token: ground.token }),
    halt: processes.stop,
    resume: processes.start,
    troubles: async () => [...said, ...(await readTroubles(ground.dir))],
    async history(acks) {
      await processes.stop();
      return ground.history(acks);
    },
  };
}

interface Processes {
  start(): Promise<void>;
  stop(): Promise<void>;
  url(): string;
}

const clock = { now: () => new Date() };

/** In the order of a real start: the database's pools, workers, API. */
function createProcesses(
  { workers: count }: EmulatedFleetOptions,
  { config, env, dir }: EmulatedGround,
  { said, undo }: { said: string[]; undo: Undo },
): Processes {
  const deaths: string[] = [];
  const running: { stop(): Promise<unknown> }[] = [];
  let url: string | undefined;
  const stop = async (): Promise<void> => {
    for (const each of running.splice(0).toReversed()) await each.stop();
  };
  undo.push(async () => {
    await stop();
    if (deaths.length > 0) throw new AssertionError({ message: deaths.join('\n') });
  });
  return {
    async start() {
      await prepareDatabase(config, clock.now());
      const workers = startableWorkers({ count, env, dir, deaths });
      running.push(workers);
      await workers.start();
      // Whoever knows its address finds it there again.
      const port = url === undefined ? config.http.port : Number(new URL(url).port);
      const serving = await composeServe({
        config: { ...config, http: { ...config.http, port } },
        ...{ log: collectingLog(said), clock, version: 'test' },
      });
      running.push(serving);
      await serving.start();
      url = serving.url;
    },
    stop,
    url: () => url ?? '',
  };
}

function startableWorkers(of: {
  count: number;
  env: EmulatedGround['env'];
  dir: string;
  deaths: string[];
}): WorkerProcesses {
  const { count, env, dir, deaths } = of;
  return createWorkerProcesses({
    ...{ count, env, dir, cwd: dir, searchPath: process.env['PATH'] ?? DEFAULT_SEARCH_PATH },
    onDeath: (line) => void deaths.push(line),
  });
}

/** The API's, at the level of warnings. */
function collectingLog(lines: string[]): Log {
  const write = (fields: Record<string, unknown>, message: string): void => {
    const err = fields['err'] instanceof Error ? fields['err'].message : fields['err'];
    lines.push(JSON.stringify({ ...fields, err, message }));
  };
  return { info: () => undefined, warn: write, error: write };
}

/** Workers log to files of their own, at the level of warnings. */
async function readTroubles(dir: string): Promise<string[]> {
  const files = (await readdir(dir)).filter((name) => /^worker-\d+\.log$/.test(name));
  const texts = await Promise.all(files.map((name) => readFile(join(dir, name), 'utf8')));
  return texts.flatMap((text) => text.split('\n')).filter((line) => line !== '' && line !== 'working');
}

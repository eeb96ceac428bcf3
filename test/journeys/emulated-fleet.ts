import { AssertionError } from 'node:assert';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLog } from '../../src/cli/log.ts';
import { createWorkerProcesses, type WorkerProcesses } from '../../src/cli/start/worker-processes.ts';
import { type Client, createClient } from '../../src/client/client.ts';
import { DEFAULT_SEARCH_PATH } from '../../src/embedded/find-program.ts';
import { composeServe } from '../../src/main.ts';
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
  'sql' | 'until' | 'failedJobs' | 'shrink' | 'history'
> {
  client: Client;
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

/** In the order of a real start: servers, clouds, the database's pools, workers. */
async function assemble(options: EmulatedFleetOptions, undo: Undo): Promise<Omit<EmulatedFleet, 'stop'>> {
  const ground = await prepareGround(options, undo);
  const { config, token, dir } = ground;
  const workers = await startWorkers(options, ground, undo);
  const log = createLog({ level: 'warn', name: 'serve' });
  const serving = await composeServe({ config, log, clock: { now: () => new Date() }, version: 'test' });
  undo.push(() => serving.stop());
  await serving.start();
  return {
    ...ground,
    client: createClient({ url: serving.url, token }),
    troubles: () => readTroubles(dir),
    async history(acks) {
      await workers.stop();
      return ground.history(acks);
    },
  };
}

async function startWorkers(
  options: EmulatedFleetOptions,
  { env, dir }: EmulatedGround,
  undo: Undo,
): Promise<WorkerProcesses> {
  const deaths: string[] = [];
  const workers = createWorkerProcesses({
    ...{ count: options.workers, env, dir, cwd: dir, searchPath: process.env['PATH'] ?? DEFAULT_SEARCH_PATH },
    onDeath: (line) => void deaths.push(line),
  });
  undo.push(async () => {
    await workers.stop();
    if (deaths.length > 0) throw new AssertionError({ message: deaths.join('\n') });
  });
  await workers.start();
  return workers;
}

/** Workers log to files of their own, at the level of warnings. */
async function readTroubles(dir: string): Promise<string[]> {
  const files = (await readdir(dir)).filter((name) => /^worker-\d+\.log$/.test(name));
  const texts = await Promise.all(files.map((name) => readFile(join(dir, name), 'utf8')));
  return texts.flatMap((text) => text.split('\n')).filter((line) => line !== '' && line !== 'working');
}

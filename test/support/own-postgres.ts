import { execFile } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findFreePort } from '../../src/embedded/free-port.ts';
import { findPlaces, placeHints } from '../../src/embedded/places.ts';
import { startPostgres } from '../../src/embedded/postgres.ts';
import { openRunFolder } from '../../src/embedded/run-folder.ts';

/** A PostgreSQL of one test file alone, which keeps its address and its data from start to start. */
export interface OwnPostgres {
  /** With its password, which a restored copy keeps, too. */
  url: string;
  /** A folder that the servers' user may enter, for whatever belongs to this server; removed with it. */
  dir: string;
  /** Stops in order; clients are cut off. */
  halt(): Promise<void>;
  /** Ends it as a crash of its host would. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Only while it is halted: keeps a copy of its files. */
  backUp(): Promise<void>;
  /** Only while it is halted: what was kept takes the place of its files. */
  restore(): Promise<void>;
  /** Halts it and removes everything. */
  stop(): Promise<void>;
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const places = await findPlaces(placeHints(process.env, process.cwd()));
  const folder = await openRunFolder(places, { persistent: false });
  const dir = join(folder.dir, 'postgres');
  const [data, kept] = [join(dir, 'data'), join(dir, 'kept')];
  const { binariesDir } = places;
  const port = await findFreePort();
  const launch = () => startPostgres({ dir, binariesDir, port, onProgress: () => undefined });
  let server = await launch().catch(async (error: unknown) => {
    await folder.close();
    throw error;
  });
  return {
    ...{ url: server.url, dir: folder.dir },
    halt: () => server.stop(),
    async kill() {
      process.kill(server.pid, 'SIGQUIT');
      await server.stop();
    },
    async start() {
      server = await launch();
    },
    async backUp() {
      // Owners and modes have to be the same again.
      await promisify(execFile)('cp', ['-a', data, kept]);
    },
    async restore() {
      await rm(data, { recursive: true });
      await rename(kept, data);
    },
    async stop() {
      await server.stop();
      await folder.close();
    },
  };
}

import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { findViolations, type SourceFile } from './find-violations.ts';
import { readModule } from './read-module.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

async function readSources(): Promise<SourceFile[]> {
  const entries = await readdir(join(root, 'src'), { recursive: true, withFileTypes: true });
  const modules = entries.filter((entry) => entry.isFile() && /\.m?[jt]s$/.test(entry.name));
  return Promise.all(
    modules.map(async ({ parentPath, name }) => {
      const path = join(parentPath, name);
      return { path: relative(root, path), source: await readFile(path, 'utf8') };
    }),
  );
}

test('every file of src keeps to the arrows', async () => {
  const files = await readSources();
  expect(files.length).toBeGreaterThan(20);
  expect(findViolations(files)).toEqual([]);
});

test('the command line loads what a client needs, and a fleet only where one is to be served', async () => {
  const loaded = await readLoaded('src/cli/drover.ts');
  expect(loaded.files).toContain('src/client/client.ts');
  expect(loaded.files.filter((path) => !/^src\/(cli|client)\//.test(path))).toEqual([
    'src/config/environment.ts',
  ]);
  expect(loaded.packages.filter((name) => !name.startsWith('node:'))).toEqual(['commander']);
});

/** What is loaded before anything of this module runs. */
async function readLoaded(entry: string): Promise<{ files: string[]; packages: string[] }> {
  const files = new Set([entry]);
  const packages = new Set<string>();
  // What is added on the way is visited, too.
  for (const path of files) {
    const { imports } = readModule(path, await readFile(join(root, path), 'utf8'));
    for (const { from, kind } of imports) {
      if (kind !== 'value' || from === undefined) continue;
      if (from.startsWith('.')) files.add(join(dirname(path), from));
      else packages.add(from);
    }
  }
  return { files: [...files], packages: [...packages] };
}

test.each([
  ['src/fleet/lifecycle.ts', "import { createHash } from 'node:crypto';"],
  ['src/fleet/lifecycle.ts', "import type { Job } from 'bullmq';"],
  ['src/fleet/lifecycle.ts', "import { run } from '../workers/stop.ts';"],
  ['src/fleet/deep/lifecycle.ts', "export * from '../../storage/orm.ts';"],
  ['src/config.ts', "import { NEXT } from './fleet/lifecycle.ts';"],
  ['src/config/pools.ts', "import { NEXT } from '../fleet/lifecycle.ts';"],
  ['src/emulators/ec2/actions.ts', "import type { FleetError } from '../../fleet/errors.ts';"],
  ['src/audit/audit.ts', "type State = import('../fleet/lifecycle.ts').MachineState;"],
  ['src/client/client.ts', "const shapes = await import('../http/shapes.ts');"],
  ['src/workers/stop.ts', "import { createStore } from '../storage/store.ts';"],
  ['src/workers/stop.ts', "import { Worker } from 'bullmq';"],
  ['src/workers/stop.ts', "import type { Worker } from 'bullmq';"],
  ['src/http/machines.ts', "import { CATALOGUE } from '../queues/catalogue.ts';"],
  ['src/http/machines.ts', "import { Queue } from 'bullmq';"],
  ['src/storage/store.ts', "import { lock } from '../queues/lock.ts';"],
  ['src/queues/lock.ts', "import { store } from '../storage/store.ts';"],
  ['src/queues/lock.ts', "import { Client } from 'pg';"],
  ['src/providers/aws-ec2/provider.ts', "import { sizes } from '../azure-scale-set/sizes.ts';"],
  ['src/providers/aws-ec2/provider.ts', "import { EC2Client } from '@aws-sdk/client-ec2';"],
  ['src/providers/aws-ec2/provider.ts', "import { type EC2Client } from '@aws-sdk/client-ec2';"],
  [
    'src/providers/azure-scale-set/provider.ts',
    "export { ComputeManagementClient } from '@azure/arm-compute';",
  ],
  ['src/emulators/ec2/actions.ts', "import type { Instance } from '@aws-sdk/client-ec2';"],
  ['src/workers/stop.ts', "import { MikroORM } from '@mikro-orm/postgresql';"],
  ['src/main.ts', "import fastify from 'fastify';"],
  ['src/queues/board.ts', "import { createBullBoard } from '@bull-board/api';"],
  ['src/cli/start.ts', "import { createStore } from '../storage/store.ts';"],
  ['src/explore/seeds.ts', "import { lock } from '../queues/lock.ts';"],
  ['src/embedded/servers.ts', "import { createClock } from '../emulators/scaled-clock.ts';"],
  ['src/embedded/servers.ts', "import { loadConfig } from '../config.ts';"],
  ['src/workers/stop.ts', "import { builders } from '../../test/support/builders.ts';"],
  ['src/workers/stop.ts', "import { store } from '#storage';"],
  ['src/workers/stop.ts', "import { store } from '/srv/store.ts';"],
  ['src/workers/stop.ts', "const store = require('../storage/store.ts');"],
  ['src/workers/stop.ts', "import store = require('../storage/store.ts');"],
  ['src/workers/stop.ts', "const name = 'pg'; await import(name);"],
  ['src/misc/all.ts', 'export const everything = 1;'],
  ['src/workers/stop.ts', "process.env['PATH'];"],
  ['src/config.ts', "process.env['PATH'];"],
  ['src/workers/stop.ts', "process['env'];"],
  ['src/workers/stop.ts', 'globalThis.process.env;'],
  ['src/workers/stop.ts', 'const { env } = process; env;'],
  ['src/workers/stop.ts', 'const { ...all } = process; all;'],
  ['src/workers/stop.ts', "import { env } from 'node:process'; env;"],
])('a breach in %s is found: %s', (path, source) => {
  expect(findViolations([{ path, source }])).toEqual([expect.stringContaining(path)]);
});

test.each([
  ['src/fleet/scaling.ts', "import { NEXT } from './lifecycle.ts';"],
  ['src/config/environment.ts', "process.env['PATH'];"],
  ['src/config.ts', "import { parsePools } from './config/pools.ts';"],
  [
    'src/workers/worker-host.ts',
    "import { Worker } from 'bullmq'; import { createHash } from 'node:crypto';",
  ],
  [
    'src/http/board.ts',
    "import type { Queue } from 'bullmq'; import { createBullBoard } from '@bull-board/api';",
  ],
  [
    'src/providers/index.ts',
    "import { ec2 } from './aws-ec2/provider.ts'; import { scaleSet } from './azure-scale-set/provider.ts';",
  ],
  [
    'src/providers/aws-ec2/provider.ts',
    "import type { EC2Client } from '@aws-sdk/client-ec2'; await import('@aws-sdk/client-ec2');",
  ],
  [
    'src/providers/aws-ec2/provider.ts',
    "import { chunk } from '../chunk.ts'; import type { Provider } from '../../fleet/provider.ts';",
  ],
  ['src/explore/seeds.ts', "import { stop } from '../workers/stop.ts';"],
  [
    'src/cli/start.ts',
    "import { compose } from '../main.ts'; import description from '../../package.json' with { type: 'json' };",
  ],
  [
    'src/main.ts',
    "import { createStore } from './storage/store.ts'; import { createQueues } from './queues/queues.ts';",
  ],
  ['src/workers/stop.ts', 'process.pid; const env = 1; env;'],
])('what is allowed in %s is let through: %s', (path, source) => {
  expect(findViolations([{ path, source }])).toEqual([]);
});

import { defineConfig } from 'vitest/config';
import { closingLine } from './test/support/closing-line.ts';

/** Folders whose tests need neither PostgreSQL nor Redis, or start their own: they run at once. */
const WITHOUT_SERVERS = [
  'architecture',
  'audit',
  'chaos',
  'client',
  'config',
  'embedded',
  'emulators',
  'fleet',
  'providers',
  'spec',
  'whatif',
];

const bare = WITHOUT_SERVERS.map((folder) => `test/${folder}/**/*.test.ts`);

export default defineConfig({
  test: {
    // Processes, because the kernel ties a server to the thread that started it.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    reporters: ['default', closingLine],
    projects: [
      {
        extends: true,
        test: { name: 'bare', include: bare, setupFiles: ['test/support/leak-watch.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'served',
          include: ['test/**/*.test.ts'],
          exclude: bare,
          setupFiles: ['test/support/leak-watch.ts'],
          globalSetup: ['test/support/served-run.ts'],
        },
      },
      {
        extends: true,
        test: {
          // Too long for every run: `npm run prove` has them.
          name: 'long',
          include: ['test/**/*.long.ts'],
          setupFiles: ['test/support/leak-watch.ts'],
          globalSetup: ['test/support/served-run.ts'],
        },
      },
    ],
  },
});

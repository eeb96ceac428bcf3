import { afterAll, beforeAll, expect, it } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { startExplorePostgres, type ExplorePostgres } from '../../src/cli/explore/postgres-server.ts';
import { createOpenPostgres } from '../../src/cli/explore/postgres-store.ts';
import { readEnvironment } from '../../src/config.ts';
import { explore } from '../../src/explore/explore.ts';

let postgres: ExplorePostgres;

beforeAll(async () => {
  const { signal } = new AbortController();
  postgres = await startExplorePostgres({ env: readEnvironment(), say: () => undefined, signal });
});

afterAll(async () => postgres.stop());

it(
  'a seed takes the same steps over PostgreSQL each time, and breaks no invariant',
  { timeout: 180_000 },
  async () => {
    const openStore = createOpenPostgres(postgres);
    const faults = new Set(['crash:0', 'lostReply:0']);
    const [one, other] = await Promise.all([
      explore({ seed: 12, faults, openStore }),
      explore({ seed: 12, faults, openStore }),
    ]);
    expect(one.trace).toEqual(other.trace);
    expect(one.history).toEqual(other.history);
    expect(one.failures).toEqual([]);
    expect(audit(one.history).violations).toEqual([]);
    expect(kindsOf(one.history)).toEqual(
      expect.arrayContaining(['machine', 'lease', 'batch', 'instance', 'call', 'ack', 'end']),
    );
  },
);

function kindsOf(history: readonly { type: string }[]): string[] {
  return [...new Set(history.map((each) => each.type))];
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseRedisAddress } from '../../src/config.ts';
import { createServerCertificate } from '../../src/emulators/arm/certificates.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { createConnections } from '../../src/queues/connections.ts';
import { documentedUser } from '../support/documented-user.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { findRedisPort, type OwnRedis, startOwnRedis } from '../support/own-redis.ts';

const PASSWORD = 'p@ss/word:of,this%user';
const ADMIN = 'the-password-of-the-operator';

let dir: string;
let redis: OwnRedis;
let admin: Redis;
let fleet: Fleet;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drover-tls-'));
  const port = await findRedisPort();
  redis = await startOwnRedis({ dir, port, settings: [...(await encrypt(port)), `requirepass ${ADMIN}`] });
  admin = new Redis({ port, password: ADMIN, tls: {} });
  fleet = await startFleet({ workers: [] });
  await admin.call('ACL', ...(await documentedUser(fleet.bullmq.prefix, PASSWORD)));
}, 60_000);
afterAll(async () => {
  await fleet?.stop();
  admin?.disconnect();
  await redis?.stop();
  await rm(dir, { recursive: true, force: true });
});

test('over TLS a user with no more than the documented rights does all that a fleet asks of Redis', async () => {
  await fleet.startWorker('one', { redisUrl: urlWith(PASSWORD) });
  const { lease, machine } = await fleet.leaseAMachine();
  await fleet.endLease(lease);
  await fleet.untilMachine(machine.id, 'deleted');
  expect(await admin.call('ACL', 'LOG')).toEqual([]);
  expect(fleet.logged.filter((line) => /NOPERM|a job failed/.test(line))).toEqual([]);
  expect(await admin.dbsize()).toBeGreaterThan(0);
});

test.each(['rediss', 'rediss+sentinel', 'rediss+cluster'])(
  'a password that is refused is in no error of a %s address',
  async (scheme) => {
    const wrong = 'another-secret';
    const url = urlWith(wrong).replace('rediss', scheme);
    const errors: unknown[] = [];
    const place = parseRedisAddress(
      scheme.endsWith('sentinel') ? `${url}/mymaster?sentinelPassword=${wrong}` : url,
    );
    const connections = createConnections({ place, onError: (error) => void errors.push(error) });
    try {
      const asked = connections.producer.ping().catch((error: unknown) => errors.push(error));
      await waitUntil({ deadlineMs: 15_000 }, async () => (errors.length > 0 ? true : undefined));
      expect(errors.length).toBeGreaterThan(0);
      await connections.close();
      await asked;
      expect(inspect(errors, { depth: 10 })).not.toContain(wrong);
    } finally {
      await connections.close();
    }
  },
  30_000,
);

function urlWith(password: string): string {
  return `rediss://drover:${encodeURIComponent(password)}@${redis.address}`;
}

/** Only encrypted connections are taken; this process trusts who signed the certificate. */
async function encrypt(port: number): Promise<string[]> {
  const { caPem, certificatePem, keyPem } = await createServerCertificate(Date.now());
  const files = { 'ca.pem': caPem, 'server.pem': certificatePem, 'key.pem': keyPem };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text, { mode: 0o600 });
  setDefaultCACertificates([...getCACertificates('default'), caPem]);
  return [
    ...['port 0', `tls-port ${port}`, 'tls-auth-clients no', `tls-ca-cert-file ${join(dir, 'ca.pem')}`],
    ...[`tls-cert-file ${join(dir, 'server.pem')}`, `tls-key-file ${join(dir, 'key.pem')}`],
  ];
}

import { ClientSecretCredential } from '@azure/identity';
import { afterEach, expect, test } from 'vitest';

import type { ArmAddress } from '../../../src/emulators/arm/emulator.ts';
import { createCompute, GROUP, rawRequest, refusalOf, SET, setPath, startArmBench } from './arm-bench.ts';
import type { ArmBench } from './arm-bench.ts';

const SCOPE = 'https://management.azure.com/.default';

let bench: ArmBench;

afterEach(() => bench.close());

test("the vendor's own credential gets a token over TLS and reads a scale set with it", async () => {
  bench = await startArmBench();
  const credential = createCredential(bench.address);
  expect((await credential.getToken(SCOPE)).expiresOnTimestamp).toBeGreaterThan(Date.now() + 3_500_000);
  const compute = createCompute(bench.address, credential);
  expect((await compute.virtualMachineScaleSets.get(GROUP, SET)).name).toBe(SET);
});

test('a wrong secret is refused with AADSTS7000215', async () => {
  bench = await startArmBench();
  const { message } = await refusalOf(createCredential(bench.address, 'wrong').getToken(SCOPE));
  expect(message).toContain('AADSTS7000215');
});

test('a scope of another resource is refused', async () => {
  bench = await startArmBench();
  const { message } = await refusalOf(
    createCredential(bench.address).getToken('https://vault.azure.net/.default'),
  );
  expect(message).toContain('AADSTS70011');
});

test('a call without a token, with a foreign one or with an expired one is refused with 401', async () => {
  bench = await startArmBench();
  const path = setPath(bench, '?api-version=2026-04-01');
  const without = await rawRequest(bench, path, { headers: { authorization: '' } });
  expect(without).toMatchObject({ status: 401, body: { error: { code: 'AuthenticationFailed' } } });
  const forged = await rawRequest(bench, path, { headers: { authorization: 'Bearer a.b.c' } });
  expect(forged).toMatchObject({ status: 401, body: { error: { code: 'InvalidAuthenticationToken' } } });
  const { token } = await createCredential(bench.address).getToken(SCOPE);
  const headers = { authorization: `Bearer ${token}` };
  expect((await rawRequest(bench, path, { headers })).status).toBe(200);
  bench.skip(3_601_000 * 1000);
  const expired = await rawRequest(bench, path, { headers });
  expect(expired).toMatchObject({ status: 401, body: { error: { code: 'ExpiredAuthenticationToken' } } });
});

test('the discovery documents name this origin', async () => {
  bench = await startArmBench();
  const { endpoint, tenantId } = bench.address;
  const discovery = await rawRequest(bench, '/common/discovery/instance?api-version=1.1');
  expect(discovery.body['tenant_discovery_endpoint']).toBe(
    `${endpoint}/${tenantId}/v2.0/.well-known/openid-configuration`,
  );
  const configuration = await rawRequest(bench, `/${tenantId}/v2.0/.well-known/openid-configuration`);
  expect(configuration.body['token_endpoint']).toBe(`${endpoint}/${tenantId}/oauth2/v2.0/token`);
  expect((await rawRequest(bench, '/elsewhere/v2.0/.well-known/openid-configuration')).status).toBe(400);
});

function createCredential(address: ArmAddress, secret = address.clientSecret): ClientSecretCredential {
  return new ClientSecretCredential(address.tenantId, address.clientId, secret, {
    authorityHost: address.authorityHost,
    disableInstanceDiscovery: true,
    tlsOptions: { ca: address.caPem },
    retryOptions: { maxRetries: 0 },
  });
}

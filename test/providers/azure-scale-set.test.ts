import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Placement } from '../../src/fleet/provider.ts';
import { VERBS } from '../../src/fleet/provider.ts';
import { PROVIDERS } from '../../src/providers/index.ts';
import { createAzureClient } from '../../src/providers/azure-scale-set/client.ts';
import { connect } from '../../src/providers/azure-scale-set/connection.ts';
import { toScaleSet } from '../../src/providers/azure-scale-set/placement.ts';
import { azureScaleSet, createAzureScaleSetProvider } from '../../src/providers/azure-scale-set/provider.ts';
import { createRates } from '../../src/providers/azure-scale-set/rates.ts';
import {
  callFor,
  deadlineSignal,
  launch,
  launchCall,
  launchIds,
  refusalOf,
  send,
} from './contract-driver.ts';
import { emulateScaleSets, SET, SIZE } from './emulated-scale-sets.ts';
import type { EmulatedScaleSets } from './emulated-scale-sets.ts';
import { createInMemoryBudgets } from './in-memory-budgets.ts';
import { defineProviderContract } from './provider-contract.ts';

defineProviderContract('azure-scale-set', () => emulateScaleSets());

describe('scale sets over the wire', { timeout: 60_000 }, () => {
  let under: EmulatedScaleSets;
  const restart = async (options: Parameters<typeof emulateScaleSets>[0]): Promise<void> => {
    await under.close();
    under = await emulateScaleSets(options);
  };
  beforeEach(async () => {
    under = await emulateScaleSets();
  });
  afterEach(() => under.close());

  it.each(['start', 'stop', 'reset', 'delete'] as const)(
    'a %s that names no instance never reaches the wire, where it would mean all',
    async (verb) => {
      await launchIds(under, 1);
      const client = createAzureClient({
        connection: () =>
          connect(
            under.options,
            { AZURE_CLIENT_SECRET: under.address.clientSecret },
            under.address.subscriptionId,
          ),
        rates: createRates({
          budgets: createInMemoryBudgets(() => Date.now()),
          refillFactor: 1,
          nowMs: () => Date.now(),
        }),
        nowMs: () => Date.now(),
      });
      const before = under.calls();
      const order = { verb, numbers: [], ephemeral: true };
      await refusalOf(client.act(toScaleSet(under.placement.spec), order, deadlineSignal()), {
        code: 'invalid',
        remedy: 'give-up',
        maybeExecuted: false,
      });
      expect(under.calls()).toBe(before);
      expect(under.alive()).toHaveLength(1);
    },
  );

  it('an instance of another set is refused before any call', async () => {
    const foreign = under.unknownInstance.replace(`/${SET}/`, '/theirs/');
    const before = under.calls();
    await refusalOf(send(under, callFor(under, 'delete', [foreign])), { code: 'invalid', remedy: 'give-up' });
    expect(under.calls()).toBe(before);
  });

  it('a missing scale set is an error that says what to do, never an empty inventory', async () => {
    const placement = under.placementOf('nowhere');
    for (const asked of [
      under.provider.inventory(placement, deadlineSignal()),
      under.provider.quota(placement, deadlineSignal()),
      send(under, launchCall({ placement }, 1)),
    ]) {
      const refusal = await refusalOf(asked, { code: 'not-found', remedy: 'give-up', maybeExecuted: false });
      expect(refusal.message).toMatch(/Create the scale set .* or correct the placement/);
    }
  });

  it('a set that another installation has grown is neither grown nor listed', async () => {
    await launch(under, 1);
    const theirs = under.another('theirs');
    const expected = { code: 'refused', remedy: 'give-up' } as const;
    await refusalOf(theirs.launch(launchCall(under, 1), deadlineSignal()), expected);
    const refusal = await refusalOf(theirs.inventory(under.placement, deadlineSignal()), expected);
    expect(refusal.message).toContain('installation ours');
    expect(under.alive()).toHaveLength(1);
  });

  it('a set that overprovisions is refused, because its instances would vanish again', async () => {
    await restart({ scaleSets: [{ name: SET, vmSize: SIZE, overprovision: true }] });
    const refusal = await refusalOf(send(under, launchCall(under, 1)), {
      code: 'refused',
      remedy: 'give-up',
    });
    expect(refusal.message).toContain('overprovision');
  });

  it('lists page by page, all or nothing', async () => {
    await restart({ pageSize: 2 });
    const ids = await launchIds(under, 5);
    const inventory = await under.provider.inventory(under.placement, deadlineSignal());
    expect(inventory.instances.map(({ instance }) => instance).toSorted()).toEqual(ids.toSorted());
    expect(inventory.instances.every(({ address }) => address !== null)).toBe(true);
    under.cloudFaults.add({
      kind: 'refused',
      operation: 'VirtualMachineScaleSetVMs_List',
      code: 'ServiceUnavailable',
      times: 1,
      skip: 1,
    });
    await refusalOf(under.provider.inventory(under.placement, deadlineSignal()), {
      code: 'unavailable',
      remedy: 'retry',
      maybeExecuted: false,
    });
  });

  it('counts what is left of the quota in machines of the set’s size', async () => {
    await restart({ quota: { cores: 13, familyDefault: 9 } });
    expect(await under.provider.quota(under.placement, deadlineSignal())).toBe(4);
    await launch(under, 3);
    expect(await under.provider.quota(under.placement, deadlineSignal())).toBe(1);
  });

  it('counts spot machines in the quota of low priority cores', async () => {
    const spot = { name: SET, vmSize: SIZE, priority: 'Spot', evictionPolicy: 'Delete' } as const;
    await restart({ scaleSets: [spot], quota: { cores: 0, lowPriorityCores: 6 } });
    expect(await under.provider.quota(under.placement, deadlineSignal())).toBe(3);
  });

  it('an error that Azure answers to a question about the quota is passed on, never a number', async () => {
    under.cloudFaults.add({
      kind: 'refused',
      operation: 'Usage_List',
      code: 'AuthorizationFailed',
      times: 1,
    });
    const refusal = await refusalOf(under.provider.quota(under.placement, deadlineSignal()), {
      code: 'unauthorized',
      remedy: 'give-up',
    });
    expect(refusal.message).toContain('Virtual Machine Contributor');
  });

  it('signs in with what the environment holds where it has no secret of its own', async () => {
    vi.stubEnv('AZURE_TENANT_ID', under.address.tenantId);
    vi.stubEnv('AZURE_CLIENT_ID', under.address.clientId);
    vi.stubEnv('AZURE_CLIENT_SECRET', under.address.clientSecret);
    const { tenantId: _, clientId: __, ...options } = under.options;
    const provider = createAzureScaleSetProvider({ ...depsOf(), options });
    const { instances } = await provider.inventory(under.placement, deadlineSignal());
    vi.unstubAllEnvs();
    expect(instances).toEqual([]);
  });

  it('a wrong secret is an error about the credentials, and nothing was sent', async () => {
    const provider = createAzureScaleSetProvider({
      ...depsOf(),
      options: under.options,
      credentials: { AZURE_CLIENT_SECRET: 'wrong' },
    });
    const before = under.calls();
    const refusal = await refusalOf(provider.launch(launchCall(under, 1), deadlineSignal()), {
      code: 'unauthorized',
      remedy: 'give-up',
      maybeExecuted: false,
    });
    expect(refusal.message).toContain('Check the credentials');
    expect(under.calls()).toBe(before);
  });

  it('a cloud that cannot be reached executes nothing', async () => {
    const provider = createAzureScaleSetProvider({
      ...depsOf(),
      options: { ...under.options, endpoint: 'https://127.0.0.1:1', authorityHost: 'https://127.0.0.1:1' },
      credentials: { AZURE_CLIENT_SECRET: under.address.clientSecret },
    });
    const before = under.calls();
    await refusalOf(provider.launch(launchCall(under, 1), deadlineSignal()), {
      remedy: 'retry',
      maybeExecuted: false,
    });
    expect(under.calls()).toBe(before);
  });
});

describe('a placement in a scale set', () => {
  const spec = {
    subscriptionId: '3d5f8b16-0a4c-4e7d-8b29-1c6e9f2a5d03',
    resourceGroup: 'Drover',
    scaleSet: 'Sandboxes',
    location: 'westeurope',
  };
  const placement = (more: object = {}): Placement => ({
    pool: 'windows',
    name: 'here',
    provider: 'azure-scale-set',
    spec: { ...spec, ...more },
  });
  const provider = createAzureScaleSetProvider({ ...depsOf(), options: {} });

  it('has one lane for every verb, however its names are spelled', () => {
    const lanes = VERBS.map((verb) => provider.lane(verb, placement()));
    const lane = `azure:${spec.subscriptionId}:drover:sandboxes`;
    expect(lanes).toEqual(VERBS.map(() => ({ lane, group: '' })));
    expect(provider.lane('stop', placement({ scaleSet: 'SANDBOXES' })).lane).toBe(lane);
  });

  it('is refused with a public address, with the reason', async () => {
    const refusal = await refusalOf(provider.inventory(placement({ address: 'public' }), deadlineSignal()), {
      code: 'invalid',
      remedy: 'give-up',
    });
    expect(refusal.message).toContain('public is not supported');
  });

  it.each([{ scaleSet: 'a/b' }, { location: 'West Europe' }, { subscriptionId: 'mine' }, { size: 'large' }])(
    'is refused where it holds %o',
    async (more) => {
      const refusal = await refusalOf(provider.quota(placement(more), deadlineSignal()), {
        code: 'invalid',
        remedy: 'give-up',
      });
      expect(refusal.message).toContain(
        Object.keys(more)[0] === 'size' ? 'additional' : Object.keys(more)[0],
      );
    },
  );

  it('is one of the places that machines come from', () => {
    expect(PROVIDERS).toContain(azureScaleSet);
  });

  it('is never told apart from an emulated one', () => {
    for (const name of ['provider', 'client', 'connection', 'grow', 'act', 'watch', 'rates', 'failures']) {
      const source = readFileSync(
        new URL(`../../src/providers/azure-scale-set/${name}.ts`, import.meta.url),
        'utf8',
      );
      expect(source).not.toMatch(/emulat|127\.0\.0\.1|localhost/i);
    }
  });
});

function depsOf(): Omit<Parameters<typeof createAzureScaleSetProvider>[0], 'options'> {
  return {
    installation: 'ours',
    budgets: createInMemoryBudgets(() => Date.now()),
    clock: { now: () => new Date() },
  };
}

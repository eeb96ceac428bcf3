import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArmOptions } from '../../src/emulators/arm/arm-options.ts';
import { createServerCertificate } from '../../src/emulators/arm/certificates.ts';
import { createArmEmulator } from '../../src/emulators/arm/emulator.ts';
import type { ArmAddress, ArmEmulator } from '../../src/emulators/arm/emulator.ts';
import { createCallLog } from '../../src/emulators/call-log.ts';
import type { CallRecord } from '../../src/emulators/call-log.ts';
import { createFaults } from '../../src/emulators/faults.ts';
import type { Faults } from '../../src/emulators/faults.ts';
import { createRandomness } from '../../src/emulators/randomness.ts';
import { createScaledClock } from '../../src/emulators/scaled-clock.ts';
import type { Placement, Provider, Verb } from '../../src/fleet/provider.ts';
import { createAzureScaleSetProvider } from '../../src/providers/azure-scale-set/provider.ts';
import { createInMemoryBudgets } from './in-memory-budgets.ts';
import type { ProviderUnderTest } from './provider-contract.ts';

export const SET = 'sandboxes';
export const SIZE = 'Standard_D2ds_v5';
const SPEED = 100;

/** The vendor's names of the calls behind each verb. */
export const OPERATIONS: Readonly<Record<Verb, string>> = {
  launch: 'VirtualMachineScaleSets_Update',
  start: 'VirtualMachineScaleSets_Start',
  stop: 'VirtualMachineScaleSets_PowerOff',
  reset: 'VirtualMachineScaleSets_Reimage',
  delete: 'VirtualMachineScaleSets_DeleteInstances',
};

export interface EmulatedScaleSets extends ProviderUnderTest {
  emulator: ArmEmulator;
  cloudFaults: Faults;
  /** A provider of its own on the same cloud, as another process would have it. */
  another(installation?: string): Provider;
  placementOf(scaleSet: string): Placement;
  /** The full id of the set's instance with this number. */
  instance(number: number | string): string;
  callsOf(operation: string): CallRecord[];
  address: ArmAddress;
  /** The provider's options for this cloud. */
  options: Record<string, string | number | boolean>;
}

const certificate = await createServerCertificate(Date.now());

/** An emulated region with two empty scale sets, each for one installation's provider. */
export async function emulateScaleSets(options: Partial<ArmOptions> = {}): Promise<EmulatedScaleSets> {
  const folder = await mkdtemp(join(tmpdir(), 'drover-azure-'));
  const stock: Record<string, number> = { ...options.stock };
  const randomness = createRandomness(11);
  const log = createCallLog();
  const faults = createFaults(randomness);
  const emulator = createArmEmulator({
    clock: createScaledClock(SPEED, () => Date.now()),
    randomness,
    log,
    faults,
    guests: { open: () => Promise.resolve(), close: () => Promise.resolve() },
    options: {
      speed: SPEED,
      certificate,
      caFile: join(folder, 'ca.pem'),
      scaleSets: [SET, 'theirs'].map((name) => ({ name, vmSize: SIZE, ephemeralOsDisk: true })),
      ...options,
      stock,
    },
  });
  const address = await emulator.listen(0);
  const placementOf = (scaleSet: string): Placement => placementAt(address, scaleSet);
  const another = (installation = 'ours'): Provider => connect(address, installation);
  const provider = another();
  const instance = (number: number | string): string =>
    `/subscriptions/${address.subscriptionId}/resourcegroups/${address.resourceGroup}/providers/microsoft.compute/virtualmachinescalesets/${SET}/virtualmachines/${number}`.toLowerCase();
  return {
    address,
    options: optionsFor(address),
    emulator,
    cloudFaults: faults,
    another,
    placementOf,
    instance,
    callsOf: (operation) =>
      log
        .records()
        .filter((each): each is CallRecord => each.type === 'call' && each.operation === operation),
    provider,
    placement: placementOf(SET),
    stranger: { provider: another('theirs'), placement: placementOf('theirs') },
    unknownInstance: instance(4711),
    alive: () => emulator.state().alive,
    calls: () => Object.values(emulator.state().calls).reduce((sum, count) => sum + count, 0),
    // One for each operation that runs, one listing of instances, one of network cards.
    mostCallsPerPoll: (batches) => batches + 2,
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    faults: {
      loseReply: (verb) => faults.add({ kind: 'lost-reply', operation: OPERATIONS[verb], times: 1 }),
      throttle: (verb) => faults.add({ kind: 'throttled', operation: OPERATIONS[verb], times: 1 }),
      launchAtMost: (count) => void (stock[SIZE] = emulator.state().alive.length + count),
      refuseCapacity: () =>
        faults.add({ kind: 'refused', operation: OPERATIONS.launch, code: 'AllocationFailed', times: 1 }),
      failReset: (failing) =>
        faults.add({
          kind: 'operation-failed',
          operation: OPERATIONS.reset,
          times: 1,
          instance: failing,
          code: 'InternalExecutionError',
        }),
    },
    async close() {
      await provider.close();
      await emulator.close();
      await log.close();
      await rm(folder, { recursive: true });
    },
  };
}

function connect(address: ArmAddress, installation: string): Provider {
  return createAzureScaleSetProvider({
    installation,
    budgets: createInMemoryBudgets(() => Date.now()),
    clock: { now: () => new Date() },
    options: optionsFor(address),
    credentials: { AZURE_CLIENT_SECRET: address.clientSecret },
  });
}

function optionsFor(address: ArmAddress): Record<string, string | number | boolean> {
  return {
    endpoint: address.endpoint,
    authorityHost: address.authorityHost,
    caFile: address.caFile,
    tenantId: address.tenantId,
    clientId: address.clientId,
    disableInstanceDiscovery: true,
    refillFactor: SPEED,
  };
}

function placementAt(address: ArmAddress, scaleSet: string): Placement {
  const { subscriptionId, resourceGroup, location } = address;
  return {
    pool: 'windows',
    name: scaleSet,
    provider: 'azure-scale-set',
    spec: { subscriptionId, resourceGroup, scaleSet, location },
  };
}

import { Value } from 'typebox/value';
import { FleetError } from '../../fleet/errors.ts';
import type { BatchCall, Capabilities, Inventory, Look, Placement, Provider } from '../../fleet/provider.ts';
import { instancesOf, refuseLeftOver } from '../instances-of.ts';
import type { ProviderDeps, ProviderModule } from '../provider-module.ts';
import { actRuns, sendAct, toActHandle } from './act.ts';
import type { ActHandle } from './act.ts';
import { createAzureClient } from './client.ts';
import { azureOptionsSchema, connect } from './connection.ts';
import type { AzureOptions, Connection } from './connection.ts';
import { growthRuns, sendGrowth, toGrowHandle } from './grow.ts';
import type { SendDeps } from './grow.ts';
import { numbersOf } from './instance-numbers.ts';
import { azurePlacementSchema, instanceOf, scaleSetIn, toScaleSet } from './placement.ts';
import type { ScaleSet } from './placement.ts';
import { machinesLeft, toSize } from './quota.ts';
import type { Size } from './quota.ts';
import { createRates } from './rates.ts';
import { toAddresses, toMachine, toSetModel } from './translate.ts';
import { nextLookMs, watch } from './watch.ts';

export const azureScaleSet: ProviderModule = {
  name: 'azure-scale-set',
  placementSchema: azurePlacementSchema,
  optionsSchema: azureOptionsSchema,
  reset: 'reimage',
  territory: scaleSetIn,
  create: createAzureScaleSetProvider,
};

const MOST_PER_CALL = 100;

const CAPABILITIES: Capabilities = {
  reset: 'reimage',
  // Powered off, a machine keeps its host and is billed for it; ephemeral disks do not survive more than that.
  park: 'stop',
  batchSizes: {
    launch: MOST_PER_CALL,
    start: MOST_PER_CALL,
    stop: MOST_PER_CALL,
    reset: MOST_PER_CALL,
    delete: MOST_PER_CALL,
  },
  replaySafe: ['launch', 'delete'],
};

/**
 * Machines of uniform scale sets that exist already. A launch grows its set under the set's ETag and adopts what is
 * new in it; everything in a set counts as this installation's. All verbs of a set share one lane, because Azure lets
 * a newer write on a set preempt an older one.
 */
export function createAzureScaleSetProvider(deps: ProviderDeps): Provider {
  const { reach, forget } = createReach(deps);
  const sizes = new Map<string, Size>();
  const act = async (call: BatchCall, verb: ActHandle['verb'], signal: AbortSignal): Promise<Look> => {
    const { set, at } = reach(call.placement);
    numbersOf(set, call);
    if (toActHandle(call) !== undefined) return only(await watch(at, [call], signal));
    const { handle, retryAfterMs } = await sendAct(at, { call, set, verb }, signal);
    return actRuns({ call, set, verb }, handle, nextLookMs(0, retryAfterMs));
  };
  return {
    name: azureScaleSet.name,
    capabilities: CAPABILITIES,
    lane: (_verb, placement) => ({ lane: laneOf(toScaleSet(placement.spec)), group: '' }),
    async launch(call, signal) {
      const { set, at } = reach(call.placement);
      instancesOf(call);
      if (toGrowHandle(call) !== undefined) return only(await watch(at, [call], signal));
      const { handle, retryAfterMs } = await sendGrowth(at, { call, set }, signal);
      return growthRuns(handle, nextLookMs(0, retryAfterMs));
    },
    start: (call, signal) => act(call, 'start', signal),
    stop: (call, signal) => act(call, 'stop', signal),
    reset: (call, signal) => act(call, 'reset', signal),
    delete: (call, signal) => act(call, 'delete', signal),
    async poll(calls, signal) {
      const [first] = calls;
      return first === undefined ? [] : watch(reach(first.placement).at, calls, signal);
    },
    async inventory(placement, signal) {
      const { set, at } = reach(placement);
      return takeInventory(at, set, signal);
    },
    deleteLeftOver: refuseLeftOver,
    async quota(placement, signal) {
      const { set, at } = reach(placement);
      return readQuota(at, { set, sizes }, signal);
    },
    close: () => Promise.resolve(forget()),
  };
}

interface Reach {
  reach: (placement: Placement) => { set: ScaleSet; at: SendDeps };
  forget: () => void;
}

function createReach(deps: ProviderDeps): Reach {
  const options = toOptions(deps);
  const nowMs = (): number => deps.clock.now().getTime();
  const rates = createRates({ budgets: deps.budgets, refillFactor: options.refillFactor ?? 1, nowMs });
  const connections = createConnections(options, deps.credentials ?? {});
  return {
    reach({ spec }) {
      const set = toScaleSet(spec);
      const connection = (): Promise<Connection> => connections.of(set.subscriptionId);
      const client = createAzureClient({ connection, rates, nowMs });
      return { set, at: { client, installation: deps.installation, nowMs } };
    },
    forget: () => connections.forget(),
  };
}

async function takeInventory(
  { client, installation }: SendDeps,
  set: ScaleSet,
  signal: AbortSignal,
): Promise<Inventory> {
  // Says whose the set is, before anybody sweeps it.
  toSetModel(set, await client.readSet(set, signal), installation);
  const machines = (await client.listMachines(set, signal)).map(toMachine);
  const addresses =
    machines.length === 0 ? new Map<string, string>() : toAddresses(set, await client.listCards(set, signal));
  return {
    instances: machines.map(({ number, state }) => ({
      instance: instanceOf(set, number),
      state,
      address: addresses.get(number) ?? null,
      batch: null,
    })),
    // Disks, network cards and addresses of a uniform set are parts of its instances and go with them.
    leftOvers: [],
  };
}

async function readQuota(
  { client, installation }: SendDeps,
  { set, sizes }: { set: ScaleSet; sizes: Map<string, Size> },
  signal: AbortSignal,
): Promise<number> {
  const model = toSetModel(set, await client.readSet(set, signal), installation);
  const key = `${set.location}/${model.sku.name}`;
  // What a size is never changes, and the list of all sizes is megabytes.
  const size = sizes.get(key) ?? toSize(await client.listSizes(set, signal), model.sku.name);
  sizes.set(key, size);
  return machinesLeft(await client.listUsages(set, signal), size, model);
}

interface Connections {
  of(subscriptionId: string): Promise<Connection>;
  forget: () => void;
}

function createConnections(
  options: AzureOptions,
  credentials: Readonly<Record<string, string>>,
): Connections {
  const known = new Map<string, Promise<Connection>>();
  return {
    of(subscriptionId) {
      const present = known.get(subscriptionId);
      if (present !== undefined) return present;
      const made = connect(options, credentials, subscriptionId);
      known.set(subscriptionId, made);
      // One that failed, for want of a file say, is tried again with the next call.
      made.catch(() => known.delete(subscriptionId));
      return made;
    },
    forget: () => known.clear(),
  };
}

function toOptions({ options }: ProviderDeps): AzureOptions {
  const given = options ?? {};
  if (Value.Check(azureOptionsSchema, given)) return given;
  const problems = Value.Errors(azureOptionsSchema, given).map(
    (each) => `${each.instancePath} ${each.message}`,
  );
  throw new FleetError(`The options of azure-scale-set are wrong: ${problems.join('; ')}.`, {
    code: 'invalid',
    remedy: 'give-up',
  });
}

function laneOf(set: ScaleSet): string {
  return `azure:${set.subscriptionId}:${set.resourceGroup}:${set.name}`.toLowerCase();
}

function only([look]: readonly Look[]): Look {
  if (look === undefined) throw new TypeError('A look at one call answers one look.');
  return look;
}

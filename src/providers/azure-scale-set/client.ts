import type { NetworkInterface } from '@azure/arm-network';
import type {
  ResourceSku,
  Usage,
  VirtualMachineScaleSet,
  VirtualMachineScaleSetVM,
} from '@azure/arm-compute';
import type { FleetError } from '../../fleet/errors.ts';
import type { Connection } from './connection.ts';
import { fromThrown, fromVendor } from './failures.ts';
import { named } from './instance-numbers.ts';
import { toOperationReport } from './operation.ts';
import type { OperationReport } from './operation.ts';
import type { ScaleSet } from './placement.ts';
import type { Call, Rates } from './rates.ts';
import { errorOf, headerOf, retryAfterMs } from './reply.ts';
import type { Reply } from './reply.ts';

/** The calls this provider makes. All throw FleetError alone. */
export interface AzureClient {
  /**
   * Takes what a mutating call costs. The mutating calls below do not, so that a call that may not be sent yet
   * costs no reads either: whoever sends one takes first, before it reads.
   */
  take(call: Call, set: ScaleSet): Promise<void>;
  readSet(set: ScaleSet, signal: AbortSignal): Promise<VirtualMachineScaleSet>;
  grow(set: ScaleSet, growth: Growth, signal: AbortSignal): Promise<Accepted>;
  act(set: ScaleSet, order: Order, signal: AbortSignal): Promise<Accepted>;
  /** What became of an operation; undefined where Azure no longer knows it. */
  readOperation(set: ScaleSet, url: string, signal: AbortSignal): Promise<OperationReport | undefined>;
  /** The whole listing or an error. */
  listMachines(set: ScaleSet, signal: AbortSignal): Promise<VirtualMachineScaleSetVM[]>;
  listCards(set: ScaleSet, signal: AbortSignal): Promise<NetworkInterface[]>;
  listUsages(set: ScaleSet, signal: AbortSignal): Promise<Usage[]>;
  listSizes(set: ScaleSet, signal: AbortSignal): Promise<ResourceSku[]>;
}

interface Growth {
  etag: string;
  sku: { name: string; tier: string; capacity: number };
  tags: Record<string, string>;
}

export interface Order {
  verb: 'start' | 'stop' | 'reset' | 'delete';
  numbers: readonly string[];
  /** For a reset: whether the OS disk lives on the host. */
  ephemeral: boolean;
}

/** A mutating call that Azure took on. */
export interface Accepted {
  /** Where its outcome can be read; null where Azure gave no such place. */
  operation: string | null;
  /** True where it was over at once. */
  finished: boolean;
  retryAfterMs: number | undefined;
}

export function createAzureClient(deps: {
  connection: () => Promise<Connection>;
  rates: Rates;
  nowMs: () => number;
}): AzureClient {
  const { rates, nowMs } = deps;
  const read = createRead(deps);
  const send = createSend(deps);
  return {
    take: (call, set) => rates.take(call, set),
    readSet: (set, signal) =>
      read('readSet', { set, signal }, ({ compute }, options) =>
        compute.virtualMachineScaleSets.get(set.resourceGroup, set.name, options),
      ),
    grow: (set, { etag, sku, tags }, signal) =>
      send('grow', { set, signal }, ({ compute }, options) =>
        compute.virtualMachineScaleSets
          .update(set.resourceGroup, set.name, { sku, tags }, { ...options, ifMatch: etag })
          .submitted(),
      ),
    act: (set, order, signal) =>
      send(order.verb, { set, signal }, (connection, options) => submit(connection, { set, order, options })),
    readOperation: (set, url, signal) =>
      read('readOperation', { set, signal }, async ({ raw, origin }, { abortSignal, onResponse }) => {
        // A token goes along, so only to where it belongs; elsewhere the outcome counts as unknown.
        if (new URL(url).origin !== origin) return undefined;
        const { status, headers, body } = await raw.pathUnchecked(url).get({ abortSignal, onResponse });
        const reply: Reply = { status: Number(status), headers, body };
        return toOperationReport(reply, nowMs());
      }),
    ...createListings(read),
  };
}

function createListings(
  read: Read,
): Pick<AzureClient, 'listMachines' | 'listCards' | 'listUsages' | 'listSizes'> {
  return {
    listMachines: (set, signal) =>
      list(read, 'listMachines', { set, signal }, ({ compute }, options) =>
        compute.virtualMachineScaleSetVMs
          .list(set.resourceGroup, set.name, { ...options, expand: 'instanceView' })
          .byPage(),
      ),
    listCards: (set, signal) =>
      list(read, 'listCards', { set, signal }, ({ network }, options) =>
        network.networkInterfaces
          .listVirtualMachineScaleSetNetworkInterfaces(set.resourceGroup, set.name, options)
          .byPage(),
      ),
    listUsages: (set, signal) =>
      list(read, 'listUsages', { set, signal }, ({ compute }, options) =>
        compute.usage.list(set.location, options).byPage(),
      ),
    listSizes: (set, signal) =>
      list(read, 'listSizes', { set, signal }, ({ compute }, options) =>
        compute.resourceSkus.list({ ...options, filter: `location eq '${set.location}'` }).byPage(),
      ),
  };
}

type Options = Required<
  Pick<NonNullable<Parameters<Connection['compute']['usage']['list']>[1]>, 'abortSignal' | 'onResponse'>
>;
type About = { set: ScaleSet; signal: AbortSignal };
type Run<Result> = (connection: Connection, options: Options) => Promise<Result>;
type Read = <Result>(call: Call, about: About, run: Run<Result>) => Promise<Result>;
type Send = (call: Call, about: About, run: Run<void>) => Promise<Accepted>;
type Deps = Parameters<typeof createAzureClient>[0];

const ACTIONS: Record<Call, string> = {
  readSet: 'read the scale set',
  grow: 'grow the scale set',
  start: 'start instances',
  stop: 'power off instances',
  reset: 'reimage instances',
  delete: 'delete instances',
  readOperation: 'read the state of an operation',
  listMachines: 'list the instances',
  listCards: 'list the network cards',
  listUsages: 'read the quota',
  listSizes: 'read the machine sizes',
};

function createRead(deps: Deps): Read {
  return async (call, about, run) => {
    await deps.rates.take(call, about.set);
    return (await exchange(deps, { ...about, call, mutating: false }, run)).value;
  };
}

function createSend(deps: Deps): Send {
  return async (call, about, run) => {
    const { reply } = await exchange(deps, { ...about, call, mutating: true }, run);
    return toAccepted(reply, deps.nowMs());
  };
}

async function exchange<Result>(
  { connection, rates, nowMs }: Deps,
  { call, set, signal, mutating }: About & { call: Call; mutating: boolean },
  run: Run<Result>,
): Promise<{ value: Result; reply: Reply | undefined }> {
  const action = actionOn(call, set);
  // What goes wrong while connecting comes before the call.
  const connected = await connection().catch((error: unknown) => {
    throw fromThrown(error, { action, mutating: false });
  });
  const heard = listener();
  try {
    const value = await run(connected, { abortSignal: signal, onResponse: heard.onResponse });
    const reply = heard.last();
    if (reply !== undefined) await rates.heard(call, set, reply);
    return { value, reply };
  } catch (error) {
    const reply = heard.last();
    const failure = toFailure(error, reply, { action, mutating, nowMs: nowMs() });
    // What Azure said matters more than a budget that could not be lowered.
    if (reply !== undefined && reply.status >= 400) {
      await rates.heard(call, set, reply).catch(() => Promise.reject(failure));
    }
    throw failure;
  }
}

/** Every vendor call that names instances goes through `named`: without ids it would mean all of the set. */
async function submit(
  { compute }: Connection,
  { set, order, options }: { set: ScaleSet; order: Order; options: Options },
): Promise<void> {
  const sets = compute.virtualMachineScaleSets;
  const instanceIds = named(order.numbers);
  const { resourceGroup, name } = set;
  switch (order.verb) {
    case 'start':
      return sets.start(resourceGroup, name, { ...options, vmInstanceIDs: { instanceIds } }).submitted();
    case 'stop':
      return sets
        .powerOff(resourceGroup, name, { ...options, skipShutdown: true, vmInstanceIDs: { instanceIds } })
        .submitted();
    case 'reset': {
      // The temporary disk of an ephemeral set is cleaned as well; others refuse the parameter.
      const whole = order.ephemeral ? { tempDisk: true, forceUpdateOSDiskForEphemeral: true } : {};
      return sets
        .reimage(resourceGroup, name, { ...options, vmScaleSetReimageInput: { instanceIds, ...whole } })
        .submitted();
    }
    case 'delete':
      return sets
        .deleteInstances(resourceGroup, name, { instanceIds }, { ...options, forceDeletion: true })
        .submitted();
  }
}

const MOST_PAGES = 200;

async function list<Item>(
  read: Read,
  call: Call,
  ...[about, start]: [About, (connection: Connection, options: Options) => AsyncIterator<Item[]>]
): Promise<Item[]> {
  const items: Item[] = [];
  let pages: AsyncIterator<Item[]> | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const next = await read(call, about, (connection, options) => {
      pages ??= start(connection, options);
      about.signal.throwIfAborted();
      return pages.next();
    });
    if (next.done === true) return items;
    items.push(...next.value);
  }
  throw fromVendor(
    { code: 'EndlessListing', message: `The listing did not end within ${MOST_PAGES} pages.` },
    { action: actionOn(call, about.set), mutating: false },
  );
}

function actionOn(call: Call, set: ScaleSet): string {
  return `${ACTIONS[call]} of ${set.resourceGroup}/${set.name}`;
}

/** Keeps the last answer of a call: the SDK's errors leave out half of it. */
function listener(): { onResponse: Options['onResponse']; last: () => Reply | undefined } {
  let reply: Reply | undefined;
  return {
    onResponse(response) {
      reply = { status: response.status, headers: response.rawHeaders ?? {}, body: response.parsedBody };
    },
    last: () => reply,
  };
}

function toFailure(
  error: unknown,
  reply: Reply | undefined,
  attempt: { action: string; mutating: boolean; nowMs: number },
): FleetError {
  const refused = refusalOf(error, reply);
  if (refused === undefined) return fromThrown(error, attempt);
  const waitMs = retryAfterMs(refused.reply, attempt.nowMs);
  const { status, body } = refused.reply;
  const told = errorOf(body) ?? refused.told;
  return fromVendor(
    { ...told, status },
    { ...attempt, ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }) },
  );
}

/** The answer that an error stands for; undefined where none came. */
function refusalOf(
  error: unknown,
  reply: Reply | undefined,
): { reply: Reply; told: { code: string; message: string } } | undefined {
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number')
    return undefined;
  if (error.statusCode < 400) return undefined;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : `HTTP ${error.statusCode}`;
  const told = { code, message: error.message };
  // A later page's answer is only in the error.
  if (reply?.status === error.statusCode) return { reply, told };
  return { reply: { status: error.statusCode, headers: {}, body: undefined }, told };
}

function toAccepted(reply: Reply | undefined, nowMs: number): Accepted {
  if (reply === undefined) return { operation: null, finished: false, retryAfterMs: undefined };
  const operation = headerOf(reply, 'azure-asyncoperation') ?? headerOf(reply, 'location') ?? null;
  const finished = operation === null && reply.status !== 202;
  return { operation, finished, retryAfterMs: retryAfterMs(reply, nowMs) };
}

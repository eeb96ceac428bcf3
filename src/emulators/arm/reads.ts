import type { ScaledClock } from '../scaled-clock.ts';
import { ArmError, invalidParameter } from './arm-error.ts';
import type { ArmCall, ReadHandler } from './arm-call.ts';
import { flag, param } from './arm-call.ts';
import type { ArmSettings } from './arm-options.ts';
import type { AsyncOperation } from './async-operation.ts';
import type { AsyncOperations } from './async-operations.ts';
import { machineSizes, skuView } from './machine-sizes.ts';
import { page } from './paging.ts';
import type { Quotas } from './quota.ts';
import type { Reply } from './reply.ts';
import { retryAfterSeconds } from './retry-after.ts';
import { instanceStatus, instanceView, networkCardView, scaleSetView } from './scale-set-view.ts';
import type { ScaleSetStore } from './scale-set-store.ts';
import type { Instance } from './scale-set.ts';

interface ReadsDeps {
  clock: ScaledClock;
  settings: ArmSettings;
  store: ScaleSetStore;
  operations: AsyncOperations;
  quotas: Quotas;
}

export interface Reads {
  resourceGroup: ReadHandler;
  scaleSet: ReadHandler;
  scaleSets: ReadHandler;
  instance: ReadHandler;
  instanceView: ReadHandler;
  instances: ReadHandler;
  networkCards: ReadHandler;
  usages: ReadHandler;
  skus: ReadHandler;
  operation: ReadHandler;
}

/** How long the vendor asks callers to wait between two looks at an operation, in cloud milliseconds. */
export const POLL_INTERVAL_MS = 10_000;

export function createReads(deps: ReadsDeps): Reads {
  const { clock, settings, store, operations, quotas } = deps;
  const view = (set: Parameters<typeof scaleSetView>[0]): unknown => scaleSetView(set, operations);
  return {
    resourceGroup: () => ({ status: 200, body: resourceGroup(settings) }),
    scaleSet(call) {
      const set = store.need(param(call, 'set'));
      return { status: 200, headers: { etag: set.etag }, body: view(set) };
    },
    scaleSets: (call) =>
      page(call, {
        items: store.all().map((set) => ({ key: set.name, view: () => view(set) })),
        size: settings.pageSize,
      }),
    instance(call) {
      const instance = needInstance(store, call);
      return { status: 200, headers: { etag: instance.etag }, body: instanceView(instance, wantsView(call)) };
    },
    instanceView: (call) => ({ status: 200, body: instanceStatus(needInstance(store, call)) }),
    instances(call) {
      const withView = wantsView(call);
      const listed = store
        .instances(store.need(param(call, 'set')))
        .filter((each) => each.hiddenUntilMs <= clock.cloudMs());
      return page(call, {
        items: listed.map((each) => ({ key: each.id, view: () => instanceView(each, withView) })),
        size: settings.pageSize,
      });
    },
    networkCards(call) {
      const instances = store.instances(store.need(param(call, 'set')));
      return page(call, {
        items: instances.map((each) => ({ key: each.id, view: () => networkCardView(each) })),
        size: settings.pageSize,
      });
    },
    usages: () => ({ status: 200, body: { value: quotas.usages() } }),
    skus: (call) => skus(call, settings),
    operation: (call) => operationReply(operations.find(param(call, 'id')), call, settings),
  };
}

function resourceGroup(settings: ArmSettings): unknown {
  return {
    id: `/subscriptions/${settings.subscriptionId}/resourceGroups/${settings.resourceGroup}`,
    name: settings.resourceGroup,
    type: 'Microsoft.Resources/resourceGroups',
    location: settings.location,
    properties: { provisioningState: 'Succeeded' },
  };
}

function needInstance(store: ScaleSetStore, call: ArmCall): Instance {
  const set = store.need(param(call, 'set'));
  const id = param(call, 'instance');
  const instance = set.instances.get(id);
  if (instance !== undefined) return instance;
  throw new ArmError(404, 'ResourceNotFound', {
    message: `The provided instanceId ${id} is not an active Virtual Machine Scale Set VM instanceId.`,
    target: 'instanceId',
  });
}

function wantsView(call: ArmCall): boolean {
  const expand = call.query.get('$expand');
  if (expand === undefined) return false;
  if (expand.toLowerCase() === 'instanceview') return true;
  throw invalidParameter(
    `The value '${expand}' of $expand is not valid here: only instanceView is.`,
    '$expand',
  );
}

function skus(call: ArmCall, settings: ArmSettings): Reply {
  const filter = call.query.get('$filter');
  const wanted = filter === undefined ? settings.location : /^location eq '([^']+)'$/i.exec(filter)?.[1];
  if (wanted === undefined) throw invalidParameter("$filter must be: location eq '<location>'", '$filter');
  const restricted = new Set(settings.restrictedSizes.map((name) => name.toLowerCase()));
  const sizes = wanted.toLowerCase() === settings.location ? machineSizes() : [];
  const value = sizes.map((size) =>
    skuView(size, { location: settings.location, restricted: restricted.has(size.name.toLowerCase()) }),
  );
  return { status: 200, body: { value } };
}

/** The status URL always answers 200; the Location (`monitor=true`) answers 202, then the result or the error. */
function operationReply(operation: AsyncOperation | undefined, call: ArmCall, settings: ArmSettings): Reply {
  if (operation === undefined) {
    throw new ArmError(404, 'NotFound', {
      message: 'The entity was not found: the operation is unknown or has expired.',
    });
  }
  const waiting = { 'retry-after': retryAfterSeconds(POLL_INTERVAL_MS, settings.speed) };
  if (!flag(call, 'monitor')) {
    const headers = operation.status === 'InProgress' ? waiting : {};
    return { status: 200, headers, body: operationStatus(operation) };
  }
  if (operation.status === 'InProgress')
    return { status: 202, headers: { ...waiting, location: call.url.href } };
  if (operation.error !== undefined) {
    throw new ArmError(409, operation.error.code, { message: operation.error.message });
  }
  const body = operation.result();
  return body === undefined ? { status: 200 } : { status: 200, body };
}

function operationStatus(operation: AsyncOperation): unknown {
  return {
    name: operation.id,
    startTime: new Date(operation.startedMs).toISOString(),
    ...(operation.endedMs === undefined ? {} : { endTime: new Date(operation.endedMs).toISOString() }),
    status: operation.status,
    ...(operation.error === undefined ? {} : { error: operation.error }),
  };
}

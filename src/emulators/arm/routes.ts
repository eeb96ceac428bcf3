import type { ArmCall, ReadHandler, WriteHandler } from './arm-call.ts';
import type { Evictions } from './eviction.ts';
import type { InstanceActions } from './instance-actions.ts';
import type { Reads } from './reads.ts';
import type { ScaleSetWrites } from './scale-set-writes.ts';
import type { PolicyName } from './throttle-policies.ts';

export interface Route {
  method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';
  /** A path with `{parameters}`, matched in any case. */
  path: string;
  operation: string;
  apiVersions: readonly string[];
  query: readonly string[];
  /** The fields its body may have; a route without them takes no body. */
  body?: { model: string; fields: readonly string[]; isRequired: boolean };
  policies: readonly PolicyName[];
  /** An answer at once, without a long-running operation. */
  read?: ReadHandler;
  write?: WriteHandler;
}

type RouteHandlers = {
  reads: Reads;
  actions: InstanceActions;
  writes: ScaleSetWrites;
  evictions: Evictions;
};

/** Every path that is served; what is not here is refused. */
export function armRoutes({ reads, actions, writes, evictions }: RouteHandlers): readonly Route[] {
  return [
    ...readRoutes(reads),
    ...placeRoutes(reads),
    ...writeRoutes(writes),
    ...actionRoutes(actions),
    eviction(evictions),
  ];
}

export const OPERATION_STATUS = 'Operations_GetStatus';

/** The bucket that a call draws on: its machine's, or its set's. */
export function throttledResource(call: ArmCall): string {
  return `${call.params['set'] ?? ''}/${call.params['instance'] ?? ''}`.toLowerCase();
}

const GROUP = '/subscriptions/{subscription}/resourceGroups/{group}';
const COMPUTE = '/subscriptions/{subscription}/providers/Microsoft.Compute';
const COMPUTE_IN_GROUP = `${GROUP}/providers/Microsoft.Compute`;
const SET = `${COMPUTE_IN_GROUP}/virtualMachineScaleSets/{set}`;
const PAGED = ['$skiptoken'];

// The SDKs' versions first; of the others only those whose answers look the same.
const VERSIONS = ['2026-04-01', '2025-04-01', '2024-11-01', '2024-07-01'];
const NETWORK = ['2018-10-01'];
const SKUS = ['2021-07-01'];
const RESOURCES = ['2021-04-01', '2022-09-01', '2024-03-01', '2025-04-01'];

const PATCH_BODY = {
  model: 'VirtualMachineScaleSetUpdate',
  fields: ['tags', 'sku', 'plan', 'properties', 'identity', 'zones', 'placement'],
  isRequired: true,
};
const PUT_BODY = {
  model: 'VirtualMachineScaleSet',
  fields: [...PATCH_BODY.fields, 'location', 'extendedLocation'],
  isRequired: true,
};
const IDS_BODY = { model: 'VirtualMachineScaleSetVMInstanceIDs', fields: ['instanceIds'], isRequired: false };
const REIMAGE_BODY = {
  model: 'VirtualMachineScaleSetReimageParameters',
  fields: ['instanceIds', 'tempDisk', 'exactVersion', 'osProfile', 'forceUpdateOSDiskForEphemeral'],
  isRequired: false,
};

type Details = Partial<Pick<Route, 'apiVersions' | 'query' | 'policies' | 'body'>>;

function readRoutes(reads: Reads): Route[] {
  return [
    get(`${COMPUTE_IN_GROUP}/virtualMachineScaleSets`, 'VirtualMachineScaleSets_List', {
      read: reads.scaleSets,
      query: PAGED,
      policies: ['highCostGetSet'],
    }),
    get(SET, 'VirtualMachineScaleSets_Get', { read: reads.scaleSet, policies: ['lowCostGetSet'] }),
    get(`${SET}/virtualMachines`, 'VirtualMachineScaleSetVMs_List', {
      read: reads.instances,
      query: [...PAGED, '$expand'],
      policies: ['highCostGetSet'],
    }),
    get(`${SET}/virtualMachines/{instance}`, 'VirtualMachineScaleSetVMs_Get', {
      read: reads.instance,
      query: ['$expand'],
      policies: ['getSetVm'],
    }),
    get(`${SET}/virtualMachines/{instance}/instanceView`, 'VirtualMachineScaleSetVMs_GetInstanceView', {
      read: reads.instanceView,
      policies: ['getSetVm'],
    }),
    get(`${SET}/networkInterfaces`, 'NetworkInterfaces_ListVirtualMachineScaleSetNetworkInterfaces', {
      read: reads.networkCards,
      query: PAGED,
      apiVersions: NETWORK,
      policies: ['networkRead'],
    }),
  ];
}

function placeRoutes(reads: Reads): Route[] {
  return [
    get(GROUP, 'ResourceGroups_Get', { read: reads.resourceGroup, apiVersions: RESOURCES }),
    get(`${COMPUTE}/locations/{location}/usages`, 'Usage_List', { read: reads.usages }),
    get(`${COMPUTE}/skus`, 'ResourceSkus_List', {
      read: reads.skus,
      query: ['$filter', 'includeExtendedLocations'],
      apiVersions: SKUS,
    }),
    get(`${COMPUTE}/locations/{location}/operations/{id}`, OPERATION_STATUS, {
      read: reads.operation,
      query: ['monitor'],
      policies: ['getOperation'],
    }),
  ];
}

function writeRoutes(writes: ScaleSetWrites): Route[] {
  return [
    change('PUT', SET, {
      operation: 'VirtualMachineScaleSets_CreateOrUpdate',
      write: writes.createOrUpdate,
      policies: ['putSet'],
      body: PUT_BODY,
    }),
    change('PATCH', SET, {
      operation: 'VirtualMachineScaleSets_Update',
      write: writes.update,
      policies: ['updateSet'],
      body: PATCH_BODY,
    }),
    change('DELETE', SET, {
      operation: 'VirtualMachineScaleSets_Delete',
      write: writes.remove,
      policies: ['deleteSet'],
      query: ['forceDeletion'],
    }),
  ];
}

function eviction(evictions: Evictions): Route {
  return change('POST', `${SET}/virtualMachines/{instance}/simulateEviction`, {
    operation: 'VirtualMachineScaleSetVMs_SimulateEviction',
    policies: ['deleteSetVm'],
    read: evictions.simulate,
  });
}

function actionRoutes(actions: InstanceActions): Route[] {
  const action = (verb: string, name: string, details: Details & { write: WriteHandler }): Route =>
    change('POST', `${SET}/${verb}`, {
      body: IDS_BODY,
      ...details,
      operation: `VirtualMachineScaleSets_${name}`,
    });
  const reimage: Details & { write: WriteHandler } = {
    write: actions.reimage,
    policies: ['setActions', 'batchedVms'],
  };
  return [
    action('delete', 'DeleteInstances', {
      write: actions.deleteInstances,
      policies: ['deleteSet', 'batchedVms'],
      query: ['forceDeletion'],
    }),
    action('reimage', 'Reimage', { ...reimage, body: REIMAGE_BODY }),
    action('reimageall', 'ReimageAll', reimage),
    action('start', 'Start', { write: actions.start, policies: ['setActions', 'batchedVms'] }),
    action('restart', 'Restart', { write: actions.restart, policies: ['setActions', 'batchedVms'] }),
    action('poweroff', 'PowerOff', {
      write: actions.powerOff,
      policies: ['powerOffSet', 'batchedVms'],
      query: ['skipShutdown'],
    }),
    action('deallocate', 'Deallocate', { write: actions.deallocate, policies: ['deleteSet', 'batchedVms'] }),
  ];
}

function get(path: string, operation: string, details: Details & { read: ReadHandler }): Route {
  return { method: 'GET', path, operation, apiVersions: VERSIONS, query: [], policies: [], ...details };
}

function change(
  method: Route['method'],
  path: string,
  details: Details & { operation: string; write?: WriteHandler; read?: ReadHandler },
): Route {
  return { method, path, apiVersions: VERSIONS, query: [], policies: [], ...details };
}

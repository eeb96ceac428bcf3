import { defineAction } from './action.ts';
import type { Estate, Instance } from './estate.ts';
import { compileFilters, filterList, type FilterTable } from './filters.ts';
import { reservationFields, stateCode, stateFields, zoneId } from './instance-answer.ts';
import { cutPage, pagingFields, refusePagedIds } from './paging.ts';
import { flag, list, text } from './parameters.ts';
import type { XmlFields } from './xml.ts';

/** DescribeInstances, with ids or with filters and pages; a new instance is missed for a while. */
export const describeInstances = defineAction({
  mutating: false,
  fields: { InstanceId: list(text), Filter: filterList, ...pagingFields, DryRun: flag },
  names: ({ InstanceId }) => InstanceId,
  handle({ estate, visibility }, { parameters }) {
    const { InstanceId: ids } = parameters;
    refusePagedIds(parameters, ids, 'instancesSet');
    const passes = compileFilters(parameters.Filter, filterTable(estate));
    const found = ids.length > 0 ? visibility.describe([...new Set(ids)]) : visibility.describeAll();
    const page = cutPage(found.filter(passes), parameters);
    const reservations = Map.groupBy(page.items, ({ launch }) => launch.reservationId);
    return {
      answer: {
        reservationSet: [...reservations.values()].map((each) => reservationFields(estate.catalogue, each)),
        nextToken: page.nextToken,
      },
    };
  },
});

/** DescribeInstanceStatus: running instances, all of them with IncludeAllInstances. */
export const describeInstanceStatus = defineAction({
  mutating: false,
  fields: {
    InstanceId: list(text),
    Filter: filterList,
    IncludeAllInstances: flag,
    ...pagingFields,
    DryRun: flag,
  },
  names: ({ InstanceId }) => InstanceId,
  handle({ estate, visibility }, { parameters }) {
    const { InstanceId: ids } = parameters;
    refusePagedIds(parameters, ids, 'instancesSet');
    const passes = compileFilters(parameters.Filter, statusTable);
    const found = ids.length > 0 ? visibility.describe([...new Set(ids)]) : visibility.describeAll();
    const seen = found.filter((each) => parameters.IncludeAllInstances === true || each.state === 'running');
    const page = cutPage(seen.filter(passes), parameters);
    return {
      answer: {
        instanceStatusSet: page.items.map((instance) => statusFields(estate, instance)),
        nextToken: page.nextToken,
      },
    };
  },
});

function filterTable({ catalogue }: Estate): FilterTable<Instance> {
  return {
    'availability-zone': ({ launch }) => [launch.zone],
    'block-device-mapping.volume-id': ({ disks }) => disks.map(({ id }) => id),
    'client-token': ({ launch }) => [launch.clientToken],
    'image-id': ({ launch }) => [launch.image.id],
    'instance-id': ({ id }) => [id],
    'instance-lifecycle': ({ spot }) => [spot === undefined ? undefined : 'spot'],
    'instance-state-code': ({ state }) => [String(stateCode(state))],
    'instance-state-name': ({ state }) => [state],
    'instance-type': ({ launch }) => [launch.type.name],
    'instance.group-id': ({ cards }) => cards.flatMap(({ groups }) => groups),
    'ip-address': ({ cards }) => cards.map(({ publicAddress }) => publicAddress),
    'key-name': ({ launch }) => [launch.keyName],
    'network-interface.network-interface-id': ({ cards }) => cards.map(({ id }) => id),
    'network-interface.private-ip-address': ({ cards }) => cards.map(({ privateAddress }) => privateAddress),
    'network-interface.subnet-id': ({ cards }) => cards.map(({ subnet }) => subnet),
    'private-ip-address': ({ cards }) => cards.slice(0, 1).map(({ privateAddress }) => privateAddress),
    'reservation-id': ({ launch }) => [launch.reservationId],
    'spot-instance-request-id': ({ spot }) => [spot?.requestId],
    'subnet-id': ({ cards }) => cards.slice(0, 1).map(({ subnet }) => subnet),
    'vpc-id': ({ cards }) => (cards.length > 0 ? [catalogue.vpc.id] : []),
  };
}

const statusTable: FilterTable<Instance> = {
  'availability-zone': ({ launch }) => [launch.zone],
  'instance-state-code': ({ state }) => [String(stateCode(state))],
  'instance-state-name': ({ state }) => [state],
  'instance-status.status': (instance) => [statusOf(instance)],
  'system-status.status': (instance) => [statusOf(instance)],
};

function statusOf({ state, booted }: Instance): string {
  if (state !== 'running') return 'not-applicable';
  return booted ? 'ok' : 'initializing';
}

function statusFields({ catalogue }: Estate, instance: Instance): XmlFields {
  const status = statusOf(instance);
  const check = { status, details: [{ name: 'reachability', status: status === 'ok' ? 'passed' : status }] };
  return {
    instanceId: instance.id,
    availabilityZone: instance.launch.zone,
    availabilityZoneId: zoneId(catalogue, instance.launch.zone),
    instanceState: stateFields(instance.state),
    instanceStatus: check,
    systemStatus: check,
  };
}

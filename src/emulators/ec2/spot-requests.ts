import { defineAction } from './action.ts';
import { Ec2Error } from './ec2-error.ts';
import type { Instance, SpotOptions, Tags } from './estate.ts';
import { compileFilters, filterList, type FilterTable } from './filters.ts';
import { cutPage, pagingFields, refusePagedIds } from './paging.ts';
import { flag, list, text } from './parameters.ts';
import type { XmlFields } from './xml.ts';

/** The request behind a spot instance; it carries no tags, since none are given to it at launch. */
interface SpotRequest {
  id: string;
  sequence: number;
  tags: Tags;
  instance: Instance;
  spot: SpotOptions;
}

/** DescribeSpotInstanceRequests, with ids or with filters and pages. */
export const describeSpotInstanceRequests = defineAction({
  mutating: false,
  fields: { SpotInstanceRequestId: list(text), Filter: filterList, ...pagingFields, DryRun: flag },
  handle({ estate }, { parameters }) {
    const { SpotInstanceRequestId: ids } = parameters;
    refusePagedIds(parameters, ids, 'spotInstanceRequestId');
    const all = [...estate.instances.values()].flatMap(toRequest);
    const unknown = ids.find((id) => all.every((request) => request.id !== id));
    if (unknown !== undefined) {
      const message = `The spot instance request ID '${unknown}' does not exist`;
      throw new Ec2Error('InvalidSpotInstanceRequestID.NotFound', message);
    }
    const named = all.filter(({ id }) => ids.length === 0 || ids.includes(id));
    const page = cutPage(named.filter(compileFilters(parameters.Filter, filterTable)), parameters);
    return {
      answer: { spotInstanceRequestSet: page.items.map(requestFields), nextToken: page.nextToken },
    };
  },
});

const filterTable: FilterTable<SpotRequest> = {
  'instance-id': ({ instance }) => [instance.id],
  'launched-availability-zone': ({ instance }) => [instance.launch.zone],
  'spot-instance-request-id': ({ id }) => [id],
  state: (request) => [stateOf(request)],
  'status-code': (request) => [statusOf(request)],
  type: (request) => [typeOf(request)],
};

function toRequest(instance: Instance): SpotRequest[] {
  const { spot, sequence } = instance;
  return spot === undefined
    ? []
    : [{ id: spot.requestId, sequence, tags: new Map<string, string>(), instance, spot }];
}

function typeOf({ spot }: SpotRequest): string {
  return spot.interruption === 'stop' ? 'persistent' : 'one-time';
}

function isOver({ instance }: SpotRequest): boolean {
  return instance.state === 'shutting-down' || instance.state === 'terminated';
}

function stateOf(request: SpotRequest): string {
  return isOver(request) ? 'closed' : 'active';
}

function statusOf(request: SpotRequest): string {
  const { spot, instance } = request;
  const isTaken = instance.stateReason?.code === 'Server.SpotInstanceTermination';
  if (isOver(request)) return isTaken ? 'instance-terminated-no-capacity' : 'instance-terminated-by-user';
  if (spot.isMarked) return spot.interruption === 'stop' ? 'marked-for-stop' : 'marked-for-termination';
  return 'fulfilled';
}

function requestFields(request: SpotRequest): XmlFields {
  const { id, instance } = request;
  return {
    spotInstanceRequestId: id,
    type: typeOf(request),
    state: stateOf(request),
    status: { code: statusOf(request), updateTime: new Date(instance.launchedAtMs) },
    instanceId: instance.id,
    launchedAvailabilityZone: instance.launch.zone,
    createTime: new Date(instance.launchedAtMs),
    productDescription: 'Linux/UNIX',
    tagSet: [],
  };
}

import { Ec2Error } from './ec2-error.ts';
import type { Estate, Instance, InstanceState } from './estate.ts';

export interface Offering {
  type: string;
  zone: string;
}

/** A limit on how many instances of a type one zone can run at the same time. */
export interface CapacityLimit {
  instanceType: string;
  zone: string;
  atMost: number;
}

/** What the account may run, undefined being without limit. */
export interface Quota {
  /** vCPUs of all on-demand instances that are not stopped. */
  onDemandVcpus?: number;
  /** Spot instances that are not stopped. */
  spotInstances?: number;
}

/** How much the cloud has left. */
export interface Capacity {
  /** Sets or replaces a zone's limit for a type. */
  limit(limit: CapacityLimit): void;
  /** How many more instances of this kind could run, at most `wanted`; throws the vendor's refusal where fewer than `least`. */
  grant(kind: InstanceKind, counts: { least: number; wanted: number }): number;
}

export interface InstanceKind extends Offering {
  vcpus: number;
  isSpot: boolean;
}

/** A stopped instance gives its place back, so that starting it again can be refused. */
const HOLDS_NO_PLACE: ReadonlySet<InstanceState> = new Set(['stopped', 'terminated']);

export function createCapacity(estate: Estate, quota: Quota): Capacity {
  const limits = new Map<string, number>();
  const placed = (test: (instance: Instance) => boolean): Instance[] =>
    [...estate.instances.values()].filter(
      (instance) => !HOLDS_NO_PLACE.has(instance.state) && test(instance),
    );

  const roomInZone = ({ type, zone }: Offering): number => {
    const atMost = limits.get(`${type} ${zone}`);
    if (atMost === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(
      0,
      atMost - placed(({ launch }) => launch.type.name === type && launch.zone === zone).length,
    );
  };
  const roomInQuota = ({ isSpot, vcpus }: InstanceKind): number => {
    if (isSpot) {
      if (quota.spotInstances === undefined) return Number.POSITIVE_INFINITY;
      return Math.max(0, quota.spotInstances - placed(({ spot }) => spot !== undefined).length);
    }
    if (quota.onDemandVcpus === undefined) return Number.POSITIVE_INFINITY;
    const used = placed(({ spot }) => spot === undefined).reduce(
      (sum, { launch }) => sum + launch.type.vcpus,
      0,
    );
    return Math.max(0, Math.floor((quota.onDemandVcpus - used) / vcpus));
  };

  return {
    limit: ({ instanceType, zone, atMost }) => void limits.set(`${instanceType} ${zone}`, atMost),
    grant(kind, { least, wanted }) {
      const allowed = Math.min(wanted, roomInQuota(kind));
      if (allowed < least) throw quotaExceeded(kind, quota);
      const granted = Math.min(allowed, roomInZone(kind));
      if (granted < least) throw insufficientCapacity(kind);
      return granted;
    },
  };
}

function quotaExceeded(kind: InstanceKind, quota: Quota): Ec2Error {
  if (kind.isSpot) return new Ec2Error('MaxSpotInstanceCountExceeded', 'Max spot instance count exceeded');
  return new Ec2Error(
    'VcpuLimitExceeded',
    `You have requested more vCPU capacity than your current vCPU limit of ${quota.onDemandVcpus} allows for the instance bucket that the specified instance type belongs to.`,
  );
}

function insufficientCapacity({ type, zone }: Offering): Ec2Error {
  return new Ec2Error(
    'InsufficientInstanceCapacity',
    `We currently do not have sufficient ${type} capacity in the Availability Zone you requested (${zone}).`,
  );
}

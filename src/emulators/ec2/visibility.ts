import type { ScaledClock } from '../scaled-clock.ts';
import { Ec2Error } from './ec2-error.ts';
import type { Estate, Instance } from './estate.ts';

/** Eventual consistency: a new instance exists before anybody can see it. */
export interface Visibility {
  /**
   * The instances with these ids, in that order. Throws InvalidInstanceID.Malformed, or InvalidInstanceID.NotFound
   * where one does not exist or cannot be seen yet.
   */
  find(ids: readonly string[]): Instance[];
  /** The same for a describe call, which counts as one look at each instance that it misses. */
  describe(ids: readonly string[]): Instance[];
  /** All instances that can be seen; one look at each one that cannot. */
  describeAll(): Instance[];
}

export function createVisibility(estate: Estate, clock: ScaledClock): Visibility {
  const isVisible = (instance: Instance): boolean =>
    instance.hiddenDescribes === 0 && clock.cloudMs() >= instance.visibleFromCloudMs;
  const find = (ids: readonly string[]): Instance[] => {
    ids.forEach(checkId);
    const known = ids.map((id) => estate.instances.get(id));
    const missing = ids.filter((_id, index) => known[index] === undefined || !isVisible(known[index]));
    if (missing.length > 0) throw notFound(missing);
    return known.filter((instance) => instance !== undefined);
  };
  const look = (instances: readonly Instance[]): void => {
    for (const instance of instances) instance.hiddenDescribes = Math.max(0, instance.hiddenDescribes - 1);
  };
  return {
    find,
    describe(ids) {
      try {
        return find(ids);
      } finally {
        look(ids.map((id) => estate.instances.get(id)).filter((instance) => instance !== undefined));
      }
    },
    describeAll() {
      const all = [...estate.instances.values()];
      const visible = all.filter(isVisible);
      look(all);
      return visible;
    },
  };
}

function checkId(id: string): void {
  if (!/^i-[0-9a-f]{8}([0-9a-f]{9})?$/.test(id)) {
    throw new Ec2Error('InvalidInstanceID.Malformed', `Invalid id: "${id}"`);
  }
}

function notFound(ids: readonly string[]): Ec2Error {
  const message =
    ids.length === 1
      ? `The instance ID '${ids[0]}' does not exist`
      : `The instance IDs '${ids.join(', ')}' do not exist`;
  return new Ec2Error('InvalidInstanceID.NotFound', message);
}

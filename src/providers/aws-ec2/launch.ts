import { FleetError } from '../../fleet/errors.ts';
import type { BatchCall, Look } from '../../fleet/provider.ts';
import { instancesOf } from '../instances-of.ts';
import { NOTHING_WANTED, askingFor } from './cloud.ts';
import type { Ec2, Seen, Wanted } from './cloud.ts';
import { unreadable } from './failures.ts';
import { readLaunchHandle } from './handles.ts';
import { specOf } from './placement.ts';
import { toLaunched, toRunInstances, toSighting } from './translate.ts';
import type { Sighting } from './translate.ts';

/** Launches a batch in one call; the batch's id makes every replay of it the same launch. */
export async function launch(cloud: Ec2, call: BatchCall, signal: AbortSignal): Promise<Look> {
  instancesOf(call);
  const input = toRunInstances(call, specOf(call.placement), cloud.installation);
  const asking = askingFor(cloud, call, signal);
  const answer = await cloud.sender.send('RunInstances', input, asking);
  const sightings = (answer.Instances ?? []).map((instance) => toSighting(instance) ?? nameless());
  if (sightings.length === 0) throw unreadable(RUN_INSTANCES, 'it names no instance');
  // A token is remembered for a day at least, not for ever: what an earlier answer named stays ours either way.
  const instances = new Set(readLaunchHandle(call.handle)?.instances);
  for (const sighting of sightings) instances.add(sighting.instance);
  return lookOf(cloud, call, { sightings, instances: [...instances] });
}

/** What a look at a launch needs: its instances, or where their ids never arrived whatever bears its token. */
export function launchWants(call: BatchCall): Wanted {
  const handle = readLaunchHandle(call.handle);
  if (handle === undefined) return { ...NOTHING_WANTED, launches: [call.batch] };
  return { ...NOTHING_WANTED, instances: handle.instances };
}

/**
 * What has become of a launch. An instance that cannot be seen yet is pending: EC2 may list it minutes after it has
 * made it. Without an answer a launch is never settled, for it may still be on its way.
 */
export function lookAtLaunch(cloud: Ec2, call: BatchCall, seen: Seen): Look {
  const handle = readLaunchHandle(call.handle);
  if (handle !== undefined) {
    const sightings = handle.instances.flatMap((id) => seen.instances.get(id) ?? []);
    return lookOf(cloud, call, { sightings, instances: handle.instances });
  }
  const sightings = seen.launches.filter((each) => each.clientToken === call.batch);
  const instances = sightings.map((each) => each.instance);
  const { error: _, ...look } = lookOf(cloud, call, { sightings, instances });
  return { ...look, handle: null, settled: false };
}

const RUN_INSTANCES = { action: 'RunInstances', mutating: true };

function lookOf(
  cloud: Ec2,
  call: BatchCall,
  made: { sightings: readonly Sighting[]; instances: readonly string[] },
): Look {
  const spec = specOf(call.placement);
  const known = new Map(made.sightings.map((sighting) => [sighting.instance, toLaunched(sighting, spec)]));
  const look: Look = {
    handle: { instances: [...made.instances] },
    holdsLane: false,
    lookInMs: cloud.lookEveryMs,
    outcomes: {},
    launched: made.instances.map((id) => known.get(id) ?? { instance: id, state: 'pending', address: null }),
    settled: true,
  };
  const asked = call.members.length;
  if (made.instances.length < asked) look.error = shortOf(made.instances.length, asked);
  return look;
}

function shortOf(made: number, asked: number): FleetError {
  return new FleetError(
    `EC2 launched ${made} of ${asked} instances; it has no capacity for more there now.`,
    {
      code: 'capacity',
      remedy: 'retry-elsewhere',
    },
  );
}

function nameless(): never {
  throw unreadable(RUN_INSTANCES, 'instanceId is missing');
}

import { Value } from 'typebox/value';
import type { Clock } from '../../fleet/ports.ts';
import type {
  BatchCall,
  Budgets,
  Capabilities,
  Look,
  Placement,
  Provider,
  Verb,
} from '../../fleet/provider.ts';
import type { ProviderModule } from '../provider-module.ts';
import { act, actWants, lookAtAct } from './act.ts';
import { createSender } from './client.ts';
import type { AwsCredentials } from './client.ts';
import type { Ec2, Seen, Wanted } from './cloud.ts';
import { describeInstances, describeLaunches, describeTagged, describeTasks } from './describe.ts';
import type { Asking } from './describe.ts';
import { launch, launchWants, lookAtLaunch } from './launch.ts';
import { awsOptionsSchema, awsPlacementSchema, siteOf, specOf } from './placement.ts';
import type { AwsOptions } from './placement.ts';
import { createRates } from './rates.ts';
import { deleteLeftOver, describeLeftOvers } from './left-overs.ts';
import { lookAtReset, reset, resetWants } from './reset.ts';
import { describeInterrupted } from './spot.ts';
import { toInventoryItem } from './translate.ts';

export interface AwsEc2Deps {
  installation: string;
  budgets: Budgets;
  clock: Clock;
  options: AwsOptions;
  /** The vendor's usual chain is asked where there are none. */
  credentials?: AwsCredentials;
}

export const awsEc2: ProviderModule = {
  name: 'aws-ec2',
  placementSchema: awsPlacementSchema,
  optionsSchema: awsOptionsSchema,
  reset: 'replace-root',
  resetsRunning: true,
  create({ installation, budgets, clock, options, credentials }) {
    const deps = { installation, budgets, clock, options: Value.Parse(awsOptionsSchema, options) };
    const fixed = fixedCredentials(credentials);
    return createAwsEc2Provider(fixed === undefined ? deps : { ...deps, credentials: fixed });
  },
};

/** Amazon EC2. Throws FleetError alone; each method takes from the budgets before it calls. */
export function createAwsEc2Provider(deps: AwsEc2Deps): Provider {
  const { options } = deps;
  const rates = createRates(deps.budgets, options.refillFactor ?? 1);
  const sender = createSender({
    rates,
    options,
    ...(deps.credentials !== undefined && { credentials: deps.credentials }),
  });
  const cloud: Ec2 = {
    sender,
    installation: deps.installation,
    nowMs: () => deps.clock.now().getTime(),
    lookEveryMs: options.lookEveryMs ?? 2000,
    visibilityDelayMs: options.visibilityDelayMs ?? 180_000,
  };
  return {
    name: 'aws-ec2',
    capabilities: CAPABILITIES,
    lane: laneOf,
    launch: (call, signal) => launch(cloud, call, signal),
    start: (call, signal) => act(cloud, call, signal),
    stop: (call, signal) => act(cloud, call, signal),
    reset: (call, signal) => reset(cloud, call, signal),
    delete: (call, signal) => act(cloud, call, signal),
    poll: (calls, signal) => poll(cloud, calls, signal),
    async inventory(placement, signal) {
      const asking = { sender, site: siteOf(placement), signal };
      const owner = { installation: cloud.installation, placement };
      const madeBefore = new Date(cloud.nowMs() - cloud.visibilityDelayMs);
      const sightings = await describeTagged(asking, owner);
      const leftOvers = await describeLeftOvers(asking, owner, madeBefore);
      const spec = specOf(placement);
      const interrupted = spec.spot === true ? await describeInterrupted(asking) : NONE;
      const instances = sightings.map((sighting) => ({
        ...toInventoryItem(sighting, spec),
        interrupted: interrupted.has(sighting.instance),
      }));
      return { instances, leftOvers };
    },
    deleteLeftOver: (placement, leftOver, signal) =>
      deleteLeftOver({ sender, site: siteOf(placement), signal }, placement, leftOver),
    // EC2 counts vCPUs per family and tells them through another service: a launch finds out.
    quota: () => Promise.resolve(Infinity),
    close: () => sender.close(),
  };
}

const NONE: ReadonlySet<string> = new Set();

const CAPABILITIES: Capabilities = {
  reset: 'replace-root',
  park: 'stop',
  // AWS advises several launches over one big one. A reset is a call for each member, of which 50 may burst.
  batchSizes: { launch: 100, start: 500, stop: 1000, reset: 25, delete: 1000 },
  // Stop and start know no client token: a late second one would hit whatever the instance does by then.
  replaySafe: ['launch', 'reset', 'delete'],
};

function laneOf(verb: Verb, placement: Placement): { lane: string; group: string } {
  const { account, region } = siteOf(placement);
  return { lane: `aws:${account}:${region}:${verb}`, group: groupOf(verb, placement) };
}

/** A launch has one placement; a start is over with an address, of one kind per call; the rest may span pools. */
function groupOf(verb: Verb, placement: Placement): string {
  if (verb === 'launch') return `${placement.pool}/${placement.name}`;
  return verb === 'start' ? specOf(placement).address : '';
}

/** Every batch of an account and region is answered by the same few listings. */
async function poll(cloud: Ec2, calls: readonly BatchCall[], signal: AbortSignal): Promise<Look[]> {
  const bySite = Map.groupBy(calls, (call) => Object.values(siteOf(call.placement)).join(' '));
  const looks = new Map<BatchCall, Look>();
  for (const group of bySite.values()) {
    const [first] = group;
    if (first === undefined) continue;
    const asking = { sender: cloud.sender, site: siteOf(first.placement), signal };
    const seen = await see(asking, group.map(wants));
    for (const call of group) looks.set(call, lookAt(cloud, call, seen));
  }
  return calls.flatMap((call) => looks.get(call) ?? []);
}

async function see(asking: Asking, wanted: readonly Wanted[]): Promise<Seen> {
  const instances = [...new Set(wanted.flatMap((each) => each.instances))];
  return {
    instances: await describeInstances(asking, instances),
    launches: await describeLaunches(
      asking,
      wanted.flatMap((each) => each.launches),
    ),
    tasks: await describeTasks(
      asking,
      wanted.flatMap((each) => each.tasks),
    ),
  };
}

function wants(call: BatchCall): Wanted {
  if (call.verb === 'launch') return launchWants(call);
  return call.verb === 'reset' ? resetWants(call) : actWants(call);
}

function lookAt(cloud: Ec2, call: BatchCall, seen: Seen): Look {
  if (call.verb === 'launch') return lookAtLaunch(cloud, call, seen);
  return call.verb === 'reset' ? lookAtReset(cloud, call, seen) : lookAtAct(cloud, call, seen);
}

function fixedCredentials(named: Readonly<Record<string, string>> | undefined): AwsCredentials | undefined {
  const { accessKeyId, secretAccessKey, sessionToken } = named ?? {};
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
}

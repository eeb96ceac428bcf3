import type { BatchCall, Look, Progress, Verb } from '../../fleet/provider.ts';
import { instancesOf } from '../instances-of.ts';
import { NOTHING_WANTED, askingFor } from './cloud.ts';
import type { Ec2, Seen, Wanted } from './cloud.ts';
import type { Asking } from './describe.ts';
import { unreadable } from './failures.ts';
import { readActHandle, toFailure, toProgress } from './handles.ts';
import type { ActHandle, Failure, Told } from './handles.ts';
import { specOf } from './placement.ts';
import { sendToEach } from './send-to-each.ts';
import { addressOf } from './translate.ts';
import type { Sighting } from './translate.ts';

const MOST_INSTANCES = 1000;

/** Starts, stops or deletes a batch; what becomes of each member is for later looks to say. */
export async function act(cloud: Ec2, call: BatchCall, signal: AbortSignal): Promise<Look> {
  const ids = instancesOf(call);
  const handle = readActHandle(call.handle) ?? newHandle(cloud);
  const asking = askingFor(cloud, call, signal);
  const open = ids.filter((id) => handle.told[id] === undefined);
  const refused = await sendToEach(open, MOST_INSTANCES, (some) => send(call.verb, some, asking));
  const failures = [...refused].map(([id, error]) => [id, toFailure(error)] as const);
  return lookOf(cloud, call, { ...handle, refused: Object.fromEntries(failures) });
}

/** What a look at a start, stop or delete needs: the members whose outcome is open. */
export function actWants(call: BatchCall): Wanted {
  const handle = readActHandle(call.handle);
  const open = instancesOf(call).filter((id) => handle?.told[id] === undefined);
  return { ...NOTHING_WANTED, instances: open };
}

/** What has become of each member; nothing is said of a batch that has had no answer yet. */
export function lookAtAct(cloud: Ec2, call: BatchCall, seen: Seen): Look {
  const handle = readActHandle(call.handle);
  if (handle === undefined) return { ...lookOf(cloud, call, newHandle(cloud)), handle: null };
  const told = { ...handle.told };
  const ageMs = cloud.nowMs() - handle.sentAtMs;
  for (const id of instancesOf(call)) {
    if (told[id] !== undefined) continue;
    const outcome = judge(call, seen.instances.get(id), {
      refusal: handle.refused[id],
      isAbsenceSure: ageMs >= cloud.visibilityDelayMs,
    });
    if (outcome !== undefined) told[id] = outcome;
  }
  return lookOf(cloud, call, { ...handle, told });
}

/** A look that says what is known of every member. */
export function lookOf(cloud: Ec2, call: BatchCall, handle: ActHandle): Look {
  const outcomes: Record<string, Progress> = {};
  for (const id of instancesOf(call)) {
    const outcome = handle.told[id];
    outcomes[id] = outcome === undefined ? { state: 'pending' } : toProgress(outcome);
  }
  const { sentAtMs, refused, tasks, told } = handle;
  return {
    handle: { sentAtMs, refused, tasks, told },
    holdsLane: false,
    lookInMs: cloud.lookEveryMs,
    outcomes,
    launched: [],
    settled: true,
  };
}

export function newHandle(cloud: Ec2): ActHandle {
  return { sentAtMs: cloud.nowMs(), refused: {}, tasks: {}, told: {} };
}

async function send(verb: Verb, InstanceIds: string[], asking: Asking): Promise<void> {
  // Without Force and SkipOsShutdown a guest decides how long its end takes, and these guests are not trusted.
  const hard = { InstanceIds, Force: true, SkipOsShutdown: true };
  if (verb === 'start') {
    const answer = await asking.sender.send('StartInstances', { InstanceIds }, asking);
    checkAnswered('StartInstances', answer.StartingInstances);
  } else if (verb === 'stop') {
    const answer = await asking.sender.send('StopInstances', hard, asking);
    checkAnswered('StopInstances', answer.StoppingInstances);
  } else {
    const answer = await asking.sender.send('TerminateInstances', hard, asking);
    checkAnswered('TerminateInstances', answer.TerminatingInstances);
  }
}

function checkAnswered(action: string, instances: readonly unknown[] | undefined): void {
  if (instances === undefined) throw unreadable({ action, mutating: true }, 'instancesSet is missing');
}

interface Circumstances {
  refusal: Failure | undefined;
  /** True once an instance that is not listed cannot be one that is not listed yet. */
  isAbsenceSure: boolean;
}

const DONE: Told = { address: null };

/**
 * A member's outcome by what a listing shows, undefined while it is open. Gone is only what is listed as terminated,
 * or still missing from a whole listing after EC2 has had the time to show everything.
 */
function judge(call: BatchCall, sighting: Sighting | undefined, at: Circumstances): Told | undefined {
  if (sighting === undefined) return at.isAbsenceSure ? goneFor(call.verb) : undefined;
  if (sighting.state === 'gone') return goneFor(call.verb);
  const outcome = arrival(call, sighting);
  if (outcome !== undefined || sighting.state === 'deleting') return outcome;
  return at.refusal === undefined ? undefined : refusedThoughSeen(at.refusal);
}

function goneFor(verb: Verb): Told {
  if (verb === 'delete') return DONE;
  return { code: 'not-found', remedy: 'gone', message: `EC2 says that the instance to ${verb} is gone.` };
}

function arrival(call: BatchCall, sighting: Sighting): Told | undefined {
  if (call.verb === 'stop' && sighting.state === 'stopped') return DONE;
  if (call.verb !== 'start' || sighting.state !== 'running') return undefined;
  const address = addressOf(sighting, specOf(call.placement));
  return address === null ? undefined : { address };
}

/** EC2 did not know it then and shows it now: it was not visible yet, and the act was not done. */
function refusedThoughSeen(refusal: Failure): Told {
  return refusal.code === 'not-found' ? { ...refusal, code: 'not-yet-visible', remedy: 'retry' } : refusal;
}

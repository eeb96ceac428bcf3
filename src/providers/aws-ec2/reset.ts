import { FleetError } from '../../fleet/errors.ts';
import type { FailureCode } from '../../fleet/errors.ts';
import type { BatchCall, Look } from '../../fleet/provider.ts';
import { instancesOf } from '../instances-of.ts';
import { lookOf, newHandle } from './act.ts';
import { NOTHING_WANTED, askingFor } from './cloud.ts';
import type { Ec2, Seen, Wanted } from './cloud.ts';
import type { Asking } from './describe.ts';
import { afterPartWasExecuted, unreadable } from './failures.ts';
import { readActHandle, toFailure } from './handles.ts';
import type { ActHandle, Told } from './handles.ts';

/**
 * Replaces each member's root volume by a new one from its image, one task each. EC2 does so for running instances
 * alone, and reboots them. Each task has a token of its own, so a replay finds the tasks that were made before.
 */
export async function reset(cloud: Ec2, call: BatchCall, signal: AbortSignal): Promise<Look> {
  const ids = instancesOf(call);
  const asking = askingFor(cloud, call, signal);
  const before = readActHandle(call.handle) ?? newHandle(cloud);
  const handle: ActHandle = { ...before, tasks: { ...before.tasks }, told: { ...before.told } };
  for (const id of ids) {
    if (handle.tasks[id] !== undefined || handle.told[id] !== undefined) continue;
    try {
      handle.tasks[id] = await createTask(call.batch, id, asking);
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      if (!isRefusalOfOne(error)) throw hasTasks(handle) ? afterPartWasExecuted(error) : error;
      handle.told[id] = toFailure(error);
    }
  }
  return lookOf(cloud, call, handle);
}

/** What a look at a reset needs: its open tasks. */
export function resetWants(call: BatchCall): Wanted {
  const handle = readActHandle(call.handle);
  const tasks = Object.entries(handle?.tasks ?? {}).map(([instance, task]) => ({ instance, task }));
  return { ...NOTHING_WANTED, tasks: tasks.filter(({ instance }) => handle?.told[instance] === undefined) };
}

/** What has become of each member, by its own task and by nothing else: that it runs again proves nothing. */
export function lookAtReset(cloud: Ec2, call: BatchCall, seen: Seen): Look {
  const handle = readActHandle(call.handle);
  if (handle === undefined) return { ...lookOf(cloud, call, newHandle(cloud)), handle: null };
  const told = { ...handle.told };
  const isAbsenceSure = cloud.nowMs() - handle.sentAtMs >= cloud.visibilityDelayMs;
  for (const { instance, task } of resetWants(call).tasks) {
    const outcome = judge(task, seen.tasks.get(task), isAbsenceSure);
    if (outcome !== undefined) told[instance] = outcome;
  }
  return lookOf(cloud, call, { ...handle, told });
}

async function createTask(batch: string, instance: string, asking: Asking): Promise<string> {
  const action = 'CreateReplaceRootVolumeTask';
  const ClientToken = `${batch}.${instance}`;
  const input = { InstanceId: instance, ClientToken, DeleteReplacedRootVolume: true };
  const answer = await asking.sender.send(action, input, asking);
  const task = answer.ReplaceRootVolumeTask?.ReplaceRootVolumeTaskId;
  if (task === undefined) throw unreadable({ action, mutating: true }, 'replaceRootVolumeTaskId is missing');
  return task;
}

/** Codes by which EC2 says that it will not reset this instance; the others concern the whole call. */
const OF_ONE: ReadonlySet<FailureCode> = new Set<FailureCode>([
  'capacity',
  'conflict',
  'invalid',
  'mismatch',
  'not-found',
  'quota',
  'refused',
  'wrong-state',
]);

function isRefusalOfOne(error: FleetError): boolean {
  return !error.maybeExecuted && OF_ONE.has(error.code);
}

function hasTasks(handle: ActHandle): boolean {
  return Object.keys(handle.tasks).length > 0;
}

/** Words for a task's state that EC2 may add are taken for still running: its deadline ends the wait. */
function judge(task: string, state: string | undefined, isAbsenceSure: boolean): Told | undefined {
  if (state === 'succeeded') return { address: null };
  if (state === 'failed' || state === 'failed-detached') return failed(`ended as ${state}`, task);
  return state === undefined && isAbsenceSure ? failed('is not listed any more', task) : undefined;
}

function failed(what: string, task: string): Told {
  const message = `The root volume was not replaced: task ${task} ${what}.`;
  return { code: 'refused', remedy: 'give-up', message };
}

import { defineAction, type Ec2Account } from './action.ts';
import { jittered } from './durations.ts';
import { Ec2Error, invalidValue } from './ec2-error.ts';
import type { Disk, Instance, ReplaceRootTask, TaskState } from './estate.ts';
import { compileFilters, filterList, type FilterTable } from './filters.ts';
import { findImage } from './launch-plan.ts';
import { newId } from './new-id.ts';
import { cutPage, pagingFields, refusePagedIds } from './paging.ts';
import { flag, list, needed, text, whole } from './parameters.ts';
import { tagSet, tagSpecifications, tagsFor } from './tags.ts';
import type { XmlFields } from './xml.ts';

/**
 * CreateReplaceRootVolumeTask: a clean root disk for a running instance, from its own image or from another one.
 * The replaced disk stays, attached to nothing, unless DeleteReplacedRootVolume says otherwise.
 */
export const createReplaceRootVolumeTask = defineAction({
  mutating: true,
  canFailLater: true,
  fields: {
    ClientToken: text,
    DeleteReplacedRootVolume: flag,
    DryRun: flag,
    ImageId: text,
    InstanceId: needed(text),
    SnapshotId: text,
    TagSpecification: tagSpecifications('replace-root-volume-task'),
    VolumeInitializationRate: whole,
  },
  names: ({ InstanceId }) => [InstanceId],
  handle(account, call) {
    const { parameters, requestId } = call;
    const use = {
      scope: 'CreateReplaceRootVolumeTask',
      token: parameters.ClientToken,
      fingerprint: call.fingerprint,
    };
    const before = account.taskTokens.find(use);
    if (before !== undefined) return { answer: { replaceRootVolumeTask: taskFields(before) } };

    const [instance] = account.visibility.find([parameters.InstanceId]);
    if (instance === undefined) throw new Error(`${parameters.InstanceId} was found and is not there.`);
    checkInstance(account, instance);
    checkSource(parameters);
    const task = createTask(account, instance, {
      image:
        parameters.ImageId === undefined
          ? undefined
          : findImage(account.estate.catalogue, parameters.ImageId),
      deleteReplaced: parameters.DeleteReplacedRootVolume ?? false,
      tags: tagsFor(parameters.TagSpecification, 'replace-root-volume-task'),
    });
    if (task.image.architecture !== instance.launch.type.architecture) {
      throw new Ec2Error(
        'InvalidParameterValue',
        `The architecture of ${task.image.id} is not the instance's.`,
      );
    }
    account.taskTokens.remember(use, task);
    account.estate.tasks.set(task.id, task);
    return {
      answer: { replaceRootVolumeTask: taskFields(task) },
      apply: () => runTask(account, { task, instance, requestId, failureCode: call.failureCode }),
    };
  },
});

/** DescribeReplaceRootVolumeTasks, with ids or with filters and pages. */
export const describeReplaceRootVolumeTasks = defineAction({
  mutating: false,
  fields: { ReplaceRootVolumeTaskId: list(text), Filter: filterList, ...pagingFields, DryRun: flag },
  handle({ estate }, { parameters }) {
    const { ReplaceRootVolumeTaskId: ids } = parameters;
    refusePagedIds(parameters, ids, 'replaceRootVolumeTaskIds');
    const passes = compileFilters(parameters.Filter, filterTable);
    const all = [...estate.tasks.values()];
    const missing = ids.find((id) => !estate.tasks.has(id));
    if (missing !== undefined) {
      throw new Ec2Error('InvalidReplaceRootVolumeTaskId.NotFound', `The task '${missing}' does not exist.`);
    }
    const found = ids.length > 0 ? all.filter(({ id }) => ids.includes(id)) : all;
    const page = cutPage(found.filter(passes), parameters, { least: 1, most: 50 });
    return { answer: { replaceRootVolumeTaskSet: page.items.map(taskFields), nextToken: page.nextToken } };
  },
});

const filterTable: FilterTable<ReplaceRootTask> = { 'instance-id': ({ instance }) => [instance] };

const IS_OVER: ReadonlySet<TaskState> = new Set(['succeeded', 'failed', 'failed-detached']);

function checkInstance({ estate }: Ec2Account, instance: Instance): void {
  if (instance.state !== 'running') {
    throw new Ec2Error(
      'IncorrectInstanceState',
      `The instance '${instance.id}' is not in the 'running' state.`,
    );
  }
  const tasks = [...estate.tasks.values()].filter((task) => task.instance === instance.id);
  if (tasks.some((task) => !IS_OVER.has(task.state))) {
    throw new Ec2Error(
      'IncorrectState',
      `A root volume replacement of '${instance.id}' is in progress already.`,
    );
  }
}

const LEAST_RATE = 100;
const MOST_RATE = 300;

function checkSource(parameters: {
  SnapshotId: string | undefined;
  VolumeInitializationRate: number | undefined;
}): void {
  const { SnapshotId: snapshot, VolumeInitializationRate: rate } = parameters;
  if (snapshot !== undefined) {
    // Only a snapshot of this very instance's root would do, and the emulator takes no snapshots.
    throw new Ec2Error('InvalidSnapshot.NotFound', `The snapshot '${snapshot}' does not exist.`);
  }
  if (rate !== undefined && (rate < LEAST_RATE || rate > MOST_RATE)) {
    throw invalidValue('VolumeInitializationRate', String(rate), `Expecting ${LEAST_RATE} to ${MOST_RATE}.`);
  }
}

function createTask(
  { estate, clock }: Ec2Account,
  instance: Instance,
  wish: Pick<ReplaceRootTask, 'deleteReplaced' | 'tags'> & { image: ReplaceRootTask['image'] | undefined },
): ReplaceRootTask {
  return {
    id: newId('replacevol'),
    sequence: estate.nextSequence(),
    instance: instance.id,
    image: wish.image ?? instance.launch.image,
    imageWasNamed: wish.image !== undefined,
    deleteReplaced: wish.deleteReplaced,
    startedAtMs: clock.realMs(),
    tags: wish.tags,
    state: 'pending',
    completedAtMs: undefined,
  };
}

interface TaskRun {
  task: ReplaceRootTask;
  instance: Instance;
  requestId: string;
  failureCode: string | undefined;
}

/**
 * pending, in-progress while the instance reboots, then succeeded; or failing and failed with the old root, rebooted
 * and dirty; or failing-detached and failed-detached without any root. An instance that left `running` fails its task.
 */
function runTask(account: Ec2Account, run: TaskRun): void {
  const { task, instance, failureCode } = run;
  const { durations, lifecycle } = account;
  const step = (ms: number, next: () => void): void =>
    account.timers.set(`task ${task.id}`, jittered(ms, account.randomness), () =>
      instance.state === 'running' ? next() : finish(account, task, 'failed'),
    );
  const fail = (): void => {
    const isDetached = failureCode === 'failed-detached';
    task.state = isDetached ? 'failing-detached' : 'failing';
    step(durations.taskFailingMs, () => {
      if (isDetached) detachRoot(instance);
      else lifecycle.boot(instance);
      finish(account, task, isDetached ? 'failed-detached' : 'failed');
    });
  };
  step(durations.taskPendingMs, () => {
    task.state = 'in-progress';
    lifecycle.halt(instance);
    step(durations.taskMs, () => (failureCode === undefined ? succeed(account, run) : fail()));
  });
}

function succeed(account: Ec2Account, { task, instance, requestId }: TaskRun): void {
  replaceRoot(account, task, instance);
  account.estate.totals.resets += 1;
  account.lifecycle.effect(instance.id, 'reset', { requestId });
  account.lifecycle.boot(instance);
  finish(account, task, 'succeeded');
}

function finish({ clock }: Ec2Account, task: ReplaceRootTask, state: TaskState): void {
  task.state = state;
  task.completedAtMs = clock.realMs();
}

function replaceRoot({ estate, clock }: Ec2Account, task: ReplaceRootTask, instance: Instance): void {
  const nowMs = clock.realMs();
  const replaced = detachRoot(instance);
  if (replaced !== undefined && task.deleteReplaced) estate.disks.delete(replaced.id);
  const root: Disk = {
    id: newId('vol'),
    sequence: estate.nextSequence(),
    zone: instance.launch.zone,
    sizeGib: Math.max(task.image.rootSizeGib, replaced?.sizeGib ?? 0),
    type: replaced?.type ?? 'gp3',
    snapshotId: task.image.snapshotId,
    createdAtMs: nowMs,
    tags: new Map(replaced?.tags),
    attachment: {
      instance: instance.id,
      device: instance.rootDevice,
      attachedAtMs: nowMs,
      deleteWithInstance: true,
    },
  };
  estate.disks.set(root.id, root);
  instance.disks = [root, ...instance.disks];
}

function detachRoot(instance: Instance): Disk | undefined {
  const root = instance.disks.find(({ attachment }) => attachment?.device === instance.rootDevice);
  if (root === undefined) return undefined;
  root.attachment = undefined;
  instance.disks = instance.disks.filter((disk) => disk !== root);
  return root;
}

function taskFields(task: ReplaceRootTask): XmlFields {
  return {
    replaceRootVolumeTaskId: task.id,
    instanceId: task.instance,
    taskState: task.state,
    startTime: new Date(task.startedAtMs),
    completeTime: task.completedAtMs === undefined ? undefined : new Date(task.completedAtMs),
    imageId: task.imageWasNamed ? task.image.id : undefined,
    snapshotId: task.image.snapshotId,
    deleteReplacedRootVolume: task.deleteReplaced,
    tagSet: tagSet(task.tags),
  };
}

import { defineAction, type Ec2Account } from './action.ts';
import { Ec2Error, invalidValue } from './ec2-error.ts';
import type { Instance, InstanceState } from './estate.ts';
import { stateFields } from './instance-answer.ts';
import { flag, group, needed, neededList, text } from './parameters.ts';
import type { XmlFields } from './xml.ts';

const ids = neededList(text);

/** StopInstances: one instance in a wrong state, or one that does not exist, and none is stopped. */
export const stopInstances = defineAction({
  mutating: true,
  fields: { InstanceId: ids, Force: flag, SkipOsShutdown: flag, DryRun: flag },
  names: ({ InstanceId }) => InstanceId,
  handle({ visibility, limits, lifecycle }, { parameters, requestId }) {
    const instances = unique(visibility.find(parameters.InstanceId));
    for (const instance of instances) {
      if (!CAN_STOP.has(instance.state)) throw wrongState(instance, 'stopped');
      if (instance.spot?.interruption === 'terminate') throw oneTimeSpot(instance);
    }
    limits.takeResources('StopInstances', instances.length);
    const fast = parameters.Force === true || parameters.SkipOsShutdown === true;
    return {
      answer: changes(instances, (state) => (state === 'stopped' ? 'stopped' : 'stopping')),
      apply: () => instances.forEach((instance) => lifecycle.stop(instance, { requestId, fast })),
    };
  },
});

/** StartInstances: one that cannot be started, and none is; a deleted instance never can. */
export const startInstances = defineAction({
  mutating: true,
  canFailLater: true,
  fields: { InstanceId: ids, DryRun: flag },
  names: ({ InstanceId }) => InstanceId,
  handle(account, { parameters, requestId, failureCode }) {
    const { visibility, limits, lifecycle } = account;
    const instances = unique(visibility.find(parameters.InstanceId));
    for (const instance of instances) {
      if (!CAN_START.has(instance.state)) throw wrongState(instance, 'started');
    }
    checkRoom(account, instances);
    limits.takeResources('StartInstances', instances.length);
    return {
      answer: changes(instances, (state) => (state === 'stopped' ? 'pending' : state)),
      apply: () => instances.forEach((instance) => lifecycle.start(instance, { requestId, failureCode })),
    };
  },
});

/**
 * TerminateInstances: one id that does not exist, and none is deleted. An instance that is protected keeps all named
 * ones of its zone; those of other zones are deleted although the call is refused.
 */
export const terminateInstances = defineAction({
  mutating: true,
  fields: { InstanceId: ids, Force: flag, SkipOsShutdown: flag, DryRun: flag },
  names: ({ InstanceId }) => InstanceId,
  handle({ visibility, limits, lifecycle }, { parameters, requestId }) {
    if (parameters.InstanceId.length > MAX_DELETED) {
      throw invalidValue(
        'InstanceId',
        `${parameters.InstanceId.length} ids`,
        `At most ${MAX_DELETED} are allowed.`,
      );
    }
    const instances = unique(visibility.find(parameters.InstanceId));
    const locked = instances.filter((each) => each.protectedFromDeletion && !isOver(each.state));
    const lockedZones = new Set(locked.map(({ launch }) => launch.zone));
    const deleted = instances.filter(({ launch }) => !lockedZones.has(launch.zone));
    limits.takeResources('TerminateInstances', instances.length);
    const fast = parameters.Force === true || parameters.SkipOsShutdown === true;
    return {
      answer: changes(deleted, stateAfterDelete),
      apply: () => deleted.forEach((instance) => lifecycle.delete(instance, { requestId, fast })),
      ...(locked[0] === undefined ? {} : { refusal: protectedFromDeletion(locked[0]) }),
    };
  },
});

/** ModifyInstanceAttribute, for the one attribute that can keep an instance from being deleted. */
export const modifyInstanceAttribute = defineAction({
  mutating: true,
  fields: {
    InstanceId: needed(text),
    DisableApiTermination: needed(group({ Value: needed(flag) })),
    DryRun: flag,
  },
  names: ({ InstanceId }) => [InstanceId],
  handle({ visibility }, { parameters }) {
    const instances = visibility.find([parameters.InstanceId]);
    const { Value } = parameters.DisableApiTermination;
    return {
      answer: { return: true },
      apply: () => instances.forEach((instance) => (instance.protectedFromDeletion = Value)),
    };
  },
});

const MAX_DELETED = 1000;
const CAN_STOP: ReadonlySet<InstanceState> = new Set(['running', 'stopping', 'stopped']);
const CAN_START: ReadonlySet<InstanceState> = new Set(['stopped', 'pending', 'running']);

function unique(instances: readonly Instance[]): Instance[] {
  return [...new Set(instances)];
}

function isOver(state: InstanceState): boolean {
  return state === 'shutting-down' || state === 'terminated';
}

function stateAfterDelete(state: InstanceState): InstanceState {
  return state === 'stopped' || state === 'terminated' ? 'terminated' : 'shutting-down';
}

function changes(instances: readonly Instance[], next: (state: InstanceState) => InstanceState): XmlFields {
  return {
    instancesSet: instances.map(({ id, state }) => ({
      instanceId: id,
      currentState: stateFields(next(state)),
      previousState: stateFields(state),
    })),
  };
}

/** Whoever was stopped has given its place back, and may find it taken. */
function checkRoom({ capacity }: Ec2Account, instances: readonly Instance[]): void {
  const stopped = instances.filter(({ state }) => state === 'stopped');
  const kinds = Map.groupBy(
    stopped,
    ({ launch, spot }) => `${launch.type.name} ${launch.zone} ${spot === undefined}`,
  );
  for (const alike of kinds.values()) {
    const [first] = alike;
    if (first === undefined) continue;
    const { type, zone } = first.launch;
    const kind = { type: type.name, vcpus: type.vcpus, zone, isSpot: first.spot !== undefined };
    capacity.grant(kind, { least: alike.length, wanted: alike.length });
  }
}

function wrongState({ id, state }: Instance, act: 'started' | 'stopped'): Ec2Error {
  const message = `The instance '${id}' is not in a state from which it can be ${act} (it is ${state}).`;
  return new Ec2Error('IncorrectInstanceState', message);
}

function oneTimeSpot({ id }: Instance): Ec2Error {
  return new Ec2Error(
    'UnsupportedOperation',
    `You can't stop the Spot Instance '${id}' because it is associated with a one-time Spot Instance request.`,
  );
}

function protectedFromDeletion({ id }: Instance): Ec2Error {
  return new Ec2Error(
    'OperationNotPermitted',
    `The instance '${id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.`,
  );
}

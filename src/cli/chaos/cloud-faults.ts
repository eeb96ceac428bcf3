/** The kinds of fault that the emulators' control endpoint takes, by the name that the report gives them. */
export const CALL_FAULTS = {
  throttled: 'throttled',
  refused: 'refused',
  lostReply: 'lost-reply',
  operationFailed: 'operation-failed',
  lateEffect: 'late-effect',
} as const;

export type CallFaultName = keyof typeof CALL_FAULTS;

/** One fault of one kind of call, as the control endpoint takes it. */
export interface CallFault {
  cloud: 'aws' | 'azure';
  operation: string;
  code?: string;
  /** Of cloud time. */
  delayMs?: number;
}

const SET = 'VirtualMachineScaleSets_';
const LATE_MS = 20_000;

/** Where each kind of fault can hit the calls of the example's two pools: launch, stop, reset, delete, listing. */
export const CALL_FAULTS_OF: Readonly<Record<CallFaultName, readonly CallFault[]>> = {
  throttled: [
    { cloud: 'aws', operation: 'RunInstances' },
    { cloud: 'aws', operation: 'TerminateInstances' },
    { cloud: 'aws', operation: 'DescribeInstances' },
    { cloud: 'azure', operation: `${SET}Update` },
    { cloud: 'azure', operation: `${SET}Reimage` },
    { cloud: 'azure', operation: `${SET}DeleteInstances` },
  ],
  refused: [
    { cloud: 'aws', operation: 'TerminateInstances', code: 'OperationNotPermitted' },
    { cloud: 'aws', operation: 'RunInstances', code: 'InsufficientInstanceCapacity' },
    { cloud: 'azure', operation: `${SET}Reimage`, code: 'Conflict' },
    { cloud: 'azure', operation: `${SET}Update`, code: 'AllocationFailed' },
  ],
  lostReply: [
    { cloud: 'aws', operation: 'RunInstances' },
    { cloud: 'aws', operation: 'StopInstances' },
    { cloud: 'aws', operation: 'TerminateInstances' },
    { cloud: 'azure', operation: `${SET}Update` },
    { cloud: 'azure', operation: `${SET}Reimage` },
    { cloud: 'azure', operation: `${SET}DeleteInstances` },
  ],
  operationFailed: [
    { cloud: 'aws', operation: 'RunInstances', code: 'InsufficientInstanceCapacity' },
    { cloud: 'azure', operation: `${SET}Update`, code: 'AllocationFailed' },
    { cloud: 'azure', operation: `${SET}Reimage`, code: 'VMStartTimedOut' },
    { cloud: 'azure', operation: `${SET}DeleteInstances`, code: 'InternalServerError' },
  ],
  lateEffect: [
    { cloud: 'aws', operation: 'RunInstances', delayMs: LATE_MS },
    { cloud: 'aws', operation: 'StopInstances', delayMs: LATE_MS },
    { cloud: 'azure', operation: `${SET}Update`, delayMs: LATE_MS },
    { cloud: 'azure', operation: `${SET}Reimage`, delayMs: LATE_MS },
  ],
};

import { createWriteStream } from 'node:fs';

/** One request as an emulator received and answered it. Never holds a secret. */
export interface CallRecord {
  type: 'call';
  cloud: 'aws' | 'azure';
  /** Real milliseconds since the epoch when the request had arrived. */
  at: number;
  requestId: string;
  /** EC2's Action, or an ARM operation such as `VirtualMachineScaleSets_DeleteInstances`. */
  operation: string;
  mutating: boolean;
  /** Cloud ids that the request names: i-…, or full lower-case resource ids of scale set instances. */
  instances: string[];
  /** The client token or If-Match ETag, where there was one. */
  token?: string;
  /** HTTP status; 0 where the reply was dropped on purpose. */
  status: number;
  /** The vendor's error code, where it was refused. */
  code?: string;
  /** Name of the fault that was injected, where one was. */
  fault?: string;
}

/** Something that became true in the cloud, at the moment it did. */
export interface EffectRecord {
  type: 'effect';
  cloud: 'aws' | 'azure';
  at: number;
  instance: string;
  effect: 'launched' | 'running' | 'stopped' | 'started' | 'reset' | 'deleted' | 'evicted';
  /** The request that caused it, where one did. */
  requestId?: string;
}

export interface CallLog {
  call(record: CallRecord): void;
  effect(record: EffectRecord): void;
  /** How many calls of each operation arrived, throttled and refused ones included. */
  counts(): Record<string, number>;
  records(): readonly (CallRecord | EffectRecord)[];
  close(): Promise<void>;
}

/** Keeps every record in memory and, where a file is given, appends it there as a line of JSON. */
export function createCallLog(file?: string): CallLog {
  const records: (CallRecord | EffectRecord)[] = [];
  const counts = new Map<string, number>();
  const stream = file === undefined ? undefined : createWriteStream(file, { flags: 'a' });
  const keep = (record: CallRecord | EffectRecord): void => {
    records.push(record);
    stream?.write(`${JSON.stringify(record)}\n`);
  };
  return {
    call(record) {
      counts.set(record.operation, (counts.get(record.operation) ?? 0) + 1);
      keep(record);
    },
    effect: keep,
    counts: () => Object.fromEntries(counts),
    records: () => records,
    close: () => new Promise((resolve) => (stream === undefined ? resolve() : stream.end(resolve))),
  };
}

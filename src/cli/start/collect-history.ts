import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import type { AckRecord, CallRecord, EndRecord, HistoryRecord } from '../../audit/history.ts';
import { parseRecord } from '../../audit/read-history.ts';
import type { EmulatorStates } from './emulator-control.ts';

export interface HistorySources {
  /** Every logged write, as the database tells it. */
  stored: AsyncIterable<Record<string, unknown>>;
  /** Where the emulators log what they received. */
  logDir: string;
  acks: readonly AckRecord[];
  states: EmulatorStates;
  machines: EndRecord['machines'];
  leases: EndRecord['leases'];
  reconcileRoundMs: number;
  limits: Record<string, number>;
  at: number;
}

/** Gathers one history from all who saw a part of it, writes it to `file`, and answers it as the auditor reads it. */
export async function collectHistory(sources: HistorySources, file: string): Promise<HistoryRecord[]> {
  const records: HistoryRecord[] = [];
  const keep = (record: object): void => {
    records.push(parseRecord(JSON.stringify(record), `record ${records.length + 1}`));
  };
  const { reconcileRoundMs, limits } = sources;
  keep({ type: 'settings', reconcileRoundMs, limits });
  for await (const record of sources.stored) keep(record);
  for (const cloud of ['aws', 'azure']) {
    for await (const record of readLog(join(sources.logDir, `${cloud}.jsonl`))) keep(record);
  }
  for (const ack of sources.acks) keep(ack);
  keep(endOf(sources));
  await write(records, file);
  return records;
}

function endOf({ states, machines, leases, at }: HistorySources): EndRecord {
  const clouds = Object.values(states);
  const ownerless = (ids: string[]): { id: string; instance: null }[] =>
    ids.map((id) => ({ id, instance: null }));
  return {
    type: 'end',
    at,
    cloud: {
      instances: clouds.flatMap((cloud) => cloud.alive),
      disks: clouds.flatMap((cloud) => ownerless(cloud.resources.disks)),
      networkCards: clouds.flatMap((cloud) => ownerless(cloud.resources.networkCards)),
      addresses: clouds.flatMap((cloud) => ownerless(cloud.resources.addresses)),
    },
    machines,
    leases,
  };
}

/** The emulators log calls in the vendors' words; the history has drover's. */
async function* readLog(file: string): AsyncGenerator<object> {
  for await (const line of createInterface({ input: createReadStream(file) })) {
    if (line.trim() === '') continue;
    // Our own emulators wrote it; the history's own reader checks what comes of it.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const logged = JSON.parse(line) as Record<string, unknown>;
    yield logged['type'] === 'call' ? toCall(logged) : { ...logged, requestId: logged['requestId'] ?? null };
  }
}

type Verb = CallRecord['verb'];

const VERBS: Record<string, Verb> = {
  RunInstances: 'launch',
  StartInstances: 'start',
  StopInstances: 'stop',
  TerminateInstances: 'delete',
  CreateReplaceRootVolumeTask: 'reset',
  VirtualMachineScaleSets_Update: 'launch',
  VirtualMachineScaleSets_DeleteInstances: 'delete',
  VirtualMachineScaleSets_Reimage: 'reset',
  VirtualMachineScaleSets_ReimageAll: 'reset',
  VirtualMachineScaleSets_PowerOff: 'stop',
  VirtualMachineScaleSets_Deallocate: 'stop',
  VirtualMachineScaleSets_Start: 'start',
};

function toCall(logged: Record<string, unknown>): object {
  const mutating = logged['mutating'] === true;
  const verb = VERBS[String(logged['operation'])] ?? (mutating ? 'other' : 'read');
  const { mutating: _mutating, ...rest } = logged;
  return {
    ...rest,
    verb,
    unaddressed: mutating && verb !== 'launch' && verb !== 'other' && isEmpty(logged['instances']),
    token: logged['token'] ?? null,
    code: logged['code'] ?? null,
    fault: logged['fault'] ?? null,
  };
}

function isEmpty(instances: unknown): boolean {
  return Array.isArray(instances) && instances.length === 0;
}

async function write(records: readonly HistoryRecord[], file: string): Promise<void> {
  const stream = createWriteStream(file, { mode: 0o600 });
  for (const record of records) stream.write(`${JSON.stringify(record)}\n`);
  stream.end();
  await finished(stream);
}

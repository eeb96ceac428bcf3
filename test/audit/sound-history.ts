import type { HistoryRecord } from '../../src/audit/history.ts';
import { createHistoryWriter, EPOCH, ROUND_MS, type HistoryWriter } from './history-writer.ts';

/**
 * A history in which nothing goes wrong that drover is to blame for. One launch of six machines brings seven instances:
 * - reused: leased to first and second with a reset in between, then retired
 * - parked: leased to third, parked, reset, leased to fourth, which still holds it at the end
 * - stuck: never leased, its deletion is refused several times and works in the end
 * - neighbour: leased to fifth and deleted in the same placement while stuck cannot be
 * - kept: leased to sixth, quarantined, retired by an operator
 * - silent: never answers its probe; its recovery is noticed late, but within the round
 * - i-surplus: nobody's instance
 * and one lease, hopeless, finds no machine.
 */
export function soundHistory(): HistoryRecord[] {
  const story = createHistoryWriter();
  story.add({ type: 'settings', reconcileRoundMs: ROUND_MS, limits: { sandbox: 7 } });
  launchAll(story);
  tellReused(story);
  tellParked(story);
  tellStuckAndNeighbour(story);
  tellKept(story);
  tellSilent(story);
  tellHopeless(story);
  story.add({
    type: 'end',
    at: EPOCH + 900_000,
    cloud: {
      instances: ['i-parked'],
      disks: [{ id: 'disk-parked', instance: 'i-parked' }],
      networkCards: [{ id: 'nic-parked', instance: 'i-parked' }],
      addresses: [{ id: 'ip-parked', instance: 'i-parked' }],
    },
    machines: [{ machine: 'parked', instance: 'i-parked', state: 'leased' }],
    leases: [
      ...['first', 'second', 'third', 'fifth', 'sixth'].map((lease) => ({
        lease,
        state: 'completed',
        readable: true,
      })),
      { lease: 'fourth', state: 'active', readable: true },
      { lease: 'hopeless', state: 'failed', readable: true },
    ],
  });
  return numberByCommit(structuredClone(story.records));
}

/** The story is told machine by machine, but the database numbers its writes as they come. */
function numberByCommit(records: HistoryRecord[]): HistoryRecord[] {
  const writes = records.filter((record) => 'seq' in record);
  const ordered = writes.toSorted((a, b) => a.committedAt - b.committedAt || a.seq - b.seq);
  for (const [index, write] of ordered.entries()) write.seq = index + 1;
  return records;
}

const MACHINES = ['reused', 'parked', 'stuck', 'neighbour', 'kept', 'silent'];

function launchAll(story: HistoryWriter): void {
  story.batch('launch', 0, { state: 'open' });
  for (const machine of MACHINES) {
    story.machine(machine, 10, {
      to: 'requested',
      batch: 'launch',
      intent: `provision-${machine}`,
      intentKind: 'provision',
    });
  }
  story.batch('launch', 100, { state: 'closed', token: 2 });
  for (const machine of MACHINES) story.machine(machine, 100, { to: 'provisioning', token: 1 });
  story.call('run', 110, { verb: 'launch', token: 'launch', operation: 'RunInstances' });
  story.batch('launch', 120, { state: 'sent' });
  for (const machine of MACHINES) {
    story.effect(`i-${machine}`, 150, { effect: 'launched', requestId: 'run' });
    story.instance(`i-${machine}`, 200, { batch: 'launch' });
  }
  story.effect('i-surplus', 150, { effect: 'launched', requestId: 'run' });
  story.instance('i-surplus', 200, { batch: 'launch' });
  for (const machine of MACHINES) {
    story.instance(`i-${machine}`, 210, { machine });
    story.machine(machine, 210, { to: 'booting', instance: `i-${machine}`, batch: null, clean: true });
  }
  story.instance('i-surplus', 220, { condemned: true });
  story.batch('launch', 230, { state: 'ended' });
  deleteInstance(story, 'surplus', 300);
  for (const machine of MACHINES.filter((name) => name !== 'silent')) {
    story.machine(machine, 1000, { to: 'ready', intent: null, intentKind: null });
  }
}

/** The cloud's part of a deletion and what the instance's row makes of it. */
function deleteInstance(story: HistoryWriter, name: string, at: number): void {
  const requestId = `delete-${name}`;
  story.call(requestId, at, { verb: 'delete', instances: [`i-${name}`], operation: 'TerminateInstances' });
  story.effect(`i-${name}`, at + 20, { effect: 'deleted', requestId: requestId });
  story.call(`list-after-${name}`, at + 40, { verb: 'read', operation: 'DescribeInstances' });
  story.instance(`i-${name}`, at + 50, { condemned: true, gone: 'listed-gone' });
}

interface Lease {
  machine: string;
  lease: string;
  token: number;
}

function begin(story: HistoryWriter, at: number, { machine, lease, token }: Lease): void {
  story.lease(lease, at - 500, { to: 'pending' });
  story.add({ type: 'ack', at: EPOCH + at - 490, lease, state: 'pending' });
  story.machine(machine, at, { to: 'leased', lease, token, clean: false });
  story.lease(lease, at, { to: 'active', machine });
  story.add({ type: 'ack', at: EPOCH + at + 5, lease, state: 'active' });
}

/** The holder is done: intent, stop, release. Takes a second. */
function end(story: HistoryWriter, at: number, lease: Lease & { kind: string }): void {
  const { machine, token, kind } = lease;
  const requestId = `stop-${lease.lease}`;
  story.machine(machine, at, { to: 'leased', intent: `${kind}-${lease.lease}`, intentKind: kind });
  story.lease(lease.lease, at, { to: 'ending', outcome: 'completed' });
  story.machine(machine, at + 100, { to: 'stopping', token: token + 1 });
  story.call(requestId, at + 110, { verb: 'stop', instances: [`i-${machine}`], operation: 'StopInstances' });
  story.effect(`i-${machine}`, at + 400, { effect: 'stopped', requestId: requestId });
  story.machine(machine, at + 500, { to: 'stopped' });
  story.lease(lease.lease, at + 1000, { to: 'completed' });
  story.machine(machine, at + 1000, { to: 'released', lease: null });
}

/** Reset, boot and probe. Takes a second and a half. */
function reset(story: HistoryWriter, at: number, { machine, lease, token }: Lease): void {
  const requestId = `reset-for-${lease}`;
  story.machine(machine, at, { to: 'resetting', token });
  story.call(requestId, at + 50, { verb: 'reset', instances: [`i-${machine}`], token: requestId });
  story.effect(`i-${machine}`, at + 600, { effect: 'reset', requestId: requestId });
  story.machine(machine, at + 700, { to: 'booting', clean: true });
  story.machine(machine, at + 1500, { to: 'ready', intent: null, intentKind: null });
}

function tellReused(story: HistoryWriter): void {
  const first = { machine: 'reused', lease: 'first', token: 2 };
  begin(story, 2000, first);
  end(story, 10_000, { ...first, kind: 'recycle' });
  const owed = { type: 'owed', machine: 'reused', step: 'provision', since: EPOCH + 11_000 } as const;
  story.add({ ...owed, at: EPOCH + 12_000, live: true, rung: false });
  story.add({ ...owed, at: EPOCH + 38_000, live: false, rung: true });
  reset(story, 48_000, { ...first, token: 4 });
  const second = { machine: 'reused', lease: 'second', token: 5 };
  begin(story, 52_000, second);
  story.add({
    type: 'stale-write',
    at: EPOCH + 53_000,
    machine: 'reused',
    token: 3,
    currentToken: 5,
    changedRows: 0,
  });
  end(story, 60_000, { ...second, kind: 'recycle' });
  story.machine('reused', 61_500, { to: 'released', intent: 'retire-reused', intentKind: 'retire' });
  story.machine('reused', 62_000, { to: 'deleting', token: 7 });
  deleteInstance(story, 'reused', 62_100);
  story.machine('reused', 62_200, { to: 'deleted', intent: null, intentKind: null });
}

function tellParked(story: HistoryWriter): void {
  const third = { machine: 'parked', lease: 'third', token: 2 };
  begin(story, 2000, third);
  end(story, 20_000, { ...third, kind: 'park' });
  story.machine('parked', 21_000, { to: 'parked', intent: null, intentKind: null });
  story.machine('parked', 50_000, { to: 'parked', intent: 'provision-again', intentKind: 'provision' });
  reset(story, 50_100, { ...third, token: 4 });
  begin(story, 60_000, { machine: 'parked', lease: 'fourth', token: 5 });
  story.lease('fourth', 200_000, { to: 'active', deadlineAt: EPOCH + 1_000_000 });
  story.machine('parked', 200_000, { to: 'leased', deadlineAt: EPOCH + 1_000_000 });
}

function tellStuckAndNeighbour(story: HistoryWriter): void {
  const fifth = { machine: 'neighbour', lease: 'fifth', token: 2 };
  begin(story, 2000, fifth);
  end(story, 28_000, { ...fifth, kind: 'retire' });
  story.machine('stuck', 28_000, { to: 'ready', intent: 'retire-stuck', intentKind: 'retire' });
  story.machine('stuck', 28_500, { to: 'deleting', token: 2 });
  const refused = { status: 400, code: 'OperationNotPermitted', fault: 'refused' };
  story.call('refused-together', 29_100, {
    verb: 'delete',
    instances: ['i-stuck', 'i-neighbour'],
    ...refused,
  });
  story.call('refused-alone', 29_300, { verb: 'delete', instances: ['i-stuck'], ...refused });
  story.machine('neighbour', 29_050, { to: 'deleting', token: 4 });
  deleteInstance(story, 'neighbour', 29_400);
  story.machine('neighbour', 29_500, { to: 'deleted', intent: null, intentKind: null });
  story.call('refused-again', 200_000, { verb: 'delete', instances: ['i-stuck'], ...refused });
  story.machine('stuck', 330_000, { to: 'deleting', token: 3 });
  deleteInstance(story, 'stuck', 340_000);
  story.machine('stuck', 341_000, { to: 'deleted', intent: null, intentKind: null });
}

function tellKept(story: HistoryWriter): void {
  const sixth = { machine: 'kept', lease: 'sixth', token: 2 };
  begin(story, 2000, sixth);
  end(story, 15_000, { ...sixth, kind: 'quarantine' });
  story.machine('kept', 16_000, { to: 'quarantined' });
  story.machine('kept', 90_000, { to: 'quarantined', intent: 'retire-kept', intentKind: 'retire' });
  story.machine('kept', 90_100, { to: 'deleting', token: 4 });
  deleteInstance(story, 'kept', 90_200);
  story.machine('kept', 90_300, { to: 'deleted', intent: null, intentKind: null });
}

function tellSilent(story: HistoryWriter): void {
  story.machine('silent', 320_210, { to: 'booting', intent: 'retire-silent', intentKind: 'retire' });
  story.machine('silent', 320_300, { to: 'deleting', token: 2 });
  deleteInstance(story, 'silent', 320_400);
  story.machine('silent', 320_500, { to: 'deleted', intent: null, intentKind: null });
}

function tellHopeless(story: HistoryWriter): void {
  story.lease('hopeless', 3000, { to: 'pending' });
  story.add({ type: 'ack', at: EPOCH + 3010, lease: 'hopeless', state: 'pending' });
  story.lease('hopeless', 303_000, { to: 'failed', outcome: 'failed' });
}

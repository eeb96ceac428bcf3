import { expect } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import type { Lease } from '../../src/fleet/pool.ts';
import type { Machine } from '../../src/fleet/store.ts';
import type { Fleet } from '../support/fleet.ts';

/** Waits until a machine whose lease has ended is deleted, and holds what happened against the promise. */
export async function expectReleasedThenDeleted(
  fleet: Fleet,
  { machine, lease }: { machine: Machine; lease: Lease },
): Promise<void> {
  await fleet.untilMachine(machine.id, 'deleted');
  const { states, order } = await movesOf(fleet, machine.id, lease.id);
  expect(states).toEqual([
    ...['requested', 'provisioning', 'booting', 'ready', 'leased'],
    ...['stopping', 'stopped', 'released', 'deleting', 'deleted'],
  ]);
  expect(order.indexOf('lease completed')).toBeGreaterThan(order.indexOf('lease ending'));
  expect(order.indexOf('machine deleting')).toBeGreaterThan(order.indexOf('machine released'));
  expect(order.indexOf('machine deleting')).toBeGreaterThan(order.indexOf('lease completed'));
  const deletions = fleet.cloud
    .calls('delete')
    .filter((call) => call.instances.includes(machine.instance ?? ''));
  expect(deletions.length).toBeGreaterThan(0);
  for (const call of deletions) {
    expect(call.seen).toContainEqual({ machine: machine.id, state: 'deleting', holds: 0 });
  }
  expect(fleet.cloud.effects('delete').filter((effect) => effect.instance === machine.instance)).toHaveLength(
    1,
  );
  await expectSoundHistory(fleet);
}

/** The auditor, which shares no code with what it judges, finds nothing. */
export async function expectSoundHistory(fleet: Fleet): Promise<void> {
  const report = audit(await fleet.history());
  expect(report.violations.map(({ invariant, message }) => `${invariant}: ${message}`)).toEqual([]);
  expect(report.checked.I1).toBeGreaterThan(0);
  expect(report.checked.I2).toBeGreaterThan(0);
}

/** No call to delete anything has reached the cloud, and the lease still holds its machine. */
export async function expectStillHeld(
  fleet: Fleet,
  { machine, lease }: { machine: Machine; lease: Lease },
): Promise<void> {
  expect(fleet.cloud.calls('delete')).toEqual([]);
  const seen = await fleet.store.look(machine.id);
  expect(seen).toMatchObject({ lease: lease.id, instance: machine.instance });
  expect(['leased', 'stopping', 'stopped']).toContain(seen?.state);
  expect(await fleet.store.readLease(lease.id)).toMatchObject({ state: 'ending' });
}

async function movesOf(
  fleet: Fleet,
  machine: string,
  lease: string,
): Promise<{ states: unknown[]; order: string[] }> {
  const rows = await fleet.sql(
    `select entity, to_state from transition
      where subject in ($1, $2) and entity in ('machine', 'lease') and from_state is distinct from to_state
      order by seq`,
    [machine, lease],
  );
  return {
    states: rows.filter((row) => row['entity'] === 'machine').map((row) => row['to_state']),
    order: rows.map((row) => `${String(row['entity'])} ${String(row['to_state'])}`),
  };
}

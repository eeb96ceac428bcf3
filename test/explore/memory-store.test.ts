import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { createMemoryStore, type MemoryStore } from '../../src/explore/memory-store.ts';
import type { MachineRow } from '../../src/explore/memory-store/rows.ts';
import { createDriver, type Driver } from '../contracts/store/driver.ts';
import { memoryUnderTest } from '../contracts/store/memory-under-test.ts';
import { defineStoreContract } from '../contracts/store-contract.ts';

const open = (fenced = true): MemoryStore =>
  createMemoryStore({ clock: { now: () => new Date(0) }, newId: () => randomUUID(), fenced });

defineStoreContract('the store in memory', () => {
  return Promise.resolve(memoryUnderTest(open()));
});

describe('a write beside every guard', () => {
  let memory: MemoryStore;
  let on: Driver;
  beforeEach(() => {
    memory = open();
    on = createDriver(memoryUnderTest(memory));
  });

  /** Puts a machine's row with these changes; the answer tells what stands there afterwards. */
  const change = ({ tables }: MemoryStore, machine: string, changes: Partial<MachineRow>) => {
    const row = tables.machines.get(machine);
    if (row === undefined) throw new Error(`there is no machine ${machine}`);
    tables.transaction(() => tables.machines.put({ ...row, ...changes }));
    return tables.machines.get(machine);
  };

  it('gives no lease to a second machine', async () => {
    const { lease } = await on.leased();
    const [other = ''] = await on.ready();
    const leased = { state: 'leased', lease, clean: false } as const;
    const before = await on.seen(other);
    expect(() => change(memory, other, leased)).toThrow(`lease ${lease} has another machine`);
    expect(await on.seen(other)).toEqual(before);
    expect(change(memory, other, { ...leased, lease: on.newId() })).toMatchObject({ state: 'leased' });
  });

  it('gives no instance to a second machine', async () => {
    const [one = '', other = ''] = [...(await on.ready()), ...(await on.wished())];
    const { instance } = await on.seen(one);
    expect(() => change(memory, other, { instance })).toThrow(`instance ${instance} is another machine's`);
    expect(await on.seen(other)).toMatchObject({ instance: null });
  });

  it.each(['another', null])('leaves a machine the instance it has: not %s', async (instance) => {
    const [machine = ''] = await on.ready();
    const before = await on.seen(machine);
    expect(() => change(memory, machine, { instance })).toThrow(`machine ${machine} keeps its instance`);
    expect(await on.seen(machine)).toEqual(before);
  });

  it('gives a machine without an instance its first', async () => {
    const [machine = ''] = await on.wished();
    expect(change(memory, machine, { instance: 'first' })).toMatchObject({ instance: 'first' });
  });

  it('passes where the fences are left out', async () => {
    const unfenced = open(false);
    const by = createDriver(memoryUnderTest(unfenced));
    const { machine, lease } = await by.leased();
    const [other = ''] = await by.ready();
    expect(change(unfenced, machine, { instance: null })).toMatchObject({ instance: null });
    const leased = { state: 'leased', lease, clean: false } as const;
    expect(change(unfenced, other, leased)).toMatchObject({ lease });
  });
});

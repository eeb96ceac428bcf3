import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchCall, Look } from '../../src/fleet/provider.ts';
import {
  callFor,
  deadlineSignal,
  idsOf,
  isDecided,
  launch,
  launchCall,
  launchIds,
  refusalOf,
  send,
  statesOf,
  watch,
} from './contract-driver.ts';
import { emulateScaleSets, OPERATIONS } from './emulated-scale-sets.ts';
import type { EmulatedScaleSets } from './emulated-scale-sets.ts';

/** Growing a set is an absolute target: sent twice, late or by two processes, it must neither grow twice nor shrink. */
describe('a growth of a scale set that is sent again', { timeout: 60_000 }, () => {
  let under: EmulatedScaleSets;
  const start = async (options: Parameters<typeof emulateScaleSets>[0] = {}): Promise<void> => {
    await under.close();
    under = await emulateScaleSets(options);
  };
  beforeEach(async () => {
    under = await emulateScaleSets();
  });
  afterEach(async () => {
    const { deleted } = under.emulator.state();
    await under.close();
    if (deleted > 0) throw new Error(`The platform deleted ${deleted} machines: the capacity was lowered.`);
  });

  /** The batch as another process sends it that knows nothing of what went before. */
  const sendAnew = async (call: BatchCall): Promise<Look> => {
    const provider = under.another();
    const look = await provider.launch({ ...call, handle: null }, deadlineSignal());
    return watch({ ...under, provider }, call, look);
  };
  const growths = (): number[] => under.callsOf(OPERATIONS.launch).map((call) => call.status);

  it('makes no surplus where it was executed and its answer was lost', async () => {
    const call = launchCall(under, 3);
    under.faults.loseReply('launch');
    await refusalOf(send(under, call), { code: 'unknown-reply', remedy: 'retry', maybeExecuted: true });
    const look = await sendAnew(call);
    expect(idsOf(look).toSorted()).toEqual([...under.alive()].toSorted());
    expect(under.alive()).toHaveLength(3);
    expect(growths()).toEqual([0]);
  });

  it('makes no surplus where the process died before the handle was stored', async () => {
    await launchIds(under, 2);
    const call = launchCall(under, 3);
    await send(under, call);
    const look = await sendAnew(call);
    expect(look.launched).toHaveLength(3);
    expect(under.alive()).toHaveLength(5);
    expect(growths()).toEqual([200, 200]);
  });

  it('makes no surplus where two processes send it at the same time', async () => {
    const call = launchCall(under, 3);
    const looks = await Promise.all([sendAnew(call), sendAnew(call), sendAnew(call)]);
    expect(under.alive()).toHaveLength(3);
    for (const look of looks) expect(idsOf(look).toSorted()).toEqual([...under.alive()].toSorted());
    expect(growths().filter((status) => status === 200)).toHaveLength(1);
  });

  it('makes no surplus where the first request arrives after the second', async () => {
    const call = launchCall(under, 3);
    under.cloudFaults.add({
      kind: 'late-effect',
      operation: OPERATIONS.launch,
      times: 1,
      delayMs: 60_000,
    });
    const late = await send(under, call);
    const look = await sendAnew(call);
    expect(look.launched).toHaveLength(3);
    const first = await watch(under, call, late, (each) => each.settled);
    expect(idsOf(first).toSorted()).toEqual(idsOf(look).toSorted());
    expect(under.alive()).toHaveLength(3);
  });

  it('reads the set again where its ETag went stale, within the same sending', async () => {
    under.cloudFaults.add({
      kind: 'refused',
      operation: OPERATIONS.launch,
      code: 'PreconditionFailed',
      times: 2,
    });
    const look = await launch(under, 2);
    expect(look.launched).toHaveLength(2);
    expect(growths()).toEqual([412, 412, 200]);
    expect(under.alive()).toHaveLength(2);
  });

  it('is a conflict to retry where the set never stands still, and nothing is made', async () => {
    under.cloudFaults.add({
      kind: 'refused',
      operation: OPERATIONS.launch,
      code: 'PreconditionFailed',
      times: 3,
    });
    const call = launchCall(under, 2);
    await refusalOf(send(under, call), { code: 'conflict', remedy: 'retry', maybeExecuted: false });
    expect(under.alive()).toEqual([]);
    const look = await sendAnew(call);
    expect(look.launched).toHaveLength(2);
    expect(under.alive()).toHaveLength(2);
  });

  it('neither grows nor claims anything where its process wakes after the next batch', async () => {
    const early = launchCall(under, 2);
    const mine = await watch(under, early, await send(under, early));
    const next = await launchIds(under, 3);
    const look = await sendAnew(early);
    expect(idsOf(look).toSorted()).toEqual(idsOf(mine).toSorted());
    expect(idsOf(look).filter((id) => next.includes(id))).toEqual([]);
    expect(under.alive()).toHaveLength(5);
  });

  it('finds what it made although its operation has expired meanwhile', async () => {
    await start({ operationLifetimeMs: 0 });
    const call = launchCall(under, 2);
    const first = await send(under, call);
    await under.pass(1000);
    const look = await watch(under, call, first);
    expect(look.launched).toHaveLength(2);
    expect(look.error).toBeUndefined();
    expect(under.alive()).toHaveLength(2);
  });

  it('that ran out of capacity keeps its reason, and its gap is seen when the next one fills it', async () => {
    under.faults.launchAtMost?.(2);
    const short = await launch(under, 5);
    expect(short.launched).toHaveLength(2);
    expect(short.error).toMatchObject({ code: 'capacity', vendorCode: 'AllocationFailed' });
    under.faults.launchAtMost?.(100);
    const look = await launch(under, 4);
    expect(look.launched).toHaveLength(4);
    expect(under.alive()).toHaveLength(6);
  });

  it('never lowers the capacity after a failure, and tells all that fills the gap', async () => {
    under.faults.launchAtMost?.(1);
    await launch(under, 4);
    under.faults.launchAtMost?.(100);
    const call = launchCall(under, 1);
    const filled = (look: Look): boolean => isDecided(look) && look.launched.length === 3;
    const look = await watch(under, call, await send(under, call), filled);
    expect(look.settled).toBe(true);
    expect(under.alive()).toHaveLength(4);
  });

  it('is refused for the quota with the place to try next, and nothing is made', async () => {
    await start({ quota: { cores: 3 } });
    const refusal = await refusalOf(send(under, launchCall(under, 2)), {
      code: 'quota',
      remedy: 'retry-elsewhere',
    });
    expect(refusal.message).toMatch(/quota/i);
    expect(await under.provider.quota(under.placement, deadlineSignal())).toBe(1);
    expect(under.alive()).toEqual([]);
  });
});

describe('an act on instances that is disturbed', { timeout: 60_000 }, () => {
  let under: EmulatedScaleSets;
  const start = async (options: Parameters<typeof emulateScaleSets>[0] = {}): Promise<void> => {
    under = await emulateScaleSets({ preemptionLoss: 1, ...options });
  };
  afterEach(() => under.close());

  it('deletes again what a preempted deletion left over', async () => {
    // Long enough for the other write to find it under way on a busy machine.
    await start({ durationsMs: { deleteInstances: 150_000 } });
    const [one = '', two = '', three = ''] = await launchIds(under, 3);
    const call = callFor(under, 'delete', [one, two]);
    const first = await send(under, call);
    // Somebody else's write on the same set: the platform drops ours.
    await send({ provider: under.another() }, callFor(under, 'reset', [three]));
    const look = await watch(under, call, first);
    expect(statesOf(look.outcomes)).toEqual({ [one]: 'done', [two]: 'done' });
    expect(under.alive()).toEqual([three]);
    expect(under.callsOf(OPERATIONS.delete)).toHaveLength(2);
  });

  it('never takes a preempted reset for done, although its machine runs', async () => {
    await start();
    const [one = '', two = ''] = await launchIds(under, 2);
    const call = callFor(under, 'reset', [one]);
    const first = await send(under, call);
    await send({ provider: under.another() }, callFor(under, 'delete', [two]));
    const look = await watch(under, call, first);
    expect(look.outcomes[one]).toMatchObject({
      state: 'failed',
      error: { code: 'conflict', remedy: 'retry' },
    });
    const { instances } = await under.provider.inventory(under.placement, deadlineSignal());
    expect(instances.find(({ instance }) => instance === one)?.state).toBe('running');
  });

  it('fails a reset whose operation nobody knows any more', async () => {
    await start({ operationLifetimeMs: 0 });
    const [one = ''] = await launchIds(under, 1);
    const call = callFor(under, 'reset', [one]);
    const first = await send(under, call);
    await under.pass(1000);
    const look = await watch(under, call, first);
    expect(look.outcomes[one]).toMatchObject({ state: 'failed', error: { code: 'unknown-reply' } });
  });

  it('believes the listing for a deletion whose operation nobody knows any more', async () => {
    await start({ operationLifetimeMs: 0 });
    const [one = '', two = ''] = await launchIds(under, 2);
    const call = callFor(under, 'delete', [one]);
    const first = await send(under, call);
    await under.pass(1000);
    const look = await watch(under, call, first);
    expect(statesOf(look.outcomes)).toEqual({ [one]: 'done' });
    expect(under.alive()).toEqual([two]);
  });

  it('resets the neighbours of a machine that is marked for deletion', async () => {
    await start({ preemption: false });
    const [one = '', two = ''] = await launchIds(under, 2);
    await send(under, callFor(under, 'delete', [two]));
    const call = callFor(under, 'reset', [one, two]);
    const look = await watch(under, call, await send({ provider: under.another() }, call));
    expect(statesOf(look.outcomes)).toEqual({ [one]: 'done', [two]: 'failed' });
  });

  it('is to be tried later where Azure does not say whose fault a refusal is, and nobody counts as gone', async () => {
    await start();
    const ids = await launchIds(under, 2);
    under.cloudFaults.add({
      kind: 'refused',
      operation: OPERATIONS.reset,
      code: 'InstanceIdsListInstanceIdNotActiveVM',
      times: 1,
    });
    const refusal = await refusalOf(send(under, callFor(under, 'reset', ids)), {
      code: 'wrong-state',
      remedy: 'retry-later',
      maybeExecuted: false,
    });
    expect(refusal.vendorCode).toBe('InstanceIdsListInstanceIdNotActiveVM');
  });

  it('that failed halfway is done for exactly those that are gone', async () => {
    await start();
    const ids = await launchIds(under, 6);
    under.cloudFaults.add({
      kind: 'operation-failed',
      operation: OPERATIONS.delete,
      times: 1,
      code: 'InternalExecutionError',
    });
    const call = callFor(under, 'delete', ids);
    const look = await watch(under, call, await send(under, call));
    const done = ids.filter((id) => look.outcomes[id]?.state === 'done');
    expect(done).toEqual(ids.filter((id) => !under.alive().includes(id)));
    expect(done.length).toBeLessThan(ids.length);
  });
  it('shows that a launched machine was taken away before anybody adopted it', async () => {
    await start();
    const call = launchCall(under, 2);
    const look = await watch(under, call, await send(under, call));
    const [first = ''] = idsOf(look);
    under.emulator.evict(first);
    const after = await watch(under, call, look, (each) =>
      each.launched.some(({ state }) => state === 'gone'),
    );
    expect(after.launched.map(({ state }) => state).toSorted()).toEqual(['gone', 'running']);
    expect(after.settled).toBe(true);
  });
});

import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestContext } from 'vitest';
import type { Json, Placement, Provider, Verb } from '../../src/fleet/provider.ts';
import { VERBS } from '../../src/fleet/provider.ts';
import {
  act,
  allBe,
  callFor,
  deadlineSignal,
  expectFleetError,
  failureOf,
  idsOf,
  isDecided,
  launch,
  launchCall,
  launchIds,
  launchPair,
  only,
  refusalOf,
  send,
  sendInTurn,
  statesOf,
  watch,
  watchTogether,
} from './contract-driver.ts';
import type { Drivable } from './contract-driver.ts';

/** Makes the far side misbehave; where one cannot, its hook is left out and the tests that need it are skipped. */
interface FaultHooks {
  /** The next call of this verb is executed, but its answer never arrives. */
  loseReply: (verb: Verb) => void;
  /** The next call of this verb is refused by the cloud for its rate, and nothing is done. */
  throttle: (verb: Verb) => void;
  /** The next launch makes only `count` machines (at least 1), for want of capacity. */
  launchAtMost?: (count: number) => void;
  /** The next launch is refused for want of capacity. */
  refuseCapacity?: () => void;
  /** The next reset of this instance is accepted, and fails. */
  failReset?: (instance: string) => void;
}

/** A provider with a far side of its own, empty when handed out. */
export interface ProviderUnderTest extends Drivable {
  /** Another installation's provider in the same cloud account, and where it puts its machines. */
  stranger: { provider: Provider; placement: Placement };
  /** A well-formed id of an instance that never existed. */
  unknownInstance: string;
  /** Ids of the instances on the far side that are not gone, whoever made them. */
  alive(): readonly string[];
  faults: FaultHooks;
  close(): Promise<void>;
}

type Current = () => ProviderUnderTest;

/** What every provider must do; run for each of them against its own far side. */
export function defineProviderContract(name: string, setup: () => Promise<ProviderUnderTest>): void {
  describe(`${name} keeps the provider's contract`, { timeout: 60_000 }, () => {
    let under: ProviderUnderTest;
    beforeEach(async () => {
      under = await setup();
    });
    afterEach(async () => {
      await under.close();
    });
    const current: Current = () => under;
    describe('launch', () => {
      launchContract(current);
    });
    describe('stop and start', () => {
      powerContract(current);
    });
    describe('reset', () => {
      resetContract(current);
    });
    describe('delete', () => {
      deleteContract(current);
    });
    describe('inventory', () => {
      inventoryContract(current);
    });
    describe('refusals', () => {
      refusalContract(current);
    });
    describe('poll', () => {
      pollContract(current);
    });
  });
}

function launchContract(current: Current): void {
  it('makes the machines once however often its batch is sent', async () => {
    const under = current();
    const call = launchCall(under, 3);
    const first = await send(under, call);
    await send(under, { ...call, handle: first.handle });
    await send(under, call);
    const look = await watch(under, call, first);
    expect(look.settled).toBe(true);
    expect(look.error).toBeUndefined();
    expect(new Set(idsOf(look)).size).toBe(3);
    expect(under.alive()).toHaveLength(3);
  });

  it('brings its machines to running, each with an address of its own', async () => {
    const { launched } = await launch(current(), 3);
    expect(launched.map((each) => each.state)).toEqual(['running', 'running', 'running']);
    const addresses = launched.map((each) => each.address);
    expect(addresses).not.toContain(null);
    expect(new Set(addresses).size).toBe(3);
  });

  it('says how many were made when capacity ran out, and why no more', async (context) => {
    needs(context, current().faults.launchAtMost)(2);
    const look = await launch(current(), 5);
    expect(idsOf(look)).toHaveLength(2);
    expectFleetError(look.error, { remedy: 'retry-elsewhere', maybeExecuted: false });
    expect(current().alive()).toHaveLength(2);
  });

  it('that gets no machine at all asks to try elsewhere', async (context) => {
    needs(context, current().faults.refuseCapacity)();
    const call = launchCall(current(), 2);
    const error = await send(current(), call).then(
      async (look) => (await watch(current(), call, look)).error,
      (thrown: unknown) => thrown,
    );
    expectFleetError(error, { remedy: 'retry-elsewhere', maybeExecuted: false });
    expect(current().alive()).toEqual([]);
  });

  it('whose answer was lost adopts on its replay what it had made', async () => {
    current().faults.loseReply('launch');
    const call = launchCall(current(), 3);
    await refusalOf(send(current(), call), { remedy: 'retry', maybeExecuted: true });
    const look = await watch(current(), call, await send(current(), call));
    expect(idsOf(look)).toHaveLength(3);
    expect(current().alive().toSorted()).toEqual(idsOf(look).toSorted());
  });
}

function powerContract(current: Current): void {
  beforeEach((context) => {
    if (current().provider.capabilities.park === 'none') context.skip();
  });

  it('stops machines, and a stop of stopped machines is done', async () => {
    const ids = await launchIds(current(), 2);
    expect(statesOf(await act(current(), 'stop', ids))).toEqual(allBe(ids, 'done'));
    expect(statesOf(await act(current(), 'stop', ids))).toEqual(allBe(ids, 'done'));
    expect(current().alive().toSorted()).toEqual(ids.toSorted());
  });

  it('starts stopped machines, which then have an address', async () => {
    const { provider, placement } = current();
    const ids = await launchIds(current(), 2);
    await act(current(), 'stop', ids);
    expect(statesOf(await act(current(), 'start', ids))).toEqual(allBe(ids, 'done'));
    const { instances } = await provider.inventory(placement, deadlineSignal());
    const running = instances.filter((item) => item.state === 'running' && item.address !== null);
    expect(running.map((item) => item.instance).toSorted()).toEqual(ids.toSorted());
  });

  it('a stop reaches the neighbours of an instance that does not exist', async () => {
    const [one, two] = await launchPair(current());
    const unknown = current().unknownInstance;
    const outcomes = await act(current(), 'stop', [one, unknown, two]);
    expect(statesOf(outcomes)).toEqual({ [one]: 'done', [unknown]: 'failed', [two]: 'done' });
    expect(failureOf(outcomes[unknown]).remedy).toBe('gone');
  });

  it('an outcome that was told is never taken back', async () => {
    const [one] = await launchPair(current());
    const call = callFor(current(), 'stop', [one]);
    const stopped = await watch(current(), call, await send(current(), call));
    await act(current(), 'start', [one]);
    const looks = await current().provider.poll([{ ...call, handle: stopped.handle }], deadlineSignal());
    expect(only(looks).outcomes[one]?.state).toBe('done');
  });
}

function resetContract(current: Current): void {
  beforeEach((context) => {
    if (current().provider.capabilities.reset === 'none') context.skip();
  });

  it('leaves the machines the same instances', async () => {
    const ids = await launchIds(current(), 2);
    expect(statesOf(await act(current(), 'reset', ids))).toEqual(allBe(ids, 'done'));
    expect(current().alive().toSorted()).toEqual(ids.toSorted());
  });

  it('reaches the neighbours of an instance that does not exist', async () => {
    const [one, two] = await launchPair(current());
    const unknown = current().unknownInstance;
    const outcomes = await act(current(), 'reset', [one, unknown, two]);
    expect(statesOf(outcomes)).toEqual({ [one]: 'done', [unknown]: 'failed', [two]: 'done' });
    failureOf(outcomes[unknown]);
  });

  it('that fails is never taken for a success, although the machine may run', async (context) => {
    const [one] = await launchPair(current());
    needs(context, current().faults.failReset)(one);
    expect(failureOf((await act(current(), 'reset', [one]))[one]).maybeExecuted).toBe(false);
  });
}

function deleteContract(current: Current): void {
  it('is done only once the cloud no longer has the machine', async () => {
    const ids = await launchIds(current(), 3);
    const call = callFor(current(), 'delete', ids);
    const look = await watch(current(), call, await send(current(), call), (each) => {
      const told = ids.filter((id) => each.outcomes[id]?.state === 'done');
      expect(
        current()
          .alive()
          .filter((id) => told.includes(id)),
      ).toEqual([]);
      return isDecided(each);
    });
    expect(statesOf(look.outcomes)).toEqual(allBe(ids, 'done'));
    expect(current().alive()).toEqual([]);
  });

  it('of a machine that is already gone is done', async () => {
    const ids = await launchIds(current(), 2);
    await act(current(), 'delete', ids);
    expect(statesOf(await act(current(), 'delete', ids))).toEqual(allBe(ids, 'done'));
  });

  it('reaches the neighbours of an instance that does not exist, which counts as gone', async () => {
    const [one, two] = await launchPair(current());
    const ids = [one, current().unknownInstance, two];
    expect(statesOf(await act(current(), 'delete', ids))).toEqual(allBe(ids, 'done'));
    expect(current().alive()).toEqual([]);
  });

  it('whose answer was lost is sent again and then done', async () => {
    const ids = await launchIds(current(), 2);
    current().faults.loseReply('delete');
    const call = callFor(current(), 'delete', ids);
    await refusalOf(send(current(), call), { remedy: 'retry', maybeExecuted: true });
    const look = await watch(current(), call, await send(current(), call));
    expect(statesOf(look.outcomes)).toEqual(allBe(ids, 'done'));
    expect(current().alive()).toEqual([]);
  });
}

function inventoryContract(current: Current): void {
  it('shows exactly what is alive, of this installation only', async () => {
    const { provider, placement, stranger } = current();
    const call = launchCall(current(), 3);
    const [gone = '', ...kept] = idsOf(await watch(current(), call, await send(current(), call)));
    await launch({ ...current(), ...stranger }, 2);
    await act(current(), 'delete', [gone]);
    const inventory = await provider.inventory(placement, deadlineSignal());
    const shown = inventory.instances.filter((item) => item.state !== 'gone');
    expect(shown.map((item) => item.instance).toSorted()).toEqual(kept.toSorted());
    expect(shown.map((item) => item.state)).toEqual(['running', 'running']);
    for (const item of shown) expect([call.batch, null]).toContain(item.batch);
    expect(inventory.leftOvers).toEqual([]);
  });

  it('of an empty placement is empty', async () => {
    const { instances } = await current().provider.inventory(current().placement, deadlineSignal());
    expect(instances.filter((item) => item.state !== 'gone')).toEqual([]);
  });

  it('comes with a number for what is left of the quota', async () => {
    expect(await current().provider.quota(current().placement, deadlineSignal())).toBeGreaterThan(0);
  });
}

function refusalContract(current: Current): void {
  it.each(VERBS)('%s without members is refused before any call', async (verb) => {
    const before = current().calls();
    const refusal = { code: 'invalid', remedy: 'give-up', maybeExecuted: false } as const;
    await refusalOf(send(current(), callFor(current(), verb, [])), refusal);
    expect(current().calls()).toBe(before);
  });

  it.each(VERBS.slice(1))('%s of a member without an instance is refused before any call', async (verb) => {
    const before = current().calls();
    const members = [{ machine: randomUUID(), instance: null }];
    const call = { ...callFor(current(), verb, []), members };
    await refusalOf(send(current(), call), { code: 'invalid', remedy: 'give-up', maybeExecuted: false });
    expect(current().calls()).toBe(before);
  });

  it.each(['launch', 'delete'] as const)('a throttled %s is not sent again before its time', async (verb) => {
    const ids = verb === 'launch' ? [] : await launchIds(current(), 1);
    const call = verb === 'launch' ? launchCall(current(), 1) : callFor(current(), verb, ids);
    current().faults.throttle(verb);
    const refusal = { code: 'throttled', remedy: 'retry-later', maybeExecuted: false } as const;
    const first = await refusalOf(send(current(), call), refusal);
    expect(first.retryAfterMs).toBeGreaterThan(0);
    const before = current().calls();
    const second = await refusalOf(send(current(), call), refusal);
    expect(second.retryAfterMs).toBeGreaterThan(0);
    expect(current().calls()).toBe(before);
  });

  it('a call whose signal has already fired throws a FleetError', async () => {
    await refusalOf(current().provider.launch(launchCall(current(), 1), AbortSignal.abort()));
    expect(current().alive()).toEqual([]);
  });

  it('close may be called twice', async () => {
    await current().provider.close();
    await expect(current().provider.close()).resolves.toBeUndefined();
  });
}

function pollContract(current: Current): void {
  it('of no batches asks nobody', async () => {
    const before = current().calls();
    expect(await current().provider.poll([], deadlineSignal())).toEqual([]);
    expect(current().calls()).toBe(before);
  });

  it('answers several launches in their order, with a bounded number of calls', async () => {
    const calls = [launchCall(current(), 1), launchCall(current(), 2), launchCall(current(), 3)];
    const looks = await watchTogether(current(), calls, await sendInTurn(current(), calls));
    expect(looks.map((look) => idsOf(look).length)).toEqual([1, 2, 3]);
    expect(new Set(looks.flatMap(idsOf)).size).toBe(6);
  });

  it('answers several deletes in their order, with a bounded number of calls', async () => {
    const ids = await launchIds(current(), 3);
    const calls = ids.map((id) => callFor(current(), 'delete', [id]));
    const looks = await watchTogether(current(), calls, await sendInTurn(current(), calls));
    expect(looks.map((look) => Object.keys(look.outcomes))).toEqual(ids.map((id) => [id]));
  });

  it('has handles that survive being stored as JSON', async () => {
    const call = launchCall(current(), 2);
    const first = await send(current(), call);
    const handle: Json = JSON.parse(JSON.stringify(first.handle));
    const look = await watch(current(), call, { ...first, handle });
    expect(idsOf(look)).toHaveLength(2);
  });
}

/** The hook, or the end of a test that needs it where this far side has none. */
function needs<Hook>(context: TestContext, hook: Hook | undefined): Hook {
  return hook ?? context.skip('this far side cannot be made to do that');
}

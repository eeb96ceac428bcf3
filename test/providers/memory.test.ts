import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FleetError } from '../../src/fleet/errors.ts';
import { createMemoryCloud } from '../../src/providers/memory/cloud.ts';
import { createMemoryProvider, memory } from '../../src/providers/memory/provider.ts';
import type { MemoryProvider } from '../../src/providers/memory/provider.ts';
import type { MemoryOptions } from '../../src/providers/memory/placement.ts';
import {
  callFor,
  deadlineSignal,
  failureOf,
  idsOf,
  launchCall,
  refusalOf,
  send,
  statesOf,
} from './contract-driver.ts';
import { defineProviderContract } from './provider-contract.ts';
import type { ProviderUnderTest } from './provider-contract.ts';

const placement = { pool: 'windows', name: 'here', provider: 'memory', spec: {} };

function setup(options: MemoryOptions): Promise<ProviderUnderTest> {
  let nowMs = 1_000_000;
  const clock = { now: () => new Date(nowMs) };
  const cloud = createMemoryCloud({ clock, options });
  const provider = createMemoryProvider({ clock, options, cloud, installation: 'ours' });
  const stranger = createMemoryProvider({ clock, options, cloud, installation: 'theirs' });
  return Promise.resolve({
    provider,
    placement,
    stranger: { provider: stranger, placement },
    unknownInstance: `mem-${randomUUID()}-0`,
    alive: () => cloud.alive().map((instance) => instance.id),
    calls: () => total(provider) + total(stranger),
    mostCallsPerPoll: () => 1,
    pass(ms) {
      nowMs += ms;
      return Promise.resolve();
    },
    faults: {
      loseReply: (verb) => provider.loseReply(verb),
      throttle: (verb) =>
        provider.failNext(
          verb,
          new FleetError('too fast', { code: 'throttled', remedy: 'retry-later', retryAfterMs: 500 }),
        ),
      launchAtMost: (count) => provider.launchAtMost(count),
      refuseCapacity: () => provider.launchAtMost(0),
      failReset: (instance) => cloud.failReset(instance),
    },
    close: () => provider.close(),
  });
}

function total(provider: MemoryProvider): number {
  return Object.values(provider.calls()).reduce((sum, count) => sum + count, 0);
}

defineProviderContract('memory with instant acts', () => setup({}));
defineProviderContract('memory with acts that take their time', () => setup({ launchMs: 3000, actMs: 2000 }));

describe('the cloud in memory', () => {
  const clock = { now: () => new Date(0) };

  it('answers instant acts at once, with nothing left to wait for', async () => {
    const under = { placement, provider: createMemoryProvider({ clock, options: {} }) };
    const launched = await send(under, launchCall(under, 2));
    expect(launched).toMatchObject({ settled: true, holdsLane: false, lookInMs: 0 });
    const ids = idsOf(launched);
    for (const verb of ['stop', 'reset', 'delete'] as const) {
      const look = await send(under, callFor(under, verb, ids));
      expect(Object.values(statesOf(look.outcomes))).toEqual(['done', 'done']);
      expect(look.lookInMs).toBe(0);
    }
  });

  it('keeps a held call waiting until it is let go', async () => {
    const under = { placement, provider: createMemoryProvider({ clock, options: {} }) };
    const letGo = under.provider.hold('launch');
    const waiting = send(under, launchCall(under, 1));
    expect(under.provider.calls()).toEqual({});
    letGo();
    expect(idsOf(await waiting)).toHaveLength(1);
    expect(under.provider.calls()).toEqual({ launch: 1 });
  });

  it('lets a held call end when it is called off', async () => {
    const provider = createMemoryProvider({ clock, options: {} });
    provider.hold('launch');
    const controller = new AbortController();
    const waiting = provider.launch(launchCall({ placement }, 1), controller.signal);
    controller.abort();
    await refusalOf(waiting, { code: 'unavailable', maybeExecuted: false });
    expect(provider.calls()).toEqual({});
  });

  it('has no room beyond the limit of a placement', async () => {
    const tight = { ...placement, spec: { limit: 2 } };
    const under = { placement: tight, provider: createMemoryProvider({ clock, options: {} }) };
    expect(await under.provider.quota(tight, deadlineSignal())).toBe(2);
    const look = await send(under, launchCall(under, 3));
    expect(idsOf(look)).toHaveLength(2);
    expect(look.error?.code).toBe('capacity');
    await refusalOf(send(under, launchCall(under, 1)), { code: 'capacity', remedy: 'retry-elsewhere' });
  });

  it('has nothing left after a restart, and says so of every call that was answered before', async () => {
    const before = { placement, provider: createMemoryProvider({ clock, options: {} }) };
    const launching = launchCall(before, 2);
    const launched = await send(before, launching);
    const [id = ''] = idsOf(launched);
    const calls = [
      { ...launching, handle: launched.handle },
      ...(['stop', 'delete'] as const).map((verb) => ({
        ...callFor(before, verb, [id]),
        handle: launched.handle,
      })),
    ];
    const after = createMemoryProvider({ clock, options: {} });
    const [launch, stop, gone] = await after.poll(calls, deadlineSignal());
    expect(launch).toMatchObject({ settled: true, launched: [], error: { remedy: 'retry-elsewhere' } });
    expect(failureOf(stop?.outcomes[id]).remedy).toBe('gone');
    expect(gone?.outcomes[id]?.state).toBe('done');
  });

  it('leaves a call that was never answered to its replay', async () => {
    const under = { placement, provider: createMemoryProvider({ clock, options: {} }) };
    const [look] = await under.provider.poll([launchCall(under, 2)], deadlineSignal());
    expect(look).toMatchObject({ settled: false, launched: [], handle: null });
    expect(look?.lookInMs).toBeGreaterThan(0);
  });

  it('refuses a placement of another provider', async () => {
    const other = { ...placement, spec: { region: 'eu-west-1' } };
    const under = { placement: other, provider: createMemoryProvider({ clock, options: {} }) };
    const refusal = await refusalOf(send(under, launchCall(under, 1)), { code: 'invalid' });
    expect(refusal.remedy).toBe('give-up');
  });

  it('is made from its section of the configuration', () => {
    const budgets = { take: () => Promise.resolve(0), throttled: () => Promise.resolve() };
    const provider = memory.create({ installation: 'ours', budgets, clock, options: { actMs: 5 } });
    expect(provider.name).toBe('memory');
    expect(() => memory.create({ installation: 'ours', budgets, clock, options: { actMs: 'soon' } })).toThrow(
      /actMs|parse/i,
    );
  });
});

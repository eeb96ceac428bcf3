import { EC2Client, ModifyInstanceAttributeCommand } from '@aws-sdk/client-ec2';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchCall, Placement, Provider } from '../../../src/fleet/provider.ts';
import { VERBS } from '../../../src/fleet/provider.ts';
import { awsEc2 } from '../../../src/providers/aws-ec2/provider.ts';
import {
  act,
  allBe,
  callFor,
  deadlineSignal,
  failureOf,
  idsOf,
  launch,
  launchCall,
  launchIds,
  launchPair,
  only,
  refusalOf,
  send,
  statesOf,
  watch,
} from '../contract-driver.ts';
import type { Drivable } from '../contract-driver.ts';
import { createInMemoryBudgets } from '../in-memory-budgets.ts';
import { CREDENTIALS, createEmulatedEc2 } from './emulated-ec2.ts';
import type { EmulatedEc2 } from './emulated-ec2.ts';

let ec2: EmulatedEc2;
let under: Drivable;

beforeEach(async () => {
  ec2 = await createEmulatedEc2();
  under = drivable(ec2.providerOf('ours'), ec2.placement);
});
afterEach(async () => {
  await ec2.close();
});

function drivable(provider: Provider, placement: Placement): Drivable {
  return {
    provider,
    placement,
    calls: () => ec2.calls().length,
    mostCallsPerPoll: () => 1,
    async pass(ms) {
      ec2.passBudgetMs(ms);
      await delay(ms);
    },
  };
}

function withSpec(more: object): Placement {
  const spec = { ...(ec2.placement.spec as object), ...more };
  return { ...ec2.placement, spec };
}

describe('lanes of EC2', () => {
  it('are one for each account, region and verb', () => {
    const lanes = VERBS.map((verb) => under.provider.lane(verb, ec2.placement).lane);
    expect(lanes).toEqual(VERBS.map((verb) => `aws:default:eu-west-1:${verb}`));
    const other = under.provider.lane('stop', withSpec({ account: 'second' }));
    expect(other.lane).toBe('aws:second:eu-west-1:stop');
  });

  it('let a launch share a call with its own placement only, and other verbs with all', () => {
    const elsewhere = { ...ec2.placement, pool: 'other' };
    const groups = (placement: Placement) => VERBS.map((verb) => under.provider.lane(verb, placement).group);
    expect(groups(ec2.placement)).toEqual(['linux/ireland', 'private', '', '', '']);
    expect(groups(elsewhere)).toEqual(['other/ireland', 'private', '', '', '']);
  });
});

describe('a launch on EC2', () => {
  it('whose parameters have changed under its token is given up', async () => {
    const call = launchCall(under, 1);
    await send(under, call);
    const changed = { ...call, placement: withSpec({ instanceType: 'c7i.large' }) };
    await refusalOf(send(under, changed), { code: 'mismatch', remedy: 'give-up' });
    expect(ec2.emulator.state().launched).toBe(1);
  });

  it('that was never answered is found by its token, and is settled only by its replay', async () => {
    ec2.faults.add({ kind: 'lost-reply', operation: 'RunInstances', times: 1 });
    const call = launchCall(under, 3);
    await refusalOf(send(under, call), { maybeExecuted: true });
    const found = await watch(under, call, await pollOne(call), (look) => look.launched.length === 3);
    expect(found).toMatchObject({ settled: false, handle: null });
    expect(found.error).toBeUndefined();
    const replayed = await watch(under, call, await send(under, call));
    expect(idsOf(replayed).toSorted()).toEqual(idsOf(found).toSorted());
    expect(ec2.emulator.state().launched).toBe(3);
  });

  it('gives public addresses where the placement says so', async () => {
    const { launched } = await launch({ ...under, placement: withSpec({ address: 'public' }) }, 2);
    for (const { address } of launched) expect(address).toMatch(/^198\.18\./);
  });

  it('tells of instances that were taken away that they are gone', async () => {
    const call = launchCall(under, 2);
    const look = await watch(under, call, await send(under, call));
    const [first = ''] = idsOf(look);
    ec2.emulator.evict(first);
    const next = await watch(under, call, look, (each) =>
      each.launched.some(({ state }) => state === 'gone'),
    );
    expect(next.launched.find(({ instance }) => instance === first)?.state).toBe('gone');
  });

  it('takes all sorts of placements', async () => {
    const spec = {
      zone: 'eu-west-1a',
      keyName: 'drover',
      userData: 'hello',
      iamInstanceProfile: 'drover-guest',
    };
    const rich = withSpec({ ...spec, spot: true, volumeSizeGiB: 20, rootDeviceName: '/dev/sda1' });
    const look = await launch({ ...under, placement: rich }, 1);
    expect(look.launched.map(({ state }) => state)).toEqual(['running']);
    expect(ec2.emulator.state().resources.disks).toHaveLength(1);
  });
});

describe('stop and start on EC2', () => {
  it('a spot instance cannot be stopped, its neighbour can', async () => {
    const [spot] = await launchPair({ ...under, placement: withSpec({ spot: true }) });
    const [own] = await launchPair(under);
    const outcomes = await act(under, 'stop', [spot, own]);
    expect(outcomes[own]?.state).toBe('done');
    expect(failureOf(outcomes[spot])).toMatchObject({ code: 'refused', remedy: 'give-up' });
  });

  it('an instance that EC2 took away is said to be gone', async () => {
    const [lost, kept] = await launchPair(under);
    ec2.emulator.evict(lost);
    const outcomes = await act(under, 'stop', [lost, kept]);
    expect(failureOf(outcomes[lost]).remedy).toBe('gone');
    expect(outcomes[kept]?.state).toBe('done');
  });

  it('an instance that was not yet visible when it was to be stopped is to be stopped again', async () => {
    await ec2.close();
    ec2 = await createEmulatedEc2({ hiddenDescribes: 2 });
    under = drivable(ec2.providerOf('ours'), ec2.placement);
    const [id = ''] = idsOf(await send(under, launchCall(under, 1)));
    const outcomes = await act(under, 'stop', [id]);
    expect(failureOf(outcomes[id])).toMatchObject({ code: 'not-yet-visible', remedy: 'retry' });
  });

  it('a start tells the address, a public one anew', async () => {
    const placement = withSpec({ address: 'public' });
    const ids = await launchIds({ ...under, placement }, 1);
    await act(under, 'stop', ids);
    const outcomes = await act({ ...under, placement }, 'start', ids);
    expect(outcomes[ids[0] ?? '']).toMatchObject({
      state: 'done',
      address: expect.stringMatching(/^198\.18\./),
    });
  });

  it('a machine that was stopped hard was not asked to shut down', async () => {
    const ids = await launchIds(under, 1);
    await act(under, 'stop', ids);
    await act(under, 'delete', ids);
    expect(ec2.calls('StopInstances')).toHaveLength(1);
    expect(ec2.calls('TerminateInstances')).toHaveLength(1);
  });
});

describe('a delete on EC2', () => {
  it('of a protected instance holds up no other', async () => {
    const ids = await launchIds(under, 3);
    const [locked = '', ...others] = ids;
    const client = new EC2Client({ region: 'eu-west-1', endpoint: ec2.endpoint, credentials: CREDENTIALS });
    await client.send(
      new ModifyInstanceAttributeCommand({ InstanceId: locked, DisableApiTermination: { Value: true } }),
    );
    client.destroy();
    const outcomes = await act(under, 'delete', ids);
    expect(statesOf(outcomes)).toEqual({ ...allBe(others, 'done'), [locked]: 'failed' });
    expect(failureOf(outcomes[locked])).toMatchObject({ code: 'refused', remedy: 'give-up' });
    expect(ec2.emulator.state().alive).toEqual([locked]);
  });

  it('takes what belongs to the machine with it', async () => {
    const ids = await launchIds({ ...under, placement: withSpec({ address: 'public' }) }, 2);
    await act(under, 'delete', ids);
    expect(ec2.emulator.state().resources).toEqual({ disks: [], networkCards: [], addresses: [] });
  });
});

describe('a reset on EC2', () => {
  it.each(['failed', 'failed-detached'])('that ends as %s is a failure', async (code) => {
    const ids = await launchIds(under, 1);
    ec2.faults.add({ kind: 'operation-failed', operation: 'CreateReplaceRootVolumeTask', times: 1, code });
    const error = failureOf((await act(under, 'reset', ids))[ids[0] ?? '']);
    expect(error.message).toContain(code);
  });

  it('whose answer was lost makes no second task on its replay', async () => {
    const ids = await launchIds(under, 2);
    ec2.faults.add({ kind: 'lost-reply', operation: 'CreateReplaceRootVolumeTask', times: 1, skip: 1 });
    const call = callFor(under, 'reset', ids);
    await refusalOf(send(under, call), { remedy: 'retry', maybeExecuted: true });
    const look = await watch(under, call, await send(under, call));
    expect(statesOf(look.outcomes)).toEqual(allBe(ids, 'done'));
    expect(ec2.emulator.state().resets).toBe(2);
  });

  it('of a stopped instance fails, and its neighbour is reset', async () => {
    const [stopped, running] = await launchPair(under);
    await act(under, 'stop', [stopped]);
    const outcomes = await act(under, 'reset', [stopped, running]);
    expect(failureOf(outcomes[stopped]).code).toBe('wrong-state');
    expect(outcomes[running]?.state).toBe('done');
  });

  it('leaves no volume behind', async () => {
    const ids = await launchIds(under, 2);
    await act(under, 'reset', ids);
    expect(ec2.emulator.state().resources.disks).toHaveLength(2);
    await act(under, 'delete', ids);
    expect(ec2.emulator.state().resources).toEqual({ disks: [], networkCards: [], addresses: [] });
  });

  it('never ends by the instance running: only its task says that it is done', async () => {
    const ids = await launchIds(under, 1);
    const call = callFor(under, 'reset', ids);
    const look = await send(under, call);
    expect(statesOf(look.outcomes)).toEqual(allBe(ids, 'pending'));
    await watch(under, call, look);
    const from = ec2.calls().findIndex(({ operation }) => operation === 'CreateReplaceRootVolumeTask');
    const asked = new Set(
      ec2
        .calls()
        .slice(from + 1)
        .map(({ operation }) => operation),
    );
    expect([...asked]).toEqual(['DescribeReplaceRootVolumeTasks']);
  });
});

describe('an inventory of EC2', () => {
  it('shows left-over volumes and network interfaces of ours, once they are no longer new', async () => {
    const ids = await launchIds(under, 1);
    await launchIds(drivable(ec2.providerOf('theirs'), ec2.placement), 1);
    const call = callFor(under, 'reset', ids);
    ec2.faults.add({
      kind: 'operation-failed',
      operation: 'CreateReplaceRootVolumeTask',
      times: 1,
      code: 'failed-detached',
    });
    await watch(under, call, await send(under, call));
    const fresh = ec2.providerOf('ours', { visibilityDelayMs: 3_600_000 });
    expect((await fresh.inventory(ec2.placement, deadlineSignal())).leftOvers).toEqual([]);
    const seasoned = ec2.providerOf('ours', { visibilityDelayMs: 0 });
    const { leftOvers } = await seasoned.inventory(ec2.placement, deadlineSignal());
    expect(leftOvers).toMatchObject([{ kind: 'disk' }]);
  });

  it('names spot instances that EC2 has announced to take back', async () => {
    const placement = withSpec({ spot: true });
    const [kept = '', taken = ''] = await launchIds({ ...under, placement }, 2);
    const interrupted = async () => {
      const { instances } = await under.provider.inventory(placement, deadlineSignal());
      return instances.filter((item) => item.interrupted === true).map((item) => item.instance);
    };
    expect(await interrupted()).toEqual([]);
    expect(ec2.emulator.evict(taken, 'announce')).toBe(true);
    expect(await interrupted()).toEqual([taken]);
    expect(ec2.emulator.state().alive).toEqual([kept, taken]);
  });

  it('comes without announcements where EC2 has no answer to that, and not at all where it may not be asked', async () => {
    const placement = withSpec({ spot: true });
    await launchIds({ ...under, placement }, 1);
    const refuse = (code: string): void =>
      ec2.faults.add({ kind: 'refused', operation: 'DescribeSpotInstanceRequests', times: 1, code });
    refuse('InternalError');
    expect((await under.provider.inventory(placement, deadlineSignal())).instances).toHaveLength(1);
    refuse('UnauthorizedOperation');
    const error = await refusalOf(under.provider.inventory(placement, deadlineSignal()));
    expect([error.code, error.message]).toEqual([
      'unauthorized',
      expect.stringContaining('DescribeSpotInstanceRequests'),
    ]);
  });

  it('asks for announcements at spot placements alone', async () => {
    await launchIds(under, 1);
    await under.provider.inventory(ec2.placement, deadlineSignal());
    expect(ec2.calls('DescribeSpotInstanceRequests')).toEqual([]);
  });

  it('fails as a whole where one of its listings fails', async () => {
    await launchIds(under, 1);
    for (const operation of ['DescribeInstances', 'DescribeVolumes', 'DescribeNetworkInterfaces']) {
      ec2.faults.add({ kind: 'refused', operation, times: 1, code: 'InternalError' });
      const error = await refusalOf(under.provider.inventory(ec2.placement, deadlineSignal()));
      expect(error.message).toContain(operation);
    }
  });

  it('takes no wildcards: an installation named * sees nothing of others', async () => {
    await launchIds(under, 2);
    const star = ec2.providerOf('*');
    expect((await star.inventory(ec2.placement, deadlineSignal())).instances).toEqual([]);
  });

  it('says of deleted instances that they are gone for as long as EC2 lists them', async () => {
    const [gone, kept] = await launchPair(under);
    await act(under, 'delete', [gone]);
    const { instances } = await under.provider.inventory(ec2.placement, deadlineSignal());
    const states = Object.fromEntries(instances.map(({ instance, state }) => [instance, state]));
    expect(states).toEqual({ [gone]: 'gone', [kept]: 'running' });
  });
});

describe('a large batch on EC2', () => {
  it('is deleted by one call and looked at by one, its unknown ones beside', async () => {
    const ids: string[] = [];
    for (let batch = 0; batch < 3; batch += 1) ids.push(...(await launchIds(under, 100)));
    const deleting = callFor(under, 'delete', ids);
    const first = await send(under, deleting);
    const before = ec2.calls('DescribeInstances').length;
    await pollOne({ ...deleting, handle: first.handle });
    expect(ec2.calls('DescribeInstances').length - before).toBe(1);
    const look = await watch(under, deleting, first);
    expect(statesOf(look.outcomes)).toEqual(allBe(ids, 'done'));
    expect(ec2.calls('TerminateInstances')).toHaveLength(1);
    const unknown = [...ids, 'i-0123456789abcdef0'];
    expect(statesOf(await act(under, 'delete', unknown))).toEqual(allBe(unknown, 'done'));
    expect(ec2.emulator.state().alive).toEqual([]);
  });
});

describe('the module of EC2', () => {
  it('makes a provider from its section of the configuration and named credentials', async () => {
    const provider = awsEc2.create({
      installation: 'ours',
      budgets: createInMemoryBudgets(() => 0),
      clock: { now: () => new Date() },
      options: { endpoint: ec2.endpoint },
      credentials: { accessKeyId: 'AKIADROVERTEST', secretAccessKey: 'not-a-secret' },
    });
    const { instances } = await provider.inventory(ec2.placement, deadlineSignal());
    expect(instances).toEqual([]);
    await provider.close();
  });
});

async function pollOne(call: BatchCall): ReturnType<typeof launch> {
  return only(await under.provider.poll([call], deadlineSignal()));
}

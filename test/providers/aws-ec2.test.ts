import { setTimeout as delay } from 'node:timers/promises';
import type { FaultKind } from '../../src/emulators/faults.ts';
import type { Verb } from '../../src/fleet/provider.ts';
import { createEmulatedEc2 } from './aws-ec2/emulated-ec2.ts';
import { defineProviderContract } from './provider-contract.ts';
import type { ProviderUnderTest } from './provider-contract.ts';

const ACTION = {
  launch: 'RunInstances',
  start: 'StartInstances',
  stop: 'StopInstances',
  reset: 'CreateReplaceRootVolumeTask',
  delete: 'TerminateInstances',
} as const satisfies Record<Verb, string>;

async function setup(hiddenDescribes: number): Promise<ProviderUnderTest> {
  const ec2 = await createEmulatedEc2({ hiddenDescribes });
  const { emulator, faults, placement } = ec2;
  const strike = (kind: FaultKind, verb: Verb, code?: string): void =>
    faults.add({ kind, operation: ACTION[verb], times: 1, ...(code !== undefined && { code }) });
  return {
    provider: ec2.providerOf('ours'),
    placement,
    stranger: { provider: ec2.providerOf('theirs'), placement },
    unknownInstance: 'i-0123456789abcdef0',
    alive: () => emulator.state().alive,
    calls: () => ec2.calls().length,
    mostCallsPerPoll: () => 1,
    async pass(ms) {
      ec2.passBudgetMs(ms);
      await delay(ms);
    },
    faults: {
      loseReply: (verb) => strike('lost-reply', verb),
      throttle: (verb) => strike('throttled', verb),
      launchAtMost: (atMost) =>
        emulator.limitCapacity({ instanceType: 'm7i.large', zone: 'eu-west-1a', atMost }),
      refuseCapacity: () => strike('refused', 'launch', 'InsufficientInstanceCapacity'),
      failReset: () => strike('operation-failed', 'reset', 'failed'),
    },
    close: () => ec2.close(),
  };
}

defineProviderContract('aws-ec2', () => setup(0));
defineProviderContract('aws-ec2 where new instances stay unseen for a while', () => setup(3));

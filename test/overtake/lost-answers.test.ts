import { afterEach, expect, test, vi } from 'vitest';
import { FleetError } from '../../src/fleet/errors.ts';
import { DEADLINES_DEFAULT } from '../../src/fleet/pool.ts';
import { type Verb, VERBS } from '../../src/fleet/provider.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { aPool } from '../support/pools.ts';
import { expectReleasedThenDeleted } from './promise.ts';

vi.setConfig({ testTimeout: 90_000 });

let fleet: Fleet;
afterEach(() => fleet.stop());

test('rule 2: a call whose answer was lost is sent again under its own token, and done once', async () => {
  fleet = await startFleet();
  for (const verb of ['launch', 'stop', 'delete'] as const) fleet.cloud.memory.loseReply(verb);
  const { lease, machine } = await fleet.leaseAMachine();
  await fleet.endLease(lease);
  await expectReleasedThenDeleted(fleet, { lease, machine });
  for (const verb of VERBS.filter((each) => each !== 'start' && each !== 'reset')) {
    expect(sendsOf(verb)).toEqual(AGAIN_UNDER_ONE_TOKEN);
    expect(fleet.cloud.effects(verb)).toHaveLength(1);
  }
});

test('rule 2: a refusal that leaves open whether the call was executed is not booked as a failure', async () => {
  fleet = await startFleet();
  const doubt = { code: 'unknown-reply', remedy: 'give-up', maybeExecuted: true } as const;
  fleet.cloud.memory.failNext('launch', new FleetError('the answer made no sense', doubt));
  await fleet.leaseAMachine();
  expect(sendsOf('launch')).toEqual(AGAIN_UNDER_ONE_TOKEN);
});

test('rule 13: a launch that is never answered is given up at its deadline, and its request served by another machine', async () => {
  const deadlines = { ...DEADLINES_DEFAULT, provisioning: 1000 };
  fleet = await startFleet({ pools: [aPool({ deadlines })] });
  const letLaunch = fleet.cloud.memory.hold('launch');
  const asked = fleet.leaseAMachine();
  const [stuck] = await fleet.until('a machine that is given up', async () => {
    const rows = await fleet.sql(
      `select id from machine where state <> 'deleted' and intent_kind = 'retire'`,
    );
    return rows.length > 0 ? rows : undefined;
  });
  // However long the next launch takes, it is not given up.
  await fleet.store.applyPools({ pools: [aPool()], now: new Date() });
  letLaunch();
  const { machine } = await asked;
  expect(machine.id).not.toBe(stuck?.['id']);
});

const AGAIN_UNDER_ONE_TOKEN = { again: true, tokens: 1 };

/** How often is a matter of time: a sender that is paused for longer than its claim has its call sent once more. */
function sendsOf(verb: Verb): typeof AGAIN_UNDER_ONE_TOKEN {
  const tokens = fleet.cloud.calls(verb).map((call) => call.batch);
  return { again: tokens.length >= 2, tokens: new Set(tokens).size };
}

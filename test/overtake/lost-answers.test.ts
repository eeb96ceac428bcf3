import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FleetError } from '../../src/fleet/errors.ts';
import { DEADLINES_DEFAULT } from '../../src/fleet/pool.ts';
import { VERBS } from '../../src/fleet/provider.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { aPool } from '../support/pools.ts';
import { expectReleasedThenDeleted } from './promise.ts';

vi.setConfig({ testTimeout: 90_000 });

let fleet: Fleet;
beforeEach(async () => {
  const deadlines = { ...DEADLINES_DEFAULT, provisioning: 1000 };
  fleet = await startFleet({ pools: [aPool({ deadlines })] });
});
afterEach(() => fleet.stop());

test('rule 2: a call whose answer was lost is sent again under its own token, and done once', async () => {
  for (const verb of ['launch', 'stop', 'delete'] as const) fleet.cloud.memory.loseReply(verb);
  const { lease, machine } = await fleet.leaseAMachine();
  await fleet.endLease(lease);
  await expectReleasedThenDeleted(fleet, { lease, machine });
  for (const verb of VERBS.filter((each) => each !== 'start' && each !== 'reset')) {
    const tokens = fleet.cloud.calls(verb).map((call) => call.batch);
    expect(tokens).toEqual([tokens[0], tokens[0]]);
    expect(fleet.cloud.effects(verb)).toHaveLength(1);
  }
});

test('rule 2: a refusal that leaves open whether the call was executed is not booked as a failure', async () => {
  const doubt = { code: 'unknown-reply', remedy: 'give-up', maybeExecuted: true } as const;
  fleet.cloud.memory.failNext('launch', new FleetError('the answer made no sense', doubt));
  await fleet.leaseAMachine();
  const tokens = fleet.cloud.calls('launch').map((call) => call.batch);
  expect(tokens).toEqual([tokens[0], tokens[0]]);
});

test('rule 13: a launch that is never answered is given up at its deadline, and its request served by another machine', async () => {
  const letLaunch = fleet.cloud.memory.hold('launch');
  const asked = fleet.leaseAMachine();
  const [stuck] = await fleet.until('a machine that is given up', async () => {
    const rows = await fleet.sql(
      `select id from machine where state <> 'deleted' and intent_kind = 'retire'`,
    );
    return rows.length > 0 ? rows : undefined;
  });
  letLaunch();
  const { machine } = await asked;
  expect(machine.id).not.toBe(stuck?.['id']);
});

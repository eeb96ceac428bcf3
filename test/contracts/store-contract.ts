import { afterAll, beforeAll, beforeEach, describe } from 'vitest';
import { batchesContract } from './store/batches.ts';
import { bellsContract } from './store/bells.ts';
import { createDriver, type Driver, type StoreUnderTest } from './store/driver.ts';
import { freezeContract } from './store/freeze.ts';
import { intentsContract } from './store/intents.ts';
import { leasesContract } from './store/leases.ts';
import { looksContract } from './store/looks.ts';
import { machineHoursContract } from './store/machine-hours.ts';
import { matchingContract } from './store/matching.ts';
import { poolsContract } from './store/pools.ts';
import { racesContract } from './store/races.ts';
import { recoveryContract } from './store/recovery.ts';
import { retriesContract } from './store/retries.ts';
import { setAsideContract } from './store/set-aside.ts';
import { stepsContract } from './store/steps.ts';
import { leftOversContract } from './store/left-overs.ts';
import { sweepBrakesContract } from './store/sweep-brakes.ts';
import { sweepContract } from './store/sweep.ts';

/** What every store with its outbox must do; run for the database and for the one in memory. */
export function defineStoreContract(name: string, setup: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the store's contract`, () => {
    let under: StoreUnderTest;
    let driver: Driver;
    beforeAll(async () => {
      under = await setup();
    });
    // Each test has a pool, lanes and ids of its own.
    beforeEach(() => {
      driver = createDriver(under);
    });
    afterAll(async () => {
      await under.close();
    });
    const given = (): Driver => driver;
    for (const contract of CONTRACTS) contract(given);
  });
}

const CONTRACTS = [
  stepsContract,
  intentsContract,
  batchesContract,
  looksContract,
  leasesContract,
  matchingContract,
  poolsContract,
  recoveryContract,
  sweepContract,
  sweepBrakesContract,
  leftOversContract,
  retriesContract,
  freezeContract,
  setAsideContract,
  machineHoursContract,
  bellsContract,
  racesContract,
];

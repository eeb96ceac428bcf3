import { createCallLog } from '../../../src/emulators/call-log.ts';
import type { CallRecord } from '../../../src/emulators/call-log.ts';
import type { Durations } from '../../../src/emulators/ec2/durations.ts';
import { createEc2Emulator } from '../../../src/emulators/ec2/emulator.ts';
import type { Ec2Emulator } from '../../../src/emulators/ec2/emulator.ts';
import { createFaults } from '../../../src/emulators/faults.ts';
import type { Faults } from '../../../src/emulators/faults.ts';
import type { Guests } from '../../../src/emulators/guests.ts';
import { createRandomness } from '../../../src/emulators/randomness.ts';
import { createScaledClock } from '../../../src/emulators/scaled-clock.ts';
import type { Placement, Provider } from '../../../src/fleet/provider.ts';
import { createAwsEc2Provider } from '../../../src/providers/aws-ec2/provider.ts';
import type { AwsOptions } from '../../../src/providers/aws-ec2/placement.ts';
import { createInMemoryBudgets } from '../in-memory-budgets.ts';

export interface EmulatedEc2 {
  emulator: Ec2Emulator;
  endpoint: string;
  faults: Faults;
  /** Calls that have arrived, in order. */
  calls(action?: string): readonly CallRecord[];
  /** A provider of this installation, whose budgets live in the time that `passBudgetMs` moves. */
  providerOf(installation: string, options?: AwsOptions): Provider;
  passBudgetMs(ms: number): void;
  placement: Placement;
  close(): Promise<void>;
}

/** Cloud time against real time. */
const SPEED = 500;
export const CREDENTIALS = { accessKeyId: 'AKIADROVERTEST', secretAccessKey: 'not-a-secret' };

/** An EC2 emulator in this process, and providers that call it. */
export async function createEmulatedEc2(
  settings: { hiddenDescribes?: number; durations?: Partial<Durations> } = {},
): Promise<EmulatedEc2> {
  const randomness = createRandomness(1);
  const log = createCallLog();
  const faults = createFaults(randomness);
  const clock = createScaledClock(SPEED, Date.now);
  const options = { accessKeyId: CREDENTIALS.accessKeyId, ...settings };
  const emulator = createEc2Emulator({ clock, randomness, log, faults, guests: NO_GUESTS, options });
  const endpoint = await emulator.listen(0);
  const providers: Provider[] = [];
  let budgetMs = 0;
  const budgets = createInMemoryBudgets(() => budgetMs);
  return {
    emulator,
    endpoint,
    faults,
    calls: (action) =>
      log
        .records()
        .filter((each) => each.type === 'call')
        .filter((call) => action === undefined || call.operation === action),
    providerOf(installation, more = {}) {
      const provider = createAwsEc2Provider({
        installation,
        budgets,
        clock: { now: () => new Date() },
        credentials: CREDENTIALS,
        options: { endpoint, lookEveryMs: 5, visibilityDelayMs: 300, refillFactor: SPEED, ...more },
      });
      providers.push(provider);
      return provider;
    },
    passBudgetMs: (ms) => void (budgetMs += ms),
    placement: placementIn(emulator),
    async close() {
      await Promise.all(providers.map((provider) => provider.close()));
      await emulator.close();
      await log.close();
    },
  };
}

/** Nobody probes these machines: providers only hear what the cloud says of them. */
const NO_GUESTS: Guests = {
  open: () => Promise.resolve(),
  close: () => Promise.resolve(),
  closeAll: () => Promise.resolve(),
};

function placementIn({ catalogue }: Ec2Emulator): Placement {
  const spec = {
    region: catalogue.region,
    subnetId: catalogue.subnets[0]?.id ?? '',
    securityGroupIds: [catalogue.securityGroups[0]?.id ?? ''],
    imageId: catalogue.images[0]?.id ?? '',
    instanceType: 'm7i.large',
    address: 'private',
  };
  return { pool: 'linux', name: 'ireland', provider: 'aws-ec2', spec };
}

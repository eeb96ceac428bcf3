import type { Pool } from '../fleet/pool.ts';
import { VERBS, type Verb } from '../fleet/provider.ts';
import type { CloudPlan } from './cloud/cloud-world.ts';
import { CALL_FAULTS, FAULTS, type Fault } from './faults.ts';
import type { Randomness } from './randomness.ts';
import type { ClientPlan, Plan } from './world.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** Deadlines short enough to pass within a run. */
const DEADLINES: Pool['deadlines'] = {
  requested: 40 * SECOND,
  provisioning: 50 * SECOND,
  booting: 40 * SECOND,
  ready: 5 * MINUTE,
  stopping: 30 * SECOND,
  stopped: 20 * SECOND,
  released: 20 * SECOND,
  resetting: 40 * SECOND,
  parked: 2 * MINUTE,
  quarantined: 90 * SECOND,
};

/** Draws a fleet, its cloud, its users and its misfortunes. */
export function drawPlan(random: Randomness): Plan {
  const pools = random.chance(0.5) ? [drawPool(random, 'a')] : [drawPool(random, 'a'), drawPool(random, 'b')];
  const faults = drawFaults(random);
  // A refused deletion must not hold up its neighbours beyond their deadline; one that is missed anyway would.
  if (pools.some((pool) => pool.deadlines.deleting === BRIEF_MS))
    for (const fault of REFUSALS) delete faults[fault];
  return {
    pools,
    faults,
    cloud: drawCloud(random),
    settings: {
      ...{
        claimMs: random.pick([1, 3, 10].map((each) => each * SECOND)) ?? SECOND,
        windowMs: 50,
        reconcileMs: 5 * SECOND,
      },
      ...{ sweepMs: 5 * SECOND, sweepGraceMs: 8 * SECOND, retentionMs: 7 * 24 * 60 * MINUTE },
    },
    processes: random.between(2, 3),
    clients: Array.from({ length: random.between(4, 9) }, (_, index) => drawClient(random, pools, index)),
    chaosMs: random.between(60, 150) * SECOND,
    blows: random.between(4, 30),
  };
}

const BRIEF_MS = 30 * SECOND;
const REFUSALS: readonly Fault[] = ['refused', 'unavailable', 'undeletable'];

function drawPool(random: Randomness, name: string): Pool {
  const placements = ['here', 'there'].slice(0, random.between(1, 2));
  const resets = random.chance(0.7);
  // A deletion's own deadline is far beyond a run's faults, but for runs that are to see it pass.
  const deleting = random.chance(0.2) ? BRIEF_MS : 30 * MINUTE;
  return {
    ...{ name, platform: 'linux', arch: 'x64', tags: [] },
    ...{
      minIdle: random.between(0, 1),
      max: random.between(1, 4),
      idleTimeoutMs: random.between(5, 60) * SECOND,
    },
    recycle: resets ? 'reset' : 'delete',
    halt: random.chance(0.6) ? 'power-off' : 'none',
    maxUses: random.chance(0.3) ? 2 : null,
    maxMachineHoursPerDay: null,
    probe: { kind: 'tcp', port: 8000, intervalMs: 1000 },
    deadlines: { ...DEADLINES, deleting },
    placements: placements.map((place) => ({ pool: name, name: place, provider: 'memory', spec: {} })),
    ...{ owner: 'api', draining: false },
  };
}

/** As the clouds of today are, and one that remembers everything. */
const REMEMBERED: readonly (readonly Verb[])[] = [['launch', 'delete'], ['launch', 'reset', 'delete'], VERBS];

function drawCloud(random: Randomness): CloudPlan {
  return {
    actMs: random.between(100, 6000),
    lagMs: random.chance(0.5) ? 0 : random.between(500, 6000),
    replaySafe: random.pick(REMEMBERED) ?? VERBS,
    lanes: random.chance(0.5) ? 'set' : 'verb',
    listsGone: random.chance(0.5),
  };
}

const HABITS: readonly ClientPlan['habit'][] = ['none', 'none', 'none', 'cancels', 'vanishes'];

function drawClient(random: Randomness, pools: readonly Pool[], index: number): ClientPlan {
  return {
    // The first two letters are its owner's.
    name: `o${index % 3}-${index}`,
    pool: random.pick(pools)?.name ?? 'a',
    priority: random.between(0, 1),
    startsInMs: random.between(0, 60) * SECOND,
    holdsMs: random.between(1, 25) * SECOND,
    waitTimeoutMs: random.between(20, 180) * SECOND,
    habit: random.pick(HABITS) ?? 'none',
  };
}

/** Each run has some faults only, so that each is met without the others, too. */
function drawFaults(random: Randomness): Plan['faults'] {
  const drawn: Plan['faults'] = {};
  for (const fault of FAULTS) if (random.chance(0.6)) drawn[fault] = rateOf(random, fault);
  return drawn;
}

/** What goes to the heart of the claims comes more often than the rest. */
const OFTEN: Partial<Record<Fault, number>> = {
  pausedWorker: 4,
  duplicateJob: 3,
  operatorIntent: 3,
  slowCall: 2,
};

const OF_A_CALL: readonly Fault[] = [
  ...CALL_FAULTS,
  'lockLost',
  'slowNetwork',
  'partialLaunch',
  'slowLaunch',
  'resetFailed',
  'silentGuest',
  'leftOver',
];

function rateOf(random: Randomness, fault: Fault): number {
  // Where one call in five is slow, claims run out all the time.
  if (fault === 'slowNetwork') return random.chance(0.2) ? 0.2 : random.between(1, 4) / 100;
  // With locks that keep nobody out, what is left are the claims.
  if (fault === 'lockLost') return random.chance(0.5) ? 0.99 : 0.1;
  return OF_A_CALL.includes(fault) ? random.between(3, 15) / 100 : (OFTEN[fault] ?? 1) * random.between(1, 3);
}

import { createRandomness, type Randomness } from '../../explore/randomness.ts';
import { CALL_FAULTS, CALL_FAULTS_OF, type CallFault, type CallFaultName } from './cloud-faults.ts';

/**
 * What falls on processes and servers, and how much of the plan's time each takes. A process that is paused stays so
 * for longer, while other blows fall.
 */
const TAKES_MS = {
  workerKilled: 1500,
  workerPaused: 1500,
  workerKilledWhileSending: 2500,
  workerPausedWhileSending: 2500,
  workerRestarted: 800,
  apiKilled: 1500,
  apiPaused: 1500,
  apiRestarted: 800,
  redisKilled: 2500,
  redisEmptied: 1500,
  redisPaused: 4000,
  postgresKilled: 3500,
  postgresAway: 23_000,
  connectionsCut: 1000,
  evicted: 150,
  vanished: 150,
  capacityLimited: 150,
} as const;

const CALL_FAULT_MS = 100;
const WARM_UP_MS = 3000;
const GAP_MOST_MS = 150;
/** Nothing new falls in the last moments, so that all of it falls within the time that was asked for. */
const TAIL_MS = 500;

export type DirectBlow = keyof typeof TAKES_MS;
export type BlowKind = DirectBlow | CallFaultName;

/** Every kind of blow, in the order of the report. */
export const BLOW_KINDS: readonly BlowKind[] = [...keysOf(TAKES_MS), ...keysOf(CALL_FAULTS)];

export type Blow =
  | { kind: DirectBlow; atMs: number; takesMs: number }
  | { kind: CallFaultName; atMs: number; takesMs: number; fault: CallFault };

/**
 * When what falls: deck after deck of the kinds, each shuffled anew, for as long as the minutes last. Each call fault
 * comes once a deck for each cloud. The same seed gives the same plan; times count from the beginning and never go
 * back, and each blow has the time it takes before the next.
 */
export function planBlows({ seed, minutes }: { seed: number; minutes: number }): Blow[] {
  const draw = createRandomness(seed);
  const endMs = minutes * 60_000 - TAIL_MS;
  const plan: Blow[] = [];
  let atMs = WARM_UP_MS;
  for (let deck = 0; atMs < endMs; deck += 1) {
    for (const blow of shuffled(makeDeck(deck), draw)) {
      if (atMs + blow.takesMs <= endMs) plan.push({ ...blow, atMs });
      atMs += blow.takesMs + draw.between(0, GAP_MOST_MS);
    }
  }
  return plan;
}

type Card = Blow extends infer Each ? (Each extends Blow ? Omit<Each, 'atMs'> : never) : never;

/**
 * Decks take turns in what exactly a fault of a kind hits, so that a long run goes through all of it. Every other one
 * goes without PostgreSQL's long absence: nothing else can be hit while that lasts.
 */
function makeDeck(turn: number): Card[] {
  const direct = keysOf(TAKES_MS)
    .filter((kind) => kind !== 'postgresAway' || turn % 2 === 0)
    .map((kind): Card => ({ kind, takesMs: TAKES_MS[kind] }));
  const faults = keysOf(CALL_FAULTS).flatMap((kind) =>
    (['aws', 'azure'] as const).flatMap((cloud): Card[] => {
      const possible = CALL_FAULTS_OF[kind].filter((fault) => fault.cloud === cloud);
      const fault = possible[turn % Math.max(1, possible.length)];
      return fault === undefined ? [] : [{ kind, takesMs: CALL_FAULT_MS, fault }];
    }),
  );
  return [...direct, ...faults];
}

function shuffled<T>(items: readonly T[], draw: Randomness): T[] {
  return items
    .map((item) => ({ item, rank: draw.between(0, 2 ** 30) }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}

function keysOf<T extends object>(table: T): (keyof T & string)[] {
  // Object.keys of a literal table answers its own names.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.keys(table) as (keyof T & string)[];
}

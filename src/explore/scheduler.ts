import type { Clock } from '../fleet/ports.ts';
import type { Randomness } from './randomness.ts';

/** One run of a program: a process that crashes never comes back, its successor is another one. */
export interface Process {
  readonly name: string;
  state: 'running' | 'paused' | 'gone';
  /** Answers that arrived while it was paused. */
  readonly held: (() => void)[];
}

interface Pending {
  owner: Process | null;
  atMs: number;
  label: string;
  /** A call that has left its process: a pause does not keep it from being executed. */
  sent: boolean;
  fire(): void | Promise<void>;
  /** Tells the caller, who is gone, that its connection broke; only where somebody cleans up after it. */
  cut: (() => void) | undefined;
}

/** Something that could happen now, besides the calls under way. */
export interface Choice {
  label: string;
  fire(): void | Promise<void>;
}

export interface Scheduler {
  clock: Clock;
  nowMs(): number;
  /** How much has happened. */
  steps(): number;
  trace: readonly string[];
  note(line: string): void;
  start(name: string): Process;
  /**
   * A port call of a process: executed when the scheduler chooses it, no sooner than in `delayMs`. Its caller hears of
   * it unless it is gone by then.
   */
  call<T>(owner: Process, call: Call<T>): Promise<T>;
  /** Fires once, in `inMs` or later; never once its owner is gone. */
  timer(owner: Process | null, inMs: number, choice: Choice): void;
  /** Adds what can happen besides calls and timers; the answer takes it back. */
  offer(choices: () => readonly Choice[]): () => void;
  /** Calls under way of processes that are still there. */
  underWay(): readonly UnderWay[];
  pause(process: Process): void;
  resume(process: Process): void;
  /** What it had sent may still be executed, late; nobody hears of it. Answers how many calls that is. */
  crash(process: Process): number;
  /** Asks how much longer than usual each call is to take from now on. */
  slowDown(slowMs: () => number): void;
  /** Puts one call under way that has this word off by this long; false where there is none. */
  slow(word: string, byMs: number): boolean;
  jump(byMs: number): void;
  /** Real work begins that is no call: until it is let go, time stands still and nothing else happens. */
  hold(): () => void;
  /** Resolves once all code waits for what this scheduler may let happen. */
  settled(): Promise<void>;
  /** Lets one thing happen, or time pass until something can; false where nothing ever will. */
  step(): Promise<boolean>;
}

export interface UnderWay {
  owner: Process;
  label: string;
}

interface Call<T> {
  label: string;
  run(): T | Promise<T>;
  delayMs?: number;
  /** A few words about the result, for the trace. */
  brief?: (result: T) => string;
  /** True where the caller's code must learn of its own end, as a database learns of a broken connection. */
  breaks?: boolean;
}

const LATE_MOST_MS = 20_000;

/** A virtual clock and a seeded choice of what happens next: the same seed makes the same choices. */
export function createScheduler(random: Randomness, epochMs: number): Scheduler {
  const world: World = {
    random,
    slowMs: () => 0,
    nowMs: epochMs,
    steps: 0,
    pending: [],
    offers: new Set(),
    holds: new Set(),
    trace: [],
  };
  const trace = world.trace;
  return {
    ...{
      clock: { now: () => new Date(world.nowMs) },
      trace,
      nowMs: () => world.nowMs,
      steps: () => world.steps,
    },
    note: (line) => void trace.push(`${world.nowMs - epochMs} ${line}`),
    start: (name) => ({ name, state: 'running', held: [] }),
    call: (owner, call) => send(world, owner, call),
    timer(owner, inMs, { label, fire }) {
      world.pending.push({ owner, atMs: world.nowMs + inMs, label, sent: false, fire, cut: undefined });
    },
    offer(choices) {
      world.offers.add(choices);
      return () => void world.offers.delete(choices);
    },
    underWay: () => world.pending.filter(isUnderWay),
    pause: (process) => pause(world, process),
    resume,
    crash: (process) => crash(world, process),
    slowDown: (slowMs) => void (world.slowMs = slowMs),
    slow: (word, byMs) => slow(world, word, byMs),
    jump: (byMs) => void (world.nowMs += byMs),
    hold: () => hold(world),
    settled: () => settled(world),
    step: () => step(world, epochMs),
  };
}

interface World {
  random: Randomness;
  slowMs(): number;
  nowMs: number;
  steps: number;
  pending: Pending[];
  offers: Set<() => readonly Choice[]>;
  holds: Set<Promise<void>>;
  trace: string[];
}

function hold({ holds }: World): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  holds.add(promise);
  return () => {
    holds.delete(promise);
    resolve();
  };
}

function pause(world: World, process: Process): void {
  process.state = 'paused';
  for (const each of world.pending) if (each.owner === process) each.sent = world.random.chance(0.5);
}

function resume(process: Process): void {
  if (process.state !== 'paused') return;
  process.state = 'running';
  for (const deliver of process.held.splice(0)) deliver();
}

function slow(world: World, word: string, byMs: number): boolean {
  const calls = world.pending.filter((each) => isUnderWay(each) && each.label.includes(word));
  const call = world.random.pick(calls);
  if (call !== undefined) call.atMs = Math.max(call.atMs, world.nowMs) + byMs;
  return call !== undefined;
}

function send<T>(world: World, owner: Process, call: Call<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    // Code of a process that is gone runs on to its next call and no further.
    if (owner.state === 'gone') return;
    const answer = (deliver: () => void): void => {
      if (owner.state === 'running') deliver();
      else if (owner.state === 'paused') owner.held.push(deliver);
    };
    world.pending.push({
      ...{
        owner,
        atMs: world.nowMs + (call.delayMs ?? 0) + world.slowMs(),
        label: `${owner.name} ${call.label}`,
        sent: false,
      },
      async fire() {
        try {
          const result = await call.run();
          if (call.brief !== undefined) world.trace.push(`${world.trace.pop()} = ${call.brief(result)}`);
          answer(() => resolve(result));
        } catch (error) {
          // oxlint-disable-next-line typescript/prefer-promise-reject-errors
          answer(() => reject(error));
        }
      },
      cut: () => {
        if (call.breaks === true) reject(new Error('its connection broke'));
      },
    });
  });
}

function crash(world: World, process: Process): number {
  const mine = world.pending.filter((each) => each.owner === process);
  world.pending = world.pending.filter((each) => each.owner !== process);
  process.state = 'gone';
  let late = 0;
  for (const each of mine) {
    if (each.cut === undefined) continue;
    each.cut();
    if (!world.random.chance(0.5)) continue;
    late += 1;
    const atMs = world.nowMs + world.random.between(1, LATE_MOST_MS);
    world.pending.push({ ...each, owner: null, atMs, label: `${each.label} (late)`, cut: undefined });
  }
  return late;
}

function isUnderWay(each: Pending): each is Pending & UnderWay {
  return each.cut !== undefined && each.owner !== null;
}

function isRunnable(each: Pending): boolean {
  if (each.owner === null || each.owner.state === 'running') return true;
  return each.owner.state === 'paused' && each.sent && each.cut !== undefined;
}

/** What can happen now; where nothing can, when something will. */
function look(world: World): { choices: (Pending | Choice)[]; nextMs: number } {
  const choices: (Pending | Choice)[] = [];
  let nextMs = Infinity;
  for (const each of world.pending) {
    if (!isRunnable(each)) continue;
    if (each.atMs <= world.nowMs) choices.push(each);
    else if (each.atMs < nextMs) nextMs = each.atMs;
  }
  for (const offer of world.offers) choices.push(...offer());
  return { choices, nextMs };
}

async function step(world: World, epochMs: number): Promise<boolean> {
  const { choices, nextMs } = look(world);
  const chosen = world.random.pick(choices);
  if (chosen === undefined) {
    if (nextMs === Infinity) return false;
    world.nowMs = Math.ceil(nextMs);
    return true;
  }
  // No two things happen in one millisecond: what came first is never in doubt.
  world.nowMs += world.random.between(1, 3);
  world.steps += 1;
  if ('atMs' in chosen) world.pending.splice(world.pending.indexOf(chosen), 1);
  world.trace.push(`${world.nowMs - epochMs} ${chosen.label}`);
  await chosen.fire();
  await settled(world);
  return true;
}

/** Lets all code run on until it waits for a port: everything it can wait for is one, or is held for. */
async function settled({ holds }: World): Promise<void> {
  await turn();
  while (holds.size > 0) {
    await Promise.all(holds);
    await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

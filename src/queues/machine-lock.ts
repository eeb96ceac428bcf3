import { randomUUID } from 'node:crypto';
import type { HeldLock, Locks } from '../fleet/ports.ts';
import type { RedisLine } from './connections.ts';

export interface MachineLocks extends Locks {
  stop(): void;
}

/** Takes every free key for its owner; answers 1 or 0 for each. */
const LOCK = `
local taken = {}
for i, key in ipairs(KEYS) do
  taken[i] = redis.call('set', key, ARGV[i + 1], 'NX', 'PX', ARGV[1]) and 1 or 0
end
return taken`;

/** Extends (or, with 0, removes) every key that is still its owner's; answers 1 or 0 for each. */
const KEEP = `
local kept = {}
for i, key in ipairs(KEYS) do
  kept[i] = 0
  if redis.call('get', key) == ARGV[i + 1] then
    if ARGV[1] == '0' then redis.call('del', key) else redis.call('pexpire', key, ARGV[1]) end
    kept[i] = 1
  end
end
return kept`;

interface Ask {
  key: string;
  owner: string;
  answer(done: boolean): void;
  fail(error: unknown): void;
}

/** Locks for many machines go to Redis in one script: what concurrent jobs ask in one turn is asked together. */
export function createMachineLocks(options: {
  connection: RedisLine;
  prefix: string;
  ttlMs: number;
}): MachineLocks {
  const ask = createAsking(options);
  const held = new Map<string, { owner: string; abort: AbortController }>();
  const lose = (key: string): void => {
    held.get(key)?.abort.abort(new Error('the machine lock was lost'));
    held.delete(key);
  };
  const renew = async (): Promise<void> => {
    const ttlMs = String(options.ttlMs);
    await Promise.all(
      [...held].map(async ([key, { owner }]) => {
        // A renewal that got no answer decides nothing: the next one, or the expiry, will.
        const kept = await ask(KEEP, { key, owner, ttlMs }).catch(() => true);
        if (!kept && held.get(key)?.owner === owner) lose(key);
      }),
    );
  };
  const timer = setInterval(() => void renew(), options.ttlMs / 3);
  timer.unref();
  return {
    async lock(name): Promise<HeldLock | undefined> {
      const key = `${options.prefix}:lock:${name}`;
      const owner = randomUUID();
      if (!(await ask(LOCK, { key, owner, ttlMs: String(options.ttlMs) }))) return undefined;
      // An earlier holder in this process has lost it without having heard.
      lose(key);
      const abort = new AbortController();
      held.set(key, { owner, abort });
      return {
        signal: abort.signal,
        async unlock() {
          if (held.get(key)?.owner === owner) held.delete(key);
          await ask(KEEP, { key, owner, ttlMs: '0' }).catch(() => false);
        },
      };
    },
    stop() {
      clearInterval(timer);
      for (const key of held.keys()) lose(key);
    },
  };
}

function createAsking(options: {
  connection: RedisLine;
}): (script: string, on: { key: string; owner: string; ttlMs: string }) => Promise<boolean> {
  const waiting = new Map<string, Ask[]>();
  const flush = (script: string, ttlMs: string, asks: readonly Ask[]): void => {
    const keys = asks.map((each) => each.key);
    const owners = asks.map((each) => each.owner);
    options.connection.eval(script, keys.length, ...keys, ttlMs, ...owners).then(
      (answers) => asks.forEach((each, index) => each.answer(Array.isArray(answers) && answers[index] === 1)),
      (error: unknown) => asks.forEach((each) => each.fail(error)),
    );
  };
  return (script, on) =>
    new Promise((resolve, reject) => {
      const group = `${on.ttlMs} ${script}`;
      const asks = waiting.get(group);
      const one: Ask = { ...on, answer: resolve, fail: reject };
      if (asks !== undefined) return void asks.push(one);
      waiting.set(group, [one]);
      setImmediate(() => {
        const taken = waiting.get(group) ?? [];
        waiting.delete(group);
        flush(script, on.ttlMs, taken);
      });
    });
}

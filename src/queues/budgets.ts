import type { Bucket, Budgets } from '../fleet/provider.ts';
import type { RedisLine } from './connections.ts';

/**
 * Takes tokens from a bucket that refills with Redis's own clock, so that all processes share one time. A bucket that
 * the cloud has throttled gives none before it may. Answers the milliseconds to wait; 0 where the tokens were taken.
 */
const TAKE = `
local time = redis.call('time')
local now = time[1] * 1000 + time[2] / 1000
local max, refill, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('hmget', KEYS[1], 'level', 'at', 'closedUntil')
local closed = tonumber(bucket[3] or 0)
if closed > now then return math.ceil(closed - now) end
local level = math.min(max, tonumber(bucket[1] or max) + (now - tonumber(bucket[2] or now)) * refill / 1000)
local wait = 0
if level < count then wait = math.ceil((count - level) / refill * 1000) else level = level - count end
redis.call('hset', KEYS[1], 'level', tostring(level), 'at', tostring(now))
redis.call('pexpire', KEYS[1], math.ceil(max / refill * 1000) + 60000)
return wait`;

/** Empties the bucket and closes it for as long as the cloud said. */
const CLOSE = `
local time = redis.call('time')
local now = time[1] * 1000 + time[2] / 1000
local closed = math.max(tonumber(redis.call('hget', KEYS[1], 'closedUntil') or 0), now + tonumber(ARGV[1]))
redis.call('hset', KEYS[1], 'level', '0', 'at', tostring(closed), 'closedUntil', tostring(closed))
redis.call('pexpire', KEYS[1], math.ceil(closed - now) + 3600000)
return 1`;

/** Token buckets that all processes of one installation share. */
export function createBudgets(options: { connection: RedisLine; prefix: string }): Budgets {
  const key = (bucket: Bucket): string => `${options.prefix}:budget:${bucket.key}`;
  return {
    async take(bucket, count) {
      // More than a bucket holds could never be taken: it goes when the bucket is full.
      const wanted = Math.min(count, bucket.max);
      const values = [String(bucket.max), String(bucket.refillPerSecond), String(wanted)];
      return Number(await options.connection.eval(TAKE, 1, key(bucket), ...values));
    },
    async throttled(bucket, retryAfterMs) {
      await options.connection.eval(CLOSE, 1, key(bucket), String(Math.max(0, retryAfterMs)));
    },
  };
}

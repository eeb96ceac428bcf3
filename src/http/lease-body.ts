import { createHash } from 'node:crypto';
import { Type, type Static, type TSchema } from 'typebox';
import { LEASE_STATES } from '../fleet/lifecycle.ts';
import { LEASE_DEFAULTS, RETRIES, type Lease, type LeaseRequest } from '../fleet/pool.ts';

const DAY_SECONDS = 24 * 60 * 60;

/** A word for people and programs: no control characters, which neither logs nor the database take. */
export const Word = (description: string) =>
  Type.String({ minLength: 1, maxLength: 100, pattern: '^[^\\u0000-\\u001f\\u007f]+$', description });
export const OrNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
export const Instant = () => Type.String({ format: 'date-time' });

const ON_LOST = ['fail', 'retry'] as const;

export const LeaseRequestBody = Type.Object(
  {
    pool: Type.Optional(Word('The pool by name.')),
    platform: Type.Optional(Word('Or any pool of this platform: windows, linux, darwin.')),
    arch: Type.Optional(
      Word('And this architecture: x64, x86, arm64. A 64-bit Windows machine serves x86 too.'),
    ),
    tags: Type.Optional(Type.Array(Word('A tag the pool carries.'), { maxItems: 32, uniqueItems: true })),
    priority: Type.Optional(
      Type.Integer({ minimum: -1000, maximum: 1000, description: 'Higher goes first. 0 unless given.' }),
    ),
    waitTimeoutSeconds: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 7 * DAY_SECONDS,
        description: 'How long it may stay pending. 900 unless given.',
      }),
    ),
    heartbeatTimeoutSeconds: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: DAY_SECONDS,
        description: 'How long it lives without a heartbeat. 120 unless given.',
      }),
    ),
    maxDurationSeconds: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 30 * DAY_SECONDS,
        description: 'How long it may be active at most. 14400 unless given.',
      }),
    ),
    onLost: Type.Optional(
      Type.Enum(ON_LOST, {
        description:
          'What follows where its machine is lost: nothing, or another lease of the same request. fail unless given.',
      }),
    ),
    maxRetries: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: RETRIES.most,
        description: `How often at most, with onLost retry. ${RETRIES.unlessGiven} unless given.`,
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'A pool by name, or what its machines must have; both narrow each other down.',
  },
);
export type LeaseRequestBody = Static<typeof LeaseRequestBody>;

export const LeaseBody = Type.Object({
  id: Type.String(),
  owner: Type.String(),
  state: Type.Enum(LEASE_STATES),
  outcome: OrNull(Type.String({ description: 'How it ended or, while ending, will end.' })),
  reason: OrNull(Type.String({ description: 'Why it failed, expired or was lost.' })),
  pools: Type.Array(Type.String(), { description: 'The pools that may serve it, in order.' }),
  pool: OrNull(Type.String()),
  machine: OrNull(Type.String()),
  address: OrNull(Type.String({ description: 'Where its machine is reached once it is active.' })),
  priority: Type.Integer(),
  requestedAt: Instant(),
  activeAt: OrNull(Instant()),
  endedAt: OrNull(Instant()),
  deadlineAt: OrNull(
    Type.String({
      format: 'date-time',
      description: 'When it ends unless something happens: a machine, a heartbeat.',
    }),
  ),
  heartbeatTimeoutSeconds: Type.Number(),
  maxDurationSeconds: Type.Number(),
  onLost: Type.Enum(ON_LOST),
  maxRetries: Type.Integer({ description: '0 where onLost is fail.' }),
  retries: Type.Integer({ description: 'How many leases before it were lost for the same request.' }),
  retryOf: OrNull(Type.String({ description: 'The lost lease it takes the place of.' })),
  retriedBy: OrNull(Type.String({ description: 'The lease that takes its place, once it is lost.' })),
});
export type LeaseBody = Static<typeof LeaseBody>;

/** A lease as it goes over the wire: instants as ISO 8601, durations in seconds. */
export function toLeaseBody(lease: Lease): LeaseBody {
  const { requestedAt, activeAt, endedAt, deadlineAt, heartbeatTimeoutMs, maxDurationMs, ...rest } = lease;
  return {
    ...rest,
    pools: [...lease.pools],
    requestedAt: requestedAt.toISOString(),
    activeAt: toInstant(activeAt),
    endedAt: toInstant(endedAt),
    deadlineAt: toInstant(deadlineAt),
    heartbeatTimeoutSeconds: heartbeatTimeoutMs / 1000,
    maxDurationSeconds: maxDurationMs / 1000,
    onLost: lease.maxRetries > 0 ? 'retry' : 'fail',
  };
}

export function toInstant(date: Date | null): string | null {
  return date === null ? null : date.toISOString();
}

/** The request a body stands for, with the defaults of what it leaves out. */
export function toLeaseRequest(
  body: LeaseRequestBody,
  who: { owner: string; idempotencyKey: string | null },
): LeaseRequest {
  const { pool, platform, arch, tags } = body;
  return {
    ...who,
    selector: {
      ...(pool !== undefined && { pool }),
      ...(platform !== undefined && { platform }),
      ...(arch !== undefined && { arch }),
      ...(tags !== undefined && { tags }),
    },
    priority: body.priority ?? LEASE_DEFAULTS.priority,
    waitTimeoutMs: toMs(body.waitTimeoutSeconds, LEASE_DEFAULTS.waitTimeoutMs),
    heartbeatTimeoutMs: toMs(body.heartbeatTimeoutSeconds, LEASE_DEFAULTS.heartbeatTimeoutMs),
    maxDurationMs: toMs(body.maxDurationSeconds, LEASE_DEFAULTS.maxDurationMs),
    maxRetries:
      body.onLost === 'retry' ? (body.maxRetries ?? RETRIES.unlessGiven) : LEASE_DEFAULTS.maxRetries,
  };
}

function toMs(seconds: number | undefined, defaultMs: number): number {
  return seconds === undefined ? defaultMs : Math.round(seconds * 1000);
}

/** Whoever limits retries expects some: to leave them out in silence would be found out when a machine is lost. */
export function mayRetry({ onLost, maxRetries }: LeaseRequestBody): boolean {
  return onLost === 'retry' || maxRetries === undefined;
}

export const RETRIES_NOTHING = {
  status: 422,
  code: 'retries_nothing',
  message: 'The request limits its retries, and does not ask for any.',
  hint: 'Give onLost retry with maxRetries, or leave out both.',
  field: 'maxRetries',
  rule: 'needs-retry',
} as const;

/**
 * What a repeated request is recognised by: its fields as sent, in whatever order. Defaults are left out, so that a
 * new version's defaults do not turn a repetition into a conflict.
 */
export function digestOf(body: LeaseRequestBody): string {
  const fields = Object.entries({ ...body, ...(body.tags && { tags: body.tags.toSorted() }) });
  const canonical = JSON.stringify(fields.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(canonical).digest('hex');
}

import Type, { type Static, type TObject, type TSchema, type TUnsafe } from 'typebox';
import { duration } from './durations.ts';
import { machineHours } from './machine-hours.ts';
import { placementObject, type ProviderRules } from './provider-rules.ts';

/** A placement as the file has it: the fields beside name and provider are the provider's own. */
export type RawPlacement = { name: string; provider: string } & Record<string, unknown>;

export type RawProbe =
  | { kind: 'tcp'; port: number; interval: string | number }
  | { kind: 'http'; port: number; path: string; interval: string | number }
  | { kind: 'none' };

/** What machines run on, and what requests may ask for. */
export const PLATFORMS = ['windows', 'linux', 'darwin'] as const;
export const ARCHES = ['x86', 'x64', 'arm64'] as const;

/** When each state is overdue where a pool says nothing else: the domain's own numbers, which a test compares. */
export const DEADLINES = {
  requested: '10m',
  provisioning: '15m',
  booting: '10m',
  ready: '1d',
  stopping: '5m',
  stopped: '1m',
  released: '1m',
  resetting: '15m',
  parked: '7d',
  quarantined: '1d',
  deleting: '15m',
} as const;

export type DeadlineState = keyof typeof DEADLINES;

export const DEADLINE_STATES = [
  'requested',
  'provisioning',
  'booting',
  'ready',
  'stopping',
  'stopped',
  'released',
  'resetting',
  'parked',
  'quarantined',
  'deleting',
] as const satisfies readonly DeadlineState[];

/** Between two tries of a readiness probe. */
export const PROBE_INTERVAL = '5s';

const closed = { additionalProperties: false, 'x-fix': 'write its keys below it, each as "key: value"' };
const NAME = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$';
const NAME_RULE = 'must be 1 to 63 lower-case letters, digits and inner dashes';

/** The schema of a whole pools file, for the parser and for editors alike. */
export function poolsFileSchema(providers: readonly ProviderRules[]) {
  return Type.Array(poolSchema(providers), {
    title: 'drover pools',
    description: 'Pools of machines that are alike. Removing a pool from the file drains it.',
    'x-rule': 'must be a list of pools',
    'x-fix': 'begin each pool with "- name:" at the start of a line',
  });
}

export type RawPool = Static<ReturnType<typeof poolSchema>>;

function poolSchema(providers: readonly ProviderRules[]) {
  return Type.Object(
    {
      name: name('What leases and reports call the pool.', 'win10-x64'),
      platform: Type.Enum([...PLATFORMS], { description: 'What runs on its machines.' }),
      arch: Type.Enum([...ARCHES], { description: 'Their processor.', default: 'x64' }),
      tags: tags(),
      minIdle: count('Ready machines kept waiting although nobody asks.', { minimum: 0, default: 0 }),
      max: count('The most machines at once.', { minimum: 1, examples: [20] }),
      idleTimeout: duration('How long a machine above minIdle may stay ready before it is retired.', {
        default: '15m',
        limits: { minMs: 0 },
      }),
      recycle: Type.Enum(['reset', 'delete'], {
        description: 'What happens to a machine after a lease: cleaned and used again, or deleted.',
        default: 'delete',
      }),
      halt: Type.Enum(['power-off', 'none'], {
        description:
          "How a stop ends the user's work: powered off, or nothing where the next step ends it anyway.",
        default: 'power-off',
      }),
      maxUses: Type.Optional(maxUses()),
      maxMachineHoursPerDay: Type.Optional(maxMachineHoursPerDay()),
      probe: probe(),
      deadlines: deadlines(),
      bootTimeout: Type.Optional(
        duration('How long a machine may boot: short for deadlines.booting.', { example: '10m' }),
      ),
      maxAge: Type.Optional(
        duration(
          'How long a machine may wait ready before a fresh one takes its place: short for deadlines.ready.',
          {
            example: '12h',
          },
        ),
      ),
      placements: placements(providers),
    },
    closed,
  );
}

function name(description: string, example: string) {
  return Type.String({ pattern: NAME, description, examples: [example], 'x-rule': NAME_RULE });
}

function count(description: string, options: { minimum: number; default?: number; examples?: number[] }) {
  return Type.Integer({
    maximum: 100_000,
    description,
    'x-rule': `must be a whole number from ${options.minimum} to 100000`,
    examples: [options.default ?? 10],
    ...options,
  });
}

function tags() {
  const tag = Type.String({
    pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$',
    examples: ['office2021'],
    'x-rule': 'must be 1 to 63 letters, digits, dots, dashes, colons and underscores',
  });
  const description = 'What requests may ask for beside platform and arch.';
  return Type.Array(tag, { description, uniqueItems: true, default: [] });
}

function maxUses() {
  return count('A machine is retired after this many leases; no limit without it.', { minimum: 1 });
}

function maxMachineHoursPerDay() {
  const description =
    'Nothing is launched while its machines have existed for so many hours since midnight UTC.';
  return machineHours(description, { example: 200 });
}

function probe(): TUnsafe<RawProbe> {
  const port = Type.Integer({
    minimum: 1,
    maximum: 65_535,
    description: "The guest's port.",
    examples: [8000],
    'x-rule': 'must be a whole number from 1 to 65535',
  });
  const interval = duration('Between two tries.', { default: PROBE_INTERVAL, limits: { minMs: 100 } });
  const path = Type.String({
    pattern: '^/[!-~]*$',
    description: 'Answers with a status from 200 to 399 once the guest is ready.',
    examples: ['/health'],
    default: '/',
    'x-rule': 'must begin with / and hold no spaces',
  });
  return Type.Unsafe<RawProbe>({
    type: 'object',
    description: 'How a machine shows that it is ready to be leased.',
    examples: [{ kind: 'tcp', port: 8000 }],
    required: ['kind'],
    discriminator: { propertyName: 'kind' },
    oneOf: [
      Type.Object({ kind: Type.Literal('tcp'), port, interval: Type.Optional(interval) }, closed),
      Type.Object(
        { kind: Type.Literal('http'), port, path: Type.Optional(path), interval: Type.Optional(interval) },
        closed,
      ),
      Type.Object({ kind: Type.Literal('none') }, closed),
    ],
  });
}

function deadlines() {
  const entries = Object.entries(DEADLINES).map(([state, ms]): [string, TSchema] => [
    state,
    Type.Optional(duration(`How long a machine may be ${state}.`, { default: ms })),
  ]);
  return Type.Unsafe<Partial<Record<DeadlineState, string | number>>>(
    Type.Object(Object.fromEntries(entries), {
      ...closed,
      description: 'When each state is overdue and its recovery begins; leases have clocks of their own.',
      default: {},
    }),
  );
}

function placements(providers: readonly ProviderRules[]): TUnsafe<RawPlacement[]> {
  const item = {
    type: 'object',
    required: ['name', 'provider'],
    discriminator: { propertyName: 'provider' },
    oneOf: providers.map(placementSchema),
  };
  return Type.Unsafe<RawPlacement[]>({
    type: 'array',
    items: item,
    minItems: 1,
    description: 'Where machines may come from, in order of preference.',
  });
}

function placementSchema(provider: ProviderRules): TSchema {
  const own: TObject & { additionalProperties?: boolean | TSchema } = placementObject(provider);
  return {
    ...own,
    title: `placement at ${provider.name}`,
    properties: {
      name: name('What reports call the placement; once in a pool.', 'eu-west-1a'),
      provider: Type.Literal(provider.name),
      ...own.properties,
    },
    required: ['name', 'provider', ...(own.required ?? [])],
    additionalProperties: own.additionalProperties ?? false,
  };
}

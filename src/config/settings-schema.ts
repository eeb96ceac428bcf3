import Type, { type Static, type TProperties, type TSchema } from 'typebox';
import { duration } from './durations.ts';
import { machineHours } from './machine-hours.ts';
import type { ProviderRules } from './provider-rules.ts';

/** The queues, in the order of a machine's life. */
export type Queue = 'provision' | 'stop' | 'release' | 'delete' | 'batch' | 'scale' | 'reconcile';

const CONCURRENCY: Readonly<Record<Queue, number>> = {
  provision: 100,
  stop: 200,
  release: 300,
  delete: 100,
  batch: 20,
  scale: 4,
  reconcile: 1,
};

const closed = { additionalProperties: false, 'x-fix': 'write its keys below it, each as "key: value"' };

/**
 * Every setting: what drover.yaml may hold, which variable sets it (`x-variable`, which wins over the file; with
 * `x-ambient` one that the system sets), its default and its rule. A test compares `.env.example` with this.
 */
export function settingsSchema(providers: readonly ProviderRules[]) {
  return Type.Object(
    {
      installation: Type.Optional(installation()),
      log: section({ level: logLevel() }),
      http: section({ host: httpHost(), port: httpPort() }),
      databaseUrl: Type.Optional(databaseUrl('DATABASE_URL', DATABASE)),
      databaseDirectUrl: Type.Optional(databaseUrl('DATABASE_DIRECT_URL', DIRECT)),
      redisUrl: Type.Optional(redisUrl()),
      redisPrefix: Type.Optional(redisPrefix()),
      pools: Type.Optional(
        path('DROVER_POOLS', 'The pools file; ./pools.yaml where it is there.', './pools.yaml'),
      ),
      maxMachineHoursPerDay: Type.Optional(maxMachineHoursPerDay()),
      tokenFile: path('DROVER_TOKEN_FILE', 'Where a token that drover made is written.', './.drover/token'),
      tokens: tokens(),
      client: client(),
      work: work(),
      concurrency: concurrency(),
      places: places(),
      providers: providerSections(providers),
    },
    closed,
  );
}

export type RawSettings = Static<ReturnType<typeof settingsSchema>>;

/** The part that is enough for a command which only talks to a server. */
export function clientSchema() {
  return Type.Object({ client: client() });
}

function section<T extends TProperties>(properties: T) {
  return Type.Object(properties, { ...closed, default: {} });
}

function installation() {
  return Type.String({
    pattern: '^[A-Za-z0-9]([A-Za-z0-9-]{0,38}[A-Za-z0-9])?$',
    description:
      'Marks everything this installation makes in a cloud; two that share an account need two ids.',
    examples: ['detonation-1'],
    'x-variable': 'DROVER_INSTALLATION',
    'x-rule': 'must be 1 to 40 letters, digits and inner dashes',
  });
}

function logLevel() {
  return Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'The least serious messages that are logged.',
    'x-variable': 'DROVER_LOG_LEVEL',
  });
}

function httpHost() {
  return Type.String({
    pattern: '^[A-Za-z0-9.:_-]{1,253}$',
    default: '127.0.0.1',
    description: 'The address that API, pages and board listen at; 0.0.0.0 for every one.',
    examples: ['127.0.0.1'],
    'x-variable': 'DROVER_HTTP_HOST',
    'x-rule': 'must be a host name or an address',
  });
}

function httpPort() {
  return Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: 8420,
    description: 'Their port; 0 for any that is free.',
    examples: [8420],
    'x-variable': 'DROVER_HTTP_PORT',
    'x-rule': 'must be a whole number from 0 (any free port) to 65535',
  });
}

const DATABASE = 'The server to use; without it an embedded one is started.';
const DIRECT = 'The same database past a connection pooler, where DATABASE_URL leads to one.';

/** A server's address, which may hold a password: no message repeats it. */
function databaseUrl(variable: string, description: string) {
  return Type.String({
    description,
    examples: ['postgres://USER:PASSWORD@HOST/DATABASE'],
    'x-secret': true,
    'x-url': ['postgres:', 'postgresql:'],
    'x-variable': variable,
    'x-rule': 'must be an address that begins with postgres:// or postgresql://',
  });
}

/** One server, or several with sentinels or as a cluster; it may hold a password, too. */
function redisUrl() {
  return Type.String({
    description: 'The Redis to use; without it an embedded one is started.',
    examples: ['redis://USER:PASSWORD@HOST:6379'],
    'x-secret': true,
    'x-redis': true,
    'x-variable': 'REDIS_URL',
  });
}

function redisPrefix() {
  return Type.String({
    pattern: '^[A-Za-z0-9_{}-]{1,64}$',
    description: "Begins the name of each key in Redis; the installation's id without it.",
    examples: ['detonation-1'],
    'x-variable': 'DROVER_REDIS_PREFIX',
    'x-rule': 'must be 1 to 64 letters, digits, dashes, underscores and braces',
  });
}

function path(variable: string, description: string, example: string) {
  return Type.String({
    minLength: 1,
    description,
    default: example,
    examples: [example],
    'x-variable': variable,
  });
}

function maxMachineHoursPerDay() {
  const description =
    'Nothing is launched in the whole fleet while its machines have existed for so many hours since midnight UTC.';
  return machineHours(description, { example: 1000, variable: 'DROVER_MAX_MACHINE_HOURS_PER_DAY' });
}

function tokens() {
  const token = Type.Object(
    {
      owner: Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$',
        description: 'Whose leases these are.',
        examples: ['ci'],
        'x-rule': 'must be 1 to 63 letters, digits, dots, dashes, underscores and @',
      }),
      sha256: Type.String({
        pattern: '^[0-9a-f]{64}$',
        description: "The token's SHA-256 in hexadecimal, never the token itself.",
        'x-secret': true,
        'x-rule': 'must be 64 lower-case hexadecimal digits',
        'x-fix': 'write the SHA-256 of the token, as printf %s TOKEN | sha256sum prints it',
      }),
      operator: Type.Boolean({ default: false, description: "May act on machines and on others' leases." }),
    },
    closed,
  );
  return Type.Array(token, { default: [], description: 'Who may use the API, beside DROVER_TOKEN.' });
}

function client() {
  return section({
    url: Type.String({
      default: 'http://127.0.0.1:8420',
      description: 'The server that the command line talks to.',
      examples: ['http://127.0.0.1:8420'],
      'x-secret': true,
      'x-url': ['http:', 'https:'],
      'x-variable': 'DROVER_URL',
      'x-rule': 'must be an address that begins with http:// or https://',
    }),
    token: Type.Optional(
      Type.String({
        pattern: '^[!-~]{16,512}$',
        description: "An operator's token: the server accepts it, the command line sends it.",
        'x-secret': true,
        'x-variable': 'DROVER_TOKEN',
        'x-rule': 'must be 16 to 512 printable characters without spaces',
        'x-fix': 'make one, for example with openssl rand -hex 32',
      }),
    ),
  });
}

function work() {
  const pace = (name: string, description: string, [usual, minMs, maxMs]: [string, number, number]) =>
    duration(description, { default: usual, limits: { minMs, maxMs }, variable: `DROVER_WORK_${name}` });
  return section({
    claim: pace('CLAIM', 'How long a claim holds without being renewed.', ['30s', 1000, 300_000]),
    window: pace('WINDOW', "How long an idle lane's batch collects members.", ['50ms', 0, 250]),
    reconcile: pace('RECONCILE', 'Between two rounds of reconcile.', ['5s', 100, 600_000]),
    sweep: pace('SWEEP', 'Between two sweeps of one placement.', ['60s', 1000, 86_400_000]),
    sweepGrace: pace(
      'SWEEP_GRACE',
      'An unknown instance must be seen twice, this far apart, before it is condemned.',
      ['60s', 1000, 86_400_000],
    ),
    retention: pace('RETENTION', 'Tombstones and closed intents are purged after this.', [
      '7d',
      60_000,
      31_622_400_000,
    ]),
  });
}

function concurrency() {
  const queue = (name: Queue) =>
    Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: CONCURRENCY[name],
      description: `Jobs of the queue ${name} that one process works on at once.`,
      examples: [CONCURRENCY[name]],
      'x-variable': `DROVER_CONCURRENCY_${name.toUpperCase()}`,
      'x-rule': 'must be a whole number from 1 to 1000',
    });
  return section({
    provision: queue('provision'),
    stop: queue('stop'),
    release: queue('release'),
    delete: queue('delete'),
    batch: queue('batch'),
    scale: queue('scale'),
    reconcile: queue('reconcile'),
  });
}

/** Where embedded servers find programs and keep files. */
function places() {
  const place = (variable: string, description: string, options: Record<string, unknown> = {}) =>
    Type.Optional(Type.String({ minLength: 1, description, 'x-variable': variable, ...options }));
  const ambient = { 'x-ambient': true };
  return section({
    stateDir: place('DROVER_STATE_DIR', 'Where embedded servers keep their data.'),
    cacheDir: place('DROVER_CACHE_DIR', 'Where what can be fetched again is kept.'),
    home: place('HOME', "The user's folder.", ambient),
    stateHome: place('XDG_STATE_HOME', "The user's folder for state.", ambient),
    cacheHome: place('XDG_CACHE_HOME', "The user's folder for caches.", ambient),
    searchPath: place('PATH', 'Where programs are looked for.', ambient),
  });
}

/** Each provider's section, as its own schema says; one without a schema takes no options. */
function providerSections(providers: readonly ProviderRules[]) {
  const sections = providers.map(({ name, optionsSchema }): [string, TSchema] => [
    name,
    { ...(optionsSchema ?? Type.Object({}, closed)), default: {} },
  ]);
  return Type.Unsafe<Record<string, unknown>>(
    Type.Object(Object.fromEntries(sections), { ...closed, default: {} }),
  );
}

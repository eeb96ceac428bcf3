import { parseDuration } from './durations.ts';
import { isRecord } from './json.ts';
import { DEADLINES, PROBE_INTERVAL } from './pool-schema.ts';
import type { ProviderRules } from './provider-rules.ts';
import type { Fault, Path } from './schema-check.ts';

type Raw = Readonly<Record<string, unknown>>;
interface RawEntry {
  raw: Raw;
  path: Path;
}

/**
 * What a schema cannot say: names given twice and fields that contradict one another. Looks at the file as it was
 * read, so that these are told together with the mistakes the schema finds; fields of a wrong type are passed over.
 */
export function findContradictions(value: unknown, providers: readonly ProviderRules[]): Fault[] {
  const pools = entriesOf(value, []);
  return [
    ...twice(pools, 'pool'),
    ...sharedTerritories(pools, providers),
    ...pools.flatMap((pool) => [
      ...sizes(pool.raw, pool.path),
      ...uses(pool.raw, pool.path),
      ...shortForms(pool.raw, pool.path),
      ...probing(pool.raw, pool.path),
      ...placements(pool, providers),
    ]),
  ];
}

function sizes(raw: Raw, path: Path): Fault[] {
  const { minIdle, max } = raw;
  if (typeof minIdle !== 'number' || typeof max !== 'number' || minIdle <= max) return [];
  const rule = `(${minIdle}) must not be more than max (${max})`;
  return [{ path: [...path, 'minIdle'], at: 'value', rule, fix: 'lower minIdle or raise max' }];
}

function uses(raw: Raw, path: Path): Fault[] {
  const isReused = raw['recycle'] === 'reset';
  if (isReused || typeof raw['maxUses'] !== 'number' || raw['maxUses'] < 2) return [];
  const rule = 'has no meaning where recycle is delete: every machine serves one lease';
  return [{ path: [...path, 'maxUses'], at: 'key', rule, fix: 'remove maxUses, or set recycle: reset' }];
}

function shortForms(raw: Raw, path: Path): Fault[] {
  const deadlines = asRecord(raw['deadlines']);
  const pairs = [
    ['bootTimeout', 'booting'],
    ['maxAge', 'ready'],
  ] as const;
  return pairs
    .filter(([short, state]) => short in raw && state in deadlines)
    .map(([short, state]) => {
      const rule = `says the same as deadlines.${state}, which is there too`;
      return { path: [...path, short], at: 'key', rule, fix: 'keep one of the two' };
    });
}

/** A probe that is not tried once before booting is overdue would retire every machine. */
function probing(raw: Raw, path: Path): Fault[] {
  const probe = asRecord(raw['probe']);
  if (probe['kind'] !== 'tcp' && probe['kind'] !== 'http') return [];
  const everyMs = parseDuration(probe['interval'] ?? PROBE_INTERVAL);
  const bootMs = parseDuration(
    raw['bootTimeout'] ?? asRecord(raw['deadlines'])['booting'] ?? DEADLINES.booting,
  );
  if (everyMs === undefined || bootMs === undefined || everyMs < bootMs) return [];
  const at = 'interval' in probe ? ['probe', 'interval'] : ['probe'];
  const rule = 'must be shorter than the time a machine may boot, or no machine ever becomes ready';
  return [{ path: [...path, ...at], at: 'value', rule, fix: 'shorten the interval or raise bootTimeout' }];
}

function placements(pool: RawEntry, providers: readonly ProviderRules[]): Fault[] {
  const entries = entriesOf(pool.raw['placements'], [...pool.path, 'placements']);
  return [
    ...twice(entries, 'placement'),
    ...entries.flatMap((entry) => resetting(pool.raw, entry, providers)),
  ];
}

function resetting(pool: Raw, placement: RawEntry, providers: readonly ProviderRules[]): Fault[] {
  const provider = providers.find(({ name }) => name === placement.raw['provider']);
  if (pool['recycle'] !== 'reset' || provider === undefined) return [];
  if (provider.resetsRunning === true && pool['halt'] !== 'none') return [haltedReset(placement, provider)];
  if (provider.reset !== 'none') return [];
  const rule = `cannot reset machines, but the pool's recycle is reset (${provider.name})`;
  const fix = "set the pool's recycle: delete, or move the placement to a pool that deletes";
  return [{ path: [...placement.path, 'provider'], at: 'value', rule, fix }];
}

function haltedReset(placement: RawEntry, provider: ProviderRules): Fault {
  const rule = `resets running machines only, but the pool's halt is power-off (${provider.name})`;
  const fix = "set the pool's halt: none, since the reset ends the user's work, or recycle: delete";
  return { path: [...placement.path, 'provider'], at: 'value', rule, fix };
}

/** Two placements at one scale set would each take the other's machines for strays. */
function sharedTerritories(pools: readonly RawEntry[], providers: readonly ProviderRules[]): Fault[] {
  const taken = new Set<string>();
  const entries = pools.flatMap((pool) => entriesOf(pool.raw['placements'], [...pool.path, 'placements']));
  return entries.flatMap(({ raw, path }) => {
    const provider = providers.find(({ name }) => name === raw['provider']);
    const territory = provider?.territory?.(raw);
    if (provider === undefined || territory === undefined) return [];
    const key = `${provider.name} ${territory}`;
    if (!taken.has(key)) {
      taken.add(key);
      return [];
    }
    const rule = `is at ${territory}, which an earlier placement has: each would take the other's machines for strays`;
    return [{ path, at: 'value', rule, fix: 'give each placement a place of its own' }];
  });
}

/** Every entry but the first that carries a name already given. */
function twice(entries: readonly RawEntry[], what: string): Fault[] {
  const seen = new Map<string, Path>();
  return entries.flatMap(({ raw, path }) => {
    const name = raw['name'];
    if (typeof name !== 'string') return [];
    const first = seen.get(name);
    if (first === undefined) {
      seen.set(name, path);
      return [];
    }
    const rule = `is the name of an earlier ${what} too (number ${Number(first.at(-1)) + 1})`;
    return [{ path: [...path, 'name'], at: 'value', rule, fix: `give each ${what} a name of its own` }];
  });
}

function entriesOf(value: unknown, path: Path): RawEntry[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown, index) =>
    isRecord(item) ? [{ raw: item, path: [...path, index] }] : [],
  );
}

function asRecord(value: unknown): Raw {
  return isRecord(value) ? value : {};
}

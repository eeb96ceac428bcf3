import Type, { type TUnsafe } from 'typebox';

/** How durations are written in files and variables: `90s`, `15m`, `4h`, or a number of seconds. */
const DURATION_PATTERN = '^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const YEAR_MS = 366 * 86_400_000;

export interface DurationLimits {
  minMs: number;
  maxMs: number;
}

/** The schema of a duration; `limits` are checked by the keyword `x-duration`, which editors pass over. */
export function duration(
  description: string,
  options: { default?: string; example?: string; limits?: Partial<DurationLimits>; variable?: string } = {},
): TUnsafe<string | number> {
  const limits: DurationLimits = { minMs: 1, maxMs: YEAR_MS, ...options.limits };
  return Type.Unsafe<string | number>({
    type: ['string', 'number'],
    pattern: DURATION_PATTERN,
    description: `${description} Written as 90s, 15m, 4h, or a number of seconds.`,
    examples: [options.example ?? options.default ?? '15m'],
    'x-duration': limits,
    'x-rule': `must be a duration from ${sayDuration(limits.minMs)} to ${sayDuration(limits.maxMs)}`,
    ...(options.default === undefined ? {} : { default: options.default }),
    ...(options.variable === undefined ? {} : { 'x-variable': options.variable }),
  });
}

/** Milliseconds, or undefined for anything that is not a duration. */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number')
    return Number.isFinite(value) && value >= 0 ? Math.round(value * 1000) : undefined;
  if (typeof value !== 'string') return undefined;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value);
  const unit = UNIT_MS[match?.[2] ?? ''];
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}

/** Milliseconds of a value that has passed its schema. */
export function toMs(value: string | number): number {
  const ms = parseDuration(value);
  if (ms === undefined)
    throw new TypeError(`not a duration although its schema accepted it: ${String(value)}`);
  return ms;
}

/** The shortest exact way to write a number of milliseconds. */
function sayDuration(ms: number): string {
  const units = Object.entries(UNIT_MS).toReversed();
  const [unit, size] = units.find(([, length]) => ms >= length && ms % length === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}

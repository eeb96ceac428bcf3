import { InvalidArgumentError } from 'commander';

const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** `90s`, `15m`, `2h`, `1d`, `500ms`, or a plain number of seconds; answers seconds. */
export function toSeconds(text: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim()) ?? [];
  const size = UNIT_SECONDS[unit];
  if (number === undefined || size === undefined) {
    throw new InvalidArgumentError('It is a duration such as 90s, 15m, 2h or 1d.');
  }
  return Number(number) * size;
}

export function toInteger(text: string): number {
  const number = Number(text);
  if (!/^-?\d+$/.test(text.trim()) || !Number.isSafeInteger(number)) {
    throw new InvalidArgumentError('It is a whole number.');
  }
  return number;
}

/** Gathers an option that may be given several times. */
export function collect(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text];
}

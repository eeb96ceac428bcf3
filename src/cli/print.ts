import type { CliContext } from './cli-context.ts';

/** Prints JSON for programs, or whatever `lines` makes of it for people. */
export function print<Value>(
  context: CliContext,
  act: { value: Value; json: boolean | undefined; lines: (value: Value) => readonly string[] },
): void {
  if (act.json === true) {
    context.out(JSON.stringify(act.value, null, 2));
    return;
  }
  for (const line of act.lines(act.value)) context.out(plain(line));
}

/** Columns as wide as they need to be, two spaces apart. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const clean = [heads, ...rows].map((row) => row.map(plain));
  const widths = heads.map((_head, column) => Math.max(...clean.map((row) => row[column]?.length ?? 0)));
  return clean.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** One `name  value` line for each field that says something. */
export function fields(record: object): string[] {
  const shown = Object.entries(record).filter(([, value]) => value !== null && value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${text(value)}`);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a guest or a cloud named must not move the reader's cursor. */
export function plain(line: string): string {
  // oxlint-disable-next-line no-control-regex
  return line.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}

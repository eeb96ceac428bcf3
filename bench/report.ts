import { writeFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os';

/** What a benchmark writes: every figure is a finite number, and what is not known is left out. */
export interface Report {
  name: string;
  /** Ours divided by what it is compared with, in the same run: higher is better. */
  ratio: Record<string, number>;
  figures: Record<string, number>;
  machine: Record<string, number | string>;
}

/** What a benchmark has measured; the machine is added to it. */
export type Measured = Pick<Report, 'ratio' | 'figures'>;

/** Throws where a figure is not finite: a report never says null. */
export function toReport(name: string, measured: Measured): Report {
  for (const [figure, value] of [...Object.entries(measured.ratio), ...Object.entries(measured.figures)]) {
    if (!Number.isFinite(value)) throw new Error(`${name}: the figure ${figure} came out as ${value}`);
  }
  return { name, ratio: round(measured.ratio), figures: round(measured.figures), machine: machine() };
}

export async function writeReport(file: string, report: Report): Promise<void> {
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
}

/** Four digits after the point: more would only be noise. */
function round(figures: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [name, Number(value.toFixed(4))] as const),
  );
}

function machine(): Report['machine'] {
  return {
    cpus: availableParallelism(),
    cpuModel: cpus()[0]?.model ?? 'unknown',
    memoryBytes: totalmem(),
    node: process.version,
    platform: platform(),
    arch: arch(),
    // Another's work on the same cores: it weighs on both sides, and on the spread of the pairs.
    loadPerMinute: loadavg()[0] ?? 0,
  };
}

import { ConfigError, readEnvironment, type Environment } from '../config.ts';
import { SetupError } from '../embedded/setup-error.ts';
import type { ChaosRun } from './chaos/chaos-fleet.ts';
import { readChaosOptions } from './chaos/chaos-options.ts';
import { runChaos } from './chaos/run-chaos.ts';
import { EXIT, exitCodeOfSignal } from './exit-codes.ts';
import { untilAskedToStop } from './serving.ts';

const SIGINT = 2;
const STOP_STEP_MS = 15_000;

/**
 * `npm run chaos`: a whole fleet of real processes, killed and paused with its servers and clouds, then audited.
 * Resolves to the exit code: 1 where anything broke, 2 where the arguments or the set-up are wrong.
 */
export async function main(args: readonly string[], env: Environment): Promise<number> {
  try {
    return await play({ options: readChaosOptions(args), env, cwd: process.cwd(), say });
  } catch (error) {
    if (!(error instanceof SetupError || error instanceof ConfigError)) throw error;
    process.stderr.write(`drover: ${error.message}\n`);
    return EXIT.usage;
  }
}

/** Whatever happens, what was started is stopped in reverse. */
async function play(from: Omit<ChaosRun, 'signal' | 'undo'>): Promise<number> {
  const interrupt = new AbortController();
  const run: ChaosRun = { ...from, signal: interrupt.signal, undo: [] };
  const asked = untilAskedToStop(true).then(() => interrupt.abort());
  const running = runChaos(run);
  try {
    return await Promise.race([running, asked.then(() => exitCodeOfSignal(SIGINT))]);
  } finally {
    interrupt.abort();
    // What was under way fails as its servers go; nobody needs to hear of that.
    await settled(running);
    for (const step of run.undo.toReversed()) await settled(step());
  }
}

/** What does not end in time ends with this process. */
async function settled(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STOP_STEP_MS);
  });
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

// Not left to end by itself: what was under way when it was interrupted would keep it.
if (import.meta.main) process.exit(await main(process.argv.slice(2), readEnvironment()));

import { ConfigError, readEnvironment, type Environment } from '../config.ts';
import { SetupError } from '../embedded/setup-error.ts';
import { EvictionError } from '../main.ts';
import { startFleet } from './start/start-fleet.ts';
import { readStartOptions } from './start/start-options.ts';
import { TaskFileError } from './tasks/task-file-error.ts';

/** `npm start`: brings up everything, runs the example burst once, and keeps serving. Resolves to the exit code. */
export async function main(args: readonly string[], env: Environment): Promise<number> {
  try {
    return await startFleet({ options: readStartOptions(args), env, cwd: process.cwd(), say });
  } catch (error) {
    if (!(error instanceof Error && MISTAKES.some((kind) => error instanceof kind))) throw error;
    process.stderr.write(`drover: ${error.message}\n`);
    return 2;
  }
}

/** What whoever started it can put right; its message says how. */
const MISTAKES = [SetupError, ConfigError, TaskFileError, EvictionError];

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

// Not left to end by itself: what was under way when it was interrupted would keep it.
if (import.meta.main) process.exit(await main(process.argv.slice(2), readEnvironment()));

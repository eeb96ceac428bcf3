import { Command, CommanderError } from 'commander';
import { ClientError } from '../client/client-error.ts';
import { readEnvironment } from '../config/environment.ts';
import { addBrakeCommands } from './brake-commands.ts';
import { UsageError, type CliContext } from './cli-context.ts';
import { EXIT } from './exit-codes.ts';
import { addFleetCommands } from './fleet-commands.ts';
import { addLeaseCommands } from './lease-commands.ts';
import { addServing } from './serving-commands.ts';

/** Runs a command line; resolves to the exit code. `argv` is the process's own, program and script first. */
export function main(argv: readonly string[], env: CliContext['env']): Promise<number> {
  return runCommandLine(argv, createContext(env));
}

/** The same, touching nothing of this process but what the context offers (and its signals, in `lease run`). */
export async function runCommandLine(argv: readonly string[], context: CliContext): Promise<number> {
  try {
    await createProgram(context).parseAsync(argv);
    return context.exitCode;
  } catch (error) {
    return tell(context, error);
  }
}

function createContext(env: CliContext['env']): CliContext {
  // A reader who goes away (`| head`, a closed terminal) is no reason to fail, least of all with a lease in hand.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosed);
  return {
    env,
    cwd: process.cwd(),
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    exitCode: EXIT.ok,
  };
}

function ignoreClosed(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
}

function createProgram(context: CliContext): Command {
  const program = new Command('drover')
    .description('leases cloud machines and looks after them')
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => context.out(text.trimEnd()),
      writeErr: (text) => context.err(text.trimEnd()),
    })
    .exitOverride()
    .showHelpAfterError('(drover help COMMAND tells more)');
  addLeaseCommands(program, context);
  addFleetCommands(program, context);
  addBrakeCommands(program, context);
  addServing(program, context);
  return program;
}

function tell(context: CliContext, error: unknown): number {
  // Commander has told it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof UsageError) {
    context.err(`drover: ${error.message}`);
    return EXIT.usage;
  }
  if (!(error instanceof ClientError)) throw error;
  const hint = error.hint === undefined ? '' : ` ${error.hint}`;
  context.err(`drover: ${error.message}${hint}`);
  return exitCodeOf(error);
}

function exitCodeOf({ status, code }: ClientError): number {
  if (status === 400 || status === 422 || code === 'invalid_url') return EXIT.usage;
  if (status === 401 || status === 403) return EXIT.noPermission;
  return status === 0 || status >= 500 ? EXIT.unavailable : EXIT.failed;
}

// Not left to end by itself: the vendors' SDKs leave timers that would keep a stopped worker for half a minute.
if (import.meta.main) process.exit(await main(process.argv, readEnvironment()));

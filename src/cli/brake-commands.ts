import type { Command } from 'commander';
import type { FleetMachineHours, Freeze, MachineHours, Pool } from '../client/shapes.ts';
import { UsageError, type CliContext } from './cli-context.ts';
import { connect } from './connection.ts';
import { toInteger } from './option-values.ts';
import { print } from './print.ts';

/** Adds `freeze`, `unfreeze` and `confirm-sweep`. */
export function addBrakeCommands(program: Command, context: CliContext): void {
  addFreeze(program, context);
  addUnfreeze(program, context);
  addConfirmSweep(program, context);
}

interface Frozen {
  launches?: boolean;
  deletes?: boolean;
  json?: boolean;
}

function addFreeze(program: Command, context: CliContext): void {
  program
    .command('freeze')
    .description('send no new launches, or no new deletions, in the whole fleet (operators)')
    .option('--launches', 'freeze launches')
    .option('--deletes', 'freeze deletions')
    .option('--json', 'print JSON')
    .action(async (given: Frozen) => {
      const verbs = verbsOf(given);
      if (verbs.length === 0) throw new UsageError('Say what to freeze: --launches, --deletes or both.');
      await setFreeze(context, { verbs, frozen: true, json: given.json });
    });
}

function addUnfreeze(program: Command, context: CliContext): void {
  program
    .command('unfreeze')
    .description('let launches and deletions go on (operators)')
    .option('--launches', 'launches alone')
    .option('--deletes', 'deletions alone')
    .option('--json', 'print JSON')
    .action(async (given: Frozen) => {
      const named = verbsOf(given);
      const verbs: Freeze['verb'][] = named.length === 0 ? ['launch', 'delete'] : named;
      await setFreeze(context, { verbs, frozen: false, json: given.json });
    });
}

function verbsOf({ launches, deletes }: Frozen): Freeze['verb'][] {
  return [
    ...(launches === true ? (['launch'] as const) : []),
    ...(deletes === true ? (['delete'] as const) : []),
  ];
}

async function setFreeze(
  context: CliContext,
  act: { verbs: Freeze['verb'][]; frozen: boolean; json: boolean | undefined },
): Promise<void> {
  const { json, ...what } = act;
  const freezes = await (await connect(context)).setFreeze(what);
  const lines = () => (freezes.length === 0 ? ['Nothing is frozen.'] : freezes.map(freezeLine));
  print(context, { value: { freezes }, json, lines });
}

export function freezeLine({ verb, since, by }: Freeze): string {
  return `${verb === 'launch' ? 'Launches' : 'Deletions'} are frozen since ${since} (${by}).`;
}

/** A line for each limit there is, and what it holds back. */
export function hoursLines(pools: readonly Pool[], fleet: FleetMachineHours): string[] {
  const all: [string, MachineHours][] = [
    ...pools.map(({ name, machineHours }): [string, MachineHours] => [`The pool ${name}`, machineHours]),
    ['The whole fleet', fleet],
  ];
  return all.flatMap(([whose, { today, maxPerDay, reachedAt }]) => {
    if (maxPerDay === null) return [];
    const used = `${whose} has used ${today.toFixed(1)} of ${maxPerDay} machine-hours since midnight UTC`;
    if (reachedAt === null) return [`${used}.`];
    return [`${used}: it launches nothing until ${fleet.resetsAt}, unless maxMachineHoursPerDay is raised.`];
  });
}

function addConfirmSweep(program: Command, context: CliContext): void {
  program
    .command('confirm-sweep')
    .description('let a halted sweep end what it has found, after a look at why (operators)')
    .argument('<pool>', 'its pool')
    .argument('<placement>', 'its placement')
    .requiredOption('--count <number>', 'end up to so many instances and machines, within an hour', toInteger)
    .option('--json', 'print JSON')
    .action(async (pool: string, placement: string, { count, json }: { count: number; json?: boolean }) => {
      const sweep = { pool, placement, count };
      await (await connect(context)).confirmSweep(sweep);
      const line = `Sweeps of ${pool}/${placement} may end up to ${count} within the next hour.`;
      print(context, { value: sweep, json, lines: () => [line] });
    });
}

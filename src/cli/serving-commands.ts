import type { Command } from 'commander';
import type { CliContext } from './cli-context.ts';
import type { ServingOptions } from './serving.ts';

/**
 * Adds the processes of a fleet of one's own: any number of each may run, and any may die. What they run is loaded for
 * them alone: a client's command begins a second sooner without.
 */
export function addServing(program: Command, context: CliContext): void {
  const boundTo = '--with-parent';
  const boundHelp = 'end when the process that started this one is gone';
  program
    .command('serve')
    .description('answer the API and show the pages; the pools file is applied first')
    .option(boundTo, boundHelp)
    .action(async (options: ServingOptions) => (await import('./serving.ts')).runServe(context, options));
  program
    .command('work')
    .description('work the queues: provision, stop, release, delete, and all that keeps them right')
    .option(boundTo, boundHelp)
    .action(async (options: ServingOptions) => (await import('./serving.ts')).runWork(context, options));
}

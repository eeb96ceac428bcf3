import type { Command } from 'commander';
import { loadConfig, type Config, type Environment } from '../config.ts';
import { watchParent } from '../embedded/parent-watch.ts';
import {
  composeServe,
  composeWork,
  PROVIDERS,
  prepareDatabase,
  VERSION,
  type ComposeConfig,
  type Running,
} from '../main.ts';
import type { CliContext } from './cli-context.ts';
import { createLog } from './log.ts';

/** Adds the processes of a fleet of one's own: any number of each may run, and any may die. */
export function addServing(program: Command, context: CliContext): void {
  const boundTo = '--with-parent';
  const boundHelp = 'end when the process that started this one is gone';
  program
    .command('serve')
    .description('answer the API and show the pages; the pools file is applied first')
    .option(boundTo, boundHelp)
    .action((options: { withParent?: boolean }) => run(context, options, startServe));
  program
    .command('work')
    .description('work the queues: provision, stop, release, delete, and all that keeps them right')
    .option(boundTo, boundHelp)
    .action((options: { withParent?: boolean }) => run(context, options, startWork));
}

type Start = (context: CliContext, config: ComposeConfig) => Promise<Running>;

async function run(context: CliContext, options: { withParent?: boolean }, start: Start): Promise<void> {
  const config = withServers(await loadServing(context));
  for (const warning of config.warnings) context.err(`drover: ${warning}`);
  const running = await start(context, config);
  await untilAskedToStop(options.withParent === true);
  await running.stop();
}

export async function loadServing(context: Pick<CliContext, 'env' | 'cwd'>): Promise<Config> {
  return loadConfig({ env: environmentOf(context), cwd: context.cwd, providers: PROVIDERS });
}

function environmentOf(context: Pick<CliContext, 'env'>): Environment {
  return context.env;
}

/** Only `npm start` brings servers of its own. */
function withServers(config: Config): ComposeConfig {
  const { databaseUrl, redisUrl } = config;
  if (databaseUrl === undefined || redisUrl === undefined) {
    throw new Error('DATABASE_URL and REDIS_URL must both be set; npm start brings servers of its own');
  }
  return { ...config, databaseUrl, redisUrl };
}

async function startServe(context: CliContext, config: ComposeConfig): Promise<Running> {
  await prepareDatabase(config, new Date());
  const log = createLog({ level: config.log.level, name: 'serve' });
  const serving = await composeServe({ config, log, clock: { now: () => new Date() }, version: VERSION });
  await serving.start();
  context.out(serving.url);
  return serving;
}

async function startWork(context: CliContext, config: ComposeConfig): Promise<Running> {
  const log = createLog({ level: config.log.level, name: `work ${process.pid}` });
  const working = await composeWork({ config, log, clock: { now: () => new Date() }, version: VERSION });
  await working.start();
  context.out('working');
  return working;
}

/** Resolves at the first signal that asks for an end, or when the parent is gone. */
export function untilAskedToStop(withParent: boolean): Promise<void> {
  return new Promise((resolve) => {
    const watch = withParent ? watchParent({ onGone: () => resolve() }) : undefined;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => {
        watch?.stop();
        resolve();
      });
    }
  });
}

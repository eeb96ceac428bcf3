import { ConfigError, loadConfig, type Config, type Environment } from '../config.ts';
import { watchParent } from '../embedded/parent-watch.ts';
import {
  composeServe,
  composeWork,
  EvictionError,
  PROVIDERS,
  prepareDatabase,
  VERSION,
  type ComposeConfig,
  type Running,
} from '../main.ts';
import { UsageError, type CliContext } from './cli-context.ts';
import { createLog } from './log.ts';

export interface ServingOptions {
  /** End when the process that started this one is gone. */
  withParent?: boolean;
}

/** `drover serve`, until it is asked to stop. Throws a UsageError for what whoever started it can put right. */
export const runServe = (context: CliContext, options: ServingOptions) => run(context, options, startServe);

/** `drover work`, likewise. */
export const runWork = (context: CliContext, options: ServingOptions) => run(context, options, startWork);

type Start = (context: CliContext, config: ComposeConfig) => Promise<Running>;

async function run(context: CliContext, options: ServingOptions, start: Start): Promise<void> {
  const running = await begin(context, start).catch((error: unknown) => {
    throw error instanceof ConfigError || error instanceof EvictionError
      ? new UsageError(error.message, { cause: error })
      : error;
  });
  await untilAskedToStop(options.withParent === true);
  await running.stop();
}

async function begin(context: CliContext, start: Start): Promise<Running> {
  const config = withServers(await loadServing(context));
  for (const warning of config.warnings) context.err(`drover: ${warning}`);
  return start(context, config);
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
    throw new UsageError('DATABASE_URL and REDIS_URL must both be set; npm start brings servers of its own');
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

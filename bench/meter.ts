import { Redis } from 'ioredis';
import pg from 'pg';
import { readProcess, readProcessTreeCpuMs } from './process-cpu.ts';

/** What something has used: counts, and milliseconds of CPU; a server's CPU only where it can be read. */
export type Cost = Readonly<
  Record<'statements' | 'commands' | 'nodeCpuMs', number> &
    Partial<Record<'commandsExecuted' | 'redisCpuMs' | 'postgresCpuMs', number>>
>;

export interface Meter {
  /** Runs `work` and tells what it cost, whoever in this process or on the servers did it. */
  measure(work: () => Promise<void>): Promise<Cost>;
  close(): Promise<void>;
}

/**
 * Counts the statements and commands that this process sends, and reads the servers' own counters.
 * `ignored` connections count for nothing: those that only watch.
 */
export async function openMeter(options: {
  databaseUrl: string;
  redisUrl: string;
  ignored: ReadonlySet<Redis>;
}): Promise<Meter> {
  const counted = { statements: 0, commands: 0 };
  const redis = new Redis(options.redisUrl);
  const client = new pg.Client({ connectionString: options.databaseUrl });
  await client.connect();
  const postmaster = await findPostmaster(client);
  const restore = countCalls(counted, new Set([...options.ignored, redis]));
  const read = async (): Promise<Cost> => {
    const cpu = process.cpuUsage();
    const servers = { ...(await readRedis(redis)), ...(await readPostgres(postmaster)) };
    return { ...counted, nodeCpuMs: (cpu.user + cpu.system) / 1000, ...servers };
  };
  return {
    async measure(work) {
      const before = await read();
      await work();
      return difference(before, await read());
    },
    async close() {
      restore();
      redis.disconnect();
      await client.end();
    },
  };
}

function difference(before: Cost, after: Cost): Cost {
  const names = Object.keys(after) as (keyof Cost)[];
  const used = names.map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)] as const);
  return Object.fromEntries(used) as Cost;
}

/** Watches the two clients' one way out; the answered function takes that back. */
function countCalls(
  counted: { statements: number; commands: number },
  ignored: ReadonlySet<Redis>,
): () => void {
  const { query } = pg.Client.prototype;
  const { sendCommand } = Redis.prototype;
  pg.Client.prototype.query = function count(this: pg.Client, ...args: never[]) {
    counted.statements += 1;
    return Reflect.apply(query, this, args);
  } as typeof query;
  Redis.prototype.sendCommand = function count(this: Redis, ...args: Parameters<typeof sendCommand>) {
    if (!ignored.has(this)) counted.commands += 1;
    return Reflect.apply(sendCommand, this, args);
  };
  return () => {
    pg.Client.prototype.query = query;
    Redis.prototype.sendCommand = sendCommand;
  };
}

/** Its own counters count what scripts call as well. */
async function readRedis(redis: Redis): Promise<Pick<Cost, 'commandsExecuted' | 'redisCpuMs'>> {
  const [cpu, stats] = [await redis.info('cpu'), await redis.info('stats')];
  const seconds = fieldOf(cpu, 'used_cpu_user') + fieldOf(cpu, 'used_cpu_sys');
  return { commandsExecuted: fieldOf(stats, 'total_commands_processed'), redisCpuMs: seconds * 1000 };
}

function fieldOf(info: string, name: string): number {
  const value = new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];
  if (value === undefined) throw new Error(`Redis tells no ${name}`);
  return Number(value);
}

/** The server's first process, where it runs on this machine; undefined where its processes cannot be seen. */
async function findPostmaster(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const backend = await readProcess(rows[0]?.pid ?? 0);
  return backend?.name === 'postgres' ? backend.parent : undefined;
}

async function readPostgres(postmaster: number | undefined): Promise<Pick<Cost, 'postgresCpuMs'>> {
  const cpuMs = postmaster === undefined ? undefined : await readProcessTreeCpuMs(postmaster);
  return cpuMs === undefined ? {} : { postgresCpuMs: cpuMs };
}

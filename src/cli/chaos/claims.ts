import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import type { PostgresSession } from '../../embedded/postgres-session.ts';

/** What one worker process had in hand at a moment: a batch under its claim, or a machine whose step its job was at. */
export interface Claim {
  kind: 'batch' | 'machine';
  id: string;
  /** What the row said then. */
  token: number;
  state: string;
}

/** A batch whose call is being sent, and the process that sends it. */
export interface Sending {
  batch: string;
  token: number;
  pid: number;
}

/** Looks into PostgreSQL and Redis for who is at what. */
export interface ClaimsLook {
  /** What a paused process has in hand. */
  of(pid: number): Promise<Claim[]>;
  /** Batches that are closed, claimed, and not yet known to be sent. */
  sending(): Promise<Sending[]>;
  isSending(of: Sending): Promise<boolean>;
}

const STEP_QUEUES = ['provision', 'stop', 'release', 'delete'] as const;

export function createClaimsLook(from: { sql: PostgresSession; redis: Redis; prefix: string }): ClaimsLook {
  const { sql } = from;
  return {
    async of(pid) {
      const batchJobs = (await activeJobs(from, 'batch')).filter((job) => job.pid === pid);
      const stepJobs = await Promise.all(STEP_QUEUES.map((queue) => activeJobs(from, queue)));
      const batches = await sql.query(CLAIMED_BATCHES, [
        batchJobs.map((job) => job.subject),
        batchJobs.map((job) => `batch.${job.subject}`),
      ]);
      const machines = stepJobs.flat().filter((job) => job.pid === pid);
      const owing = await sql.query(OWING_MACHINES, [machines.map((job) => job.subject)]);
      const isAtIt = (row: Row): boolean =>
        machines.some((job) => job.subject === row['id'] && job.queue === row['owed']);
      return [
        ...batches.map((row) => toClaim('batch', row)),
        ...owing.filter(isAtIt).map((row) => toClaim('machine', row)),
      ];
    },
    async sending() {
      const rows = await sql.query(SENDING);
      if (rows.length === 0) return [];
      const jobs = await activeJobs(from, 'batch');
      return rows.flatMap((row) => {
        const job = jobs.find((each) => each.subject === row['id']);
        return job === undefined ? [] : [{ batch: job.subject, token: Number(row['token']), pid: job.pid }];
      });
    },
    async isSending({ batch, token }) {
      const rows = await sql.query(`${SENDING} and id = $1 and token = $2`, [batch, token]);
      return rows.length > 0;
    },
  };
}

type Row = Record<string, unknown>;

const SENDING = `select id, token from batch where state = 'closed' and claimed_until > now()`;

/** A poll claims all batches of its lane that are due, in its own batch's name. */
const CLAIMED_BATCHES = `select id, token, state from batch where ended_at is null and claimed_until > now()
  and (id = any($1::uuid[]) or changed_by = any($2::text[]))`;

/** One that is in a batch waits for that batch's own job. */
const OWING_MACHINES = `select id, token, state, owed from machine
  where id = any($1::uuid[]) and batch_id is null and owed is not null`;

function toClaim(kind: Claim['kind'], row: Row): Claim {
  return { kind, id: String(row['id']), token: Number(row['token']), state: String(row['state']) };
}

interface ActiveJob {
  queue: string;
  /** The machine or batch that it is for. */
  subject: string;
  pid: number;
}

/** Jobs under way, as BullMQ keeps them: a list of ids, and a hash for each with its data and who took it. */
async function activeJobs(
  { redis, prefix }: { redis: Redis; prefix: string },
  queue: string,
): Promise<ActiveJob[]> {
  const ids = await redis.lrange(`${prefix}:${queue}:active`, 0, -1);
  const jobs = await Promise.all(
    ids.map(async (id) => {
      const [data, takenBy] = await redis.hmget(`${prefix}:${queue}:${id}`, 'data', 'pb');
      return { queue, subject: subjectOf(data ?? '{}'), pid: pidOf(takenBy ?? '') };
    }),
  );
  return jobs.filter((job) => job.subject !== '' && job.pid > 0);
}

function subjectOf(data: string): string {
  const payload: unknown = JSON.parse(data);
  if (typeof payload !== 'object' || payload === null) return '';
  const { batch, machine }: { batch?: unknown; machine?: unknown } = payload;
  const subject = batch ?? machine;
  return typeof subject === 'string' ? subject : '';
}

/** Workers name themselves by host and process. */
function pidOf(takenBy: string): number {
  const own = `${hostname()}.`;
  return takenBy.startsWith(own) ? Number(takenBy.slice(own.length)) : 0;
}

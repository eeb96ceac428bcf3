import type { LeaseOutcome } from './lifecycle.ts';
import { poolsFor, RETRIES, type Lease, type LeaseRequest, type LeaseSelector, type Pool } from './pool.ts';
import type { Clock, Jobs, Log, NewId } from './ports.ts';
import type { EndLeaseAct, Store } from './store.ts';

export interface MatchPorts {
  store: Pick<Store, 'match'>;
  clock: Clock;
}

export interface LeasingPorts extends MatchPorts {
  store: Pick<
    Store,
    'requestLease' | 'readLease' | 'heartbeat' | 'endLease' | 'match' | 'pools' | 'look' | 'openIntent'
  >;
  jobs: Pick<Jobs, 'nudge' | 'scale'>;
  /** Which lease an owner's key already stands for, with the digest of its request. */
  recall(
    owner: string,
    idempotencyKey: string,
  ): Promise<{ lease: { id: string }; digest: string } | undefined>;
  newId: NewId;
  log: Log;
}

/** Why no pool could ever serve a selector: the first field, in the order pool, platform, arch, tags, that rules all out. */
export interface Refusal {
  field: keyof LeaseSelector;
  rule: 'unknown' | 'draining' | 'unserved';
  /** What was asked for in that field. */
  asked: string;
  /** What could be asked for there instead. */
  known: readonly string[];
}

export type Requested =
  | { kind: 'created' | 'repeated'; lease: Lease }
  | { kind: 'conflict' }
  | { kind: 'refused'; refusal: Refusal };

export interface Leasing {
  /**
   * Writes a request down and pairs it with a ready machine if there is one. `digest` stands for the request as its
   * user sent it: the same key with another digest is a conflict.
   */
  request(act: { request: LeaseRequest; digest: string; by: string }): Promise<Requested>;
  /** The lease as it is now; undefined where there is none of this owner (null: anybody's). */
  read(act: { lease: string; owner: string | null }): Promise<Lease | undefined>;
  /** What takes a lost lease's place now, which may have ended, too; the lease itself where nothing does. */
  newest(lease: Lease): Promise<Lease>;
  /** Extends an active lease's heartbeat; answers the lease as it is then. */
  heartbeat(act: { lease: string; owner: string }): Promise<Lease | undefined>;
  /**
   * Ends a lease for its user; an ended one stays as it is. Undefined where there is none of this owner. Whoever cancels
   * wants no machine any more: where the lease was lost and retried, what takes its place now is cancelled, and answered.
   */
  end(act: {
    lease: string;
    owner: string | null;
    outcome: LeaseOutcome;
    by: string;
  }): Promise<Lease | undefined>;
  /**
   * Ends an active lease as lost, because its user has heard that the cloud takes the machine away; one that is not
   * active stays as it is. Undefined where there is none of this owner.
   */
  lose(act: { lease: string; owner: string | null; by: string }): Promise<Lease | undefined>;
}

/** What users do with leases, over ports. */
export function createLeasing(ports: LeasingPorts): Leasing {
  const { store, clock } = ports;
  return {
    async request(act) {
      const pools = await store.pools();
      const names = poolsFor(act.request.selector, pools);
      if (names.length === 0) return repeatedOrRefused(ports, act, pools);
      const stored = await store.requestLease({
        id: ports.newId(),
        request: act.request,
        pools: names,
        now: clock.now(),
        digest: act.digest,
      });
      if (stored === 'conflict') return { kind: 'conflict' };
      const kind = stored.created ? 'created' : 'repeated';
      if (stored.lease.state !== 'pending') return { kind, lease: stored.lease };
      const eligible = pools.filter((pool) => names.includes(pool.name));
      return { kind, lease: await serve(ports, { lease: stored.lease, eligible, by: act.by }) };
    },

    async read({ lease, owner }) {
      const found = await store.readLease(lease);
      return owner === null || found?.owner === owner ? found : undefined;
    },

    async newest(lease) {
      let newest = lease;
      for (let retry = 0; retry < RETRIES.most && newest.retriedBy !== null; retry += 1) {
        const next = await store.readLease(newest.retriedBy);
        if (next === undefined) break;
        newest = next;
      }
      return newest;
    },

    heartbeat: ({ lease, owner }) => store.heartbeat({ lease, owner, now: clock.now() }),

    async end(act) {
      const lease = await end(store, { ...act, reason: null, now: clock.now() });
      ports.jobs.nudge();
      return lease;
    },

    lose: (act) => lose(ports, act),
  };
}

/** The machine's token is that of the lease: whoever has the machine later has it under another one. */
async function lose(
  ports: LeasingPorts,
  act: { lease: string; owner: string | null; by: string },
): Promise<Lease | undefined> {
  const { store, clock } = ports;
  const lease = await store.readLease(act.lease);
  if (lease === undefined || (act.owner !== null && lease.owner !== act.owner)) return undefined;
  if (lease.state !== 'active' || lease.machine === null) return lease;
  const machine = await store.look(lease.machine);
  if (machine?.lease !== lease.id) return store.readLease(act.lease);
  const answer = await store.openIntent({
    ...{ machine: machine.id, token: machine.token, by: act.by, now: clock.now(), deadlines: {} },
    ...{ kind: 'retire', reason: 'its user has heard that the cloud takes it away', outcome: 'lost' },
  });
  if (answer.granted) await serveAgain(ports, { by: act.by });
  return store.readLease(act.lease);
}

/** Whoever lost a machine may have asked for another, of whichever pool can serve the request. */
export async function serveAgain(
  ports: MatchPorts & { store: Pick<Store, 'pools'>; jobs: Pick<Jobs, 'nudge' | 'scale'> },
  { by }: { by: string },
): Promise<void> {
  const pools = await ports.store.pools();
  ports.jobs.nudge();
  for (const pool of pools) await matchPool(ports, { pool, by });
  for (const pool of pools) await ports.jobs.scale(pool.name);
}

/** Each lease is followed as it is after its own end: one that is lost meanwhile has its successor by then. */
async function end(store: LeasingPorts['store'], act: EndLeaseAct): Promise<Lease | undefined> {
  let ended = await store.endLease(act);
  for (let retry = 0; retry < RETRIES.most; retry += 1) {
    if (act.outcome !== 'cancelled' || ended === undefined || ended.retriedBy === null) break;
    const next = await store.endLease({ ...act, lease: ended.retriedBy });
    if (next === undefined) break;
    ended = next;
  }
  return ended;
}

/** A repeated request is answered with its lease even where its pool has gone since: it was acknowledged once. */
async function repeatedOrRefused(
  ports: LeasingPorts,
  act: { request: LeaseRequest; digest: string },
  pools: readonly Pool[],
): Promise<Requested> {
  const { owner, idempotencyKey, selector } = act.request;
  const earlier = idempotencyKey === null ? undefined : await ports.recall(owner, idempotencyKey);
  if (earlier !== undefined && earlier.digest !== act.digest) return { kind: 'conflict' };
  const lease = earlier === undefined ? undefined : await ports.store.readLease(earlier.lease.id);
  if (lease === undefined) return { kind: 'refused', refusal: explainRefusal(selector, pools) };
  return { kind: 'repeated', lease };
}

/**
 * Pairs a stored request with a machine of the first pool that has one, or has the pools looked at for growth.
 * Nothing in here may fail the request: it is durable, and its user must learn its id. Whoever comes next
 * (a machine that becomes ready, the scaling round) matches it.
 */
async function serve(
  ports: LeasingPorts,
  act: { lease: Lease; eligible: readonly Pool[]; by: string },
): Promise<Lease> {
  const scale = (pool: Pool) =>
    void ports.jobs
      .scale(pool.name)
      .catch((err: unknown) =>
        ports.log.warn({ err, pool: pool.name }, 'could not ring for scaling; the next round will'),
      );
  try {
    for (const pool of act.eligible) {
      const began = await matchPool(ports, { pool, by: act.by });
      if (began.length > 0 && pool.minIdle > 0) scale(pool);
      const mine = began.find((lease) => lease.id === act.lease.id);
      if (mine !== undefined) return mine;
    }
    // Somebody else's match may have served it meanwhile.
    const now = (await ports.store.readLease(act.lease.id)) ?? act.lease;
    if (now.state === 'pending') act.eligible.forEach(scale);
    return now;
  } catch (err) {
    ports.log.warn(
      { err, lease: act.lease.id },
      'stored a request but could not match it; the next match will',
    );
    return act.lease;
  }
}

const MATCH_LIMIT = 100;
const MATCH_ROUNDS = 50;

/**
 * Pairs pending requests with ready machines of one pool until one of the two runs out; answers the leases that
 * began. Run it whenever a machine becomes ready, a request arrives, or a round finds both.
 */
export async function matchPool(
  ports: MatchPorts,
  act: { pool: Pool; by: string },
): Promise<readonly Lease[]> {
  const began: Lease[] = [];
  for (let round = 0; round < MATCH_ROUNDS; round += 1) {
    const some = await ports.store.match({ ...act, now: ports.clock.now(), limit: MATCH_LIMIT });
    began.push(...some);
    if (some.length < MATCH_LIMIT) break;
  }
  return began;
}

/** Names the field that leaves no pool over. Only for selectors that `poolsFor` finds no pool for. */
export function explainRefusal(selector: LeaseSelector, pools: readonly Pool[]): Refusal {
  const open = pools.filter((pool) => !pool.draining);
  const left = (part: LeaseSelector) => open.filter((pool) => poolsFor(part, [pool]).length > 0);
  const { pool, platform, arch, tags } = selector;
  if (pool !== undefined && left({ pool }).length === 0) {
    const rule = pools.some((each) => each.name === pool) ? 'draining' : 'unknown';
    return { field: 'pool', rule, asked: pool, known: distinct(open.map((each) => each.name)) };
  }
  const byPool = left({ ...(pool !== undefined && { pool }) });
  const byPlatform = byPool.filter((each) => platform === undefined || each.platform === platform);
  if (byPlatform.length === 0 && platform !== undefined) {
    return {
      field: 'platform',
      rule: 'unserved',
      asked: platform,
      known: distinct(byPool.map((each) => each.platform)),
    };
  }
  const byArch = byPlatform.filter((each) => arch === undefined || poolsFor({ arch }, [each]).length > 0);
  if (byArch.length === 0 && arch !== undefined) {
    return {
      field: 'arch',
      rule: 'unserved',
      asked: arch,
      known: distinct(byPlatform.map((each) => each.arch)),
    };
  }
  return explainTags(tags ?? [], byArch);
}

/** One tag that no pool left over carries, or else the whole set, which none carries together. */
function explainTags(tags: readonly string[], pools: readonly Pool[]): Refusal {
  const missing = tags.find((tag) => !pools.some((pool) => pool.tags.includes(tag)));
  return {
    field: 'tags',
    rule: 'unserved',
    asked: missing ?? tags.join(', '),
    known: distinct(pools.flatMap((pool) => pool.tags)),
  };
}

function distinct(values: readonly string[]): readonly string[] {
  return [...new Set(values)].toSorted();
}

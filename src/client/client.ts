import { randomUUID } from 'node:crypto';
import { createCalls, type Call } from './calls.ts';
import { ClientError } from './client-error.ts';
import type {
  FleetMachineHours,
  Freeze,
  Lease,
  LeaseFilter,
  LeaseRequest,
  Machine,
  MachineFilter,
  Pool,
  Status,
  TimelineEntry,
} from './shapes.ts';

export interface ClientSettings {
  /** `http://HOST:PORT`. */
  url: string;
  token: string;
  /** The platform's own unless given. */
  fetch?: typeof fetch;
  now?: () => number;
  /** How long a call is tried again while the fleet is away; 30 s unless given. */
  retryForMs?: number;
}

export interface Until {
  signal?: AbortSignal;
  /** Overrides the client's own `retryForMs`. */
  retryForMs?: number;
}

/** Every method throws ClientError alone, and may be called again after any of them: none acts twice. */
export interface Client {
  /** Asks for a machine. Give the key where the request may be repeated by another process; one is made otherwise. */
  requestLease(request: LeaseRequest, options?: Until & { idempotencyKey?: string }): Promise<Lease>;
  /**
   * Waits until the lease is active or has ended and answers it.
   * @throws ClientError `deadline` where it is still pending after `timeoutMs`.
   */
  waitForLease(id: string, options: Until & { timeoutMs: number }): Promise<Lease>;
  lease(id: string, options?: Until): Promise<Lease>;
  leases(filter?: LeaseFilter, options?: Until): Promise<{ leases: Lease[]; next: string | null }>;
  /** Keeps an active lease. `lease_ended` (409) and `no_such_lease` (404) mean that its machine is yours no longer. */
  heartbeat(id: string, options?: Until): Promise<Lease>;
  /** `lease_retried` (409) means that it was lost, and that another one, still open, takes its place. */
  complete(id: string, outcome: 'completed' | 'failed', options?: Until): Promise<Lease>;
  /** Tells that the cloud takes the lease's machine away: it ends as lost, and is retried where it asked for that. */
  lose(id: string, options?: Until): Promise<Lease>;
  /** Withdraws a pending lease or breaks off an active one; of one that was lost and retried, what takes its place now. */
  cancel(id: string, options?: Until): Promise<Lease>;
  pools(options?: Until): Promise<Pool[]>;
  pool(name: string, options?: Until): Promise<Pool>;
  /** Of the whole fleet; those of each pool are with the pools. */
  machineHours(options?: Until): Promise<FleetMachineHours>;
  /** Lets a halted sweep end up to `count` instances and machines; for operators. */
  confirmSweep(sweep: { pool: string; placement: string; count: number }, options?: Until): Promise<void>;
  /** What is frozen in the whole fleet. */
  freezes(options?: Until): Promise<Freeze[]>;
  /** Freezes launches or deletions, or lets them go on; for operators. Answers what is frozen then. */
  setFreeze(act: { verbs: Freeze['verb'][]; frozen: boolean }, options?: Until): Promise<Freeze[]>;
  machines(filter?: MachineFilter, options?: Until): Promise<{ machines: Machine[]; next: string | null }>;
  machine(id: string, options?: Until): Promise<Machine & { timeline: TimelineEntry[] }>;
  status(options?: Until): Promise<Status>;
}

const RETRY_FOR_MS = 30_000;
const ATTEMPT_MS = 20_000;
/** One long poll; the fleet allows 60 s. */
const POLL_SECONDS_MAX = 30;
const POLLS_MAX = 100_000;

/** A typed client of the fleet's API. Opens nothing by itself. */
export function createClient(settings: ClientSettings): Client {
  const { url, token, retryForMs = RETRY_FOR_MS, now = Date.now } = settings;
  const answer = createCalls({ url, token, fetch: settings.fetch ?? fetch, now, random: Math.random });

  // The fleet and its client are of one version, and the fleet's answers pass its own schemas.
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  async function call<Body>(
    act: Pick<Call, 'method' | 'path'> & Partial<Call>,
    options: Until = {},
  ): Promise<Body> {
    const body = await answer({
      attemptMs: ATTEMPT_MS,
      ...act,
      signal: options.signal,
      retryForMs: options.retryForMs ?? retryForMs,
    });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return body as Body;
  }
  const get = <Body>(path: string, options?: Until, query: Call['query'] = {}) =>
    call<Body>({ method: 'GET', path, query }, options);
  const act = (id: string, what: string, more: { options?: Until | undefined; body?: unknown }) =>
    call<Lease>({ method: 'POST', path: `${leasePath(id)}/${what}`, body: more.body }, more.options);

  return {
    requestLease: (request, { idempotencyKey = randomUUID(), ...options } = {}) =>
      call({ method: 'POST', path: 'v1/leases', body: request, idempotencyKey }, options),
    waitForLease: (id, options) => waitForLease({ call, now }, id, options),
    lease: (id, options) => get(leasePath(id), options),
    leases: (filter = {}, options) => get('v1/leases', options, { ...filter }),
    heartbeat: (id, options) => act(id, 'heartbeat', { options }),
    complete: (id, outcome, options) => act(id, 'complete', { options, body: { outcome } }),
    lose: (id, options) => act(id, 'lost', { options }),
    cancel: (id, options) => act(id, 'cancel', { options }),
    pools: async (options) => (await get<{ pools: Pool[] }>('v1/pools', options)).pools,
    pool: (name, options) => get(`v1/pools/${encodeURIComponent(name)}`, options),
    machineHours: (options) => get('v1/machine-hours', options),
    async confirmSweep({ pool, placement, count }, options) {
      const path = `${placementPath(pool, placement)}/confirm-sweep`;
      await call<{ count: number }>({ method: 'POST', path, body: { count } }, options);
    },
    freezes: async (options) => (await get<{ freezes: Freeze[] }>('v1/freezes', options)).freezes,
    setFreeze: async (body, options) =>
      (await call<{ freezes: Freeze[] }>({ method: 'POST', path: 'v1/freezes', body }, options)).freezes,
    machines: (filter = {}, options) => get('v1/machines', options, { ...filter }),
    machine: (id, options) => get(`v1/machines/${encodeURIComponent(id)}`, options),
    status: (options) => get('v1/status', options),
  };
}

function placementPath(pool: string, placement: string): string {
  return `v1/pools/${encodeURIComponent(pool)}/placements/${encodeURIComponent(placement)}`;
}

interface Polling {
  call: <Body>(act: Pick<Call, 'method' | 'path'> & Partial<Call>, options?: Until) => Promise<Body>;
  now: () => number;
}

async function waitForLease(
  { call, now }: Polling,
  id: string,
  { timeoutMs, ...options }: Until & { timeoutMs: number },
): Promise<Lease> {
  const until = now() + timeoutMs;
  for (let poll = 0; poll < POLLS_MAX; poll += 1) {
    const leftSeconds = Math.max(0, (until - now()) / 1000);
    const waitSeconds = Math.min(POLL_SECONDS_MAX, leftSeconds);
    const query = { waitSeconds };
    const attemptMs = ATTEMPT_MS + waitSeconds * 1000;
    // While the fleet is away it is asked again, but never past the caller's own deadline.
    const retryForMs = Math.min(options.retryForMs ?? Infinity, leftSeconds * 1000);
    const lease = await call<Lease>(
      { method: 'GET', path: leasePath(id), query, attemptMs },
      { ...options, retryForMs },
    );
    if (lease.state !== 'pending') return lease;
    if (leftSeconds === 0) break;
  }
  throw new ClientError(`The lease ${id} still has no machine after ${timeoutMs / 1000} s.`, {
    code: 'deadline',
    status: 0,
    hint: 'Wait on, or cancel it.',
  });
}

function leasePath(id: string): string {
  return `v1/leases/${encodeURIComponent(id)}`;
}

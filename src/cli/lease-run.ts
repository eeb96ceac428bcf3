import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ClientError } from '../client/client-error.ts';
import type { Client } from '../client/client.ts';
import type { Lease, LeaseRequest } from '../client/shapes.ts';
import { EXIT, exitCodeOfSignal } from './exit-codes.ts';
import { keepLease } from './lease-keeper.ts';
import type { Ended, PassedOn, RunHost, Running } from './run-host.ts';

export interface LeaseRunAct {
  client: Client;
  host: RunHost;
  request: LeaseRequest;
  command: readonly string[];
}

/** How long the command has to end by itself once its lease is lost. */
const LOST_GRACE_MS = 10_000;
/** How long a request that is under way is waited for after Ctrl-C, so that it can be cancelled by its id. */
const INTERRUPT_GRACE_MS = 3000;
const REQUEST_FOR_MS = 30_000;
const END_FOR_MS = 20_000;
const CANCEL_FOR_MS = 10_000;
/** The fleet ends a request that waited too long within a round of its own after that. */
const LATE_MS = 60_000;
const WAIT_TIMEOUT_SECONDS = 15 * 60;

/**
 * Leases a machine, runs the command for as long as the lease is held, and ends the lease with how it went.
 * Resolves to the exit code of `drover lease run`. Throws ClientError where no lease came about.
 */
export async function runUnderLease(act: LeaseRunAct): Promise<number> {
  const got = await getLease(act);
  if (typeof got === 'number') return got;
  if (got.state !== 'active') return tellNoMachine(act.host, got);
  const { id, machine, address } = got;
  act.host.tell('active', { lease: id, machine, address }, `lease ${id}: machine ${machine} at ${address}`);
  return runHolding(act, got);
}

/** The active (or already ended) lease; an exit code where a signal came first. */
async function getLease({ client, host, request }: LeaseRunAct): Promise<Lease | number> {
  const interrupt = listenForInterrupt(host);
  let lease: Lease | undefined;
  try {
    lease = await client.requestLease(request, {
      idempotencyKey: randomUUID(),
      retryForMs: REQUEST_FOR_MS,
      signal: interrupt.late,
    });
    host.tell(
      'requested',
      { lease: lease.id, pools: lease.pools },
      `lease ${lease.id}: waiting for a machine`,
    );
    const timeoutMs = (request.waitTimeoutSeconds ?? WAIT_TIMEOUT_SECONDS) * 1000 + LATE_MS;
    const signal = interrupt.first;
    const active = await client.waitForLease(lease.id, { timeoutMs, retryForMs: timeoutMs, signal });
    if (interrupt.signal === undefined) return active;
  } catch (error) {
    if (interrupt.signal === undefined) {
      if (lease !== undefined) await withdraw({ client, host, lease, signal: interrupt.second });
      throw error;
    }
  } finally {
    interrupt.close();
  }
  if (lease !== undefined) await withdraw({ client, host, lease, signal: interrupt.second });
  else host.tell('interrupted', {}, 'the fleet did not answer; a request it may have got ends by itself');
  return exitCodeOfSignal(host.signalNumber(interrupt.signal));
}

/** The first signal breaks off the waiting, and with some delay the requesting; the second one the cancelling too. */
function listenForInterrupt(host: RunHost) {
  const first = new AbortController();
  const late = new AbortController();
  const second = new AbortController();
  const state = { signal: undefined as PassedOn | undefined, timer: undefined as NodeJS.Timeout | undefined };
  host.onSignal((name) => {
    if (state.signal !== undefined) second.abort();
    state.signal ??= name;
    first.abort();
    state.timer ??= setTimeout(() => late.abort(), INTERRUPT_GRACE_MS);
  });
  return {
    get signal() {
      return state.signal;
    },
    first: first.signal,
    late: AbortSignal.any([late.signal, second.signal]),
    second: second.signal,
    close: () => clearTimeout(state.timer),
  };
}

/** Cancelling is a courtesy here: without it the lease ends at its own time-out. */
async function withdraw(act: {
  client: Client;
  host: RunHost;
  lease: Lease;
  signal: AbortSignal;
}): Promise<void> {
  const { client, host, lease, signal } = act;
  try {
    await client.cancel(lease.id, { retryForMs: CANCEL_FOR_MS, signal });
    host.tell('cancelled', { lease: lease.id }, `lease ${lease.id} cancelled`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const line = `lease ${lease.id} could not be cancelled (${why}); it ends at its time-out`;
    host.tell('not-cancelled', { lease: lease.id, why }, line);
  }
}

function tellNoMachine(host: RunHost, { id, state, reason }: Lease): number {
  const line = `lease ${id} got no machine: ${state}${reason === null ? '' : ` (${reason})`}`;
  host.tell('no-machine', { lease: id, state, reason }, line);
  return EXIT.unavailable;
}

async function runHolding({ client, host, command }: LeaseRunAct, lease: Lease): Promise<number> {
  const over = new AbortController();
  const keeper = keepLease({ client, lease, now: () => host.now(), signal: over.signal });
  const running = host.run(command, {
    DROVER_LEASE_ID: lease.id,
    DROVER_MACHINE_ID: lease.machine ?? '',
    DROVER_MACHINE_ADDRESS: lease.address ?? '',
  });
  host.onSignal((name) => {
    // From a terminal Ctrl-C has reached the command already, and twice often means something else.
    if (name === 'SIGINT' && host.terminalInterrupts) return;
    running.signal(name);
  });
  try {
    const first = await Promise.race([running.ended, keeper.lost.then((why) => ({ why }))]);
    if ('why' in first) return await stopLost({ host, lease, running, why: first.why });
    over.abort();
    return await endLease({ client, host, lease }, first);
  } finally {
    over.abort();
  }
}

/** The machine may be somebody else's at any moment: the command has to go, softly at first. */
async function stopLost(act: {
  host: RunHost;
  lease: Lease;
  running: Running;
  why: string;
}): Promise<number> {
  const { host, lease, running, why } = act;
  host.tell('lost', { lease: lease.id, why }, `lease ${lease.id} is lost: ${why}; ending the command`);
  running.signal('SIGTERM');
  const done = new AbortController();
  const late = delay(LOST_GRACE_MS, 'late' as const, { signal: done.signal }).catch(() => 'ended' as const);
  const first = await Promise.race([running.ended, late]);
  done.abort();
  if (first === 'late') {
    host.tell('stopped-hard', { lease: lease.id }, 'the command did not end in 10 s; ending it with SIGKILL');
    running.signal('SIGKILL');
    await running.ended;
  }
  return EXIT.leaseLost;
}

async function endLease(act: { client: Client; host: RunHost; lease: Lease }, ended: Ended): Promise<number> {
  const { client, host, lease } = act;
  const outcome = ended.code === 0 ? 'completed' : 'failed';
  const code = exitCodeOf(host, ended);
  host.onSignal(() => undefined);
  try {
    const last = await client.complete(lease.id, outcome, { retryForMs: END_FOR_MS });
    if (last.outcome === outcome) {
      host.tell('ended', { lease: lease.id, outcome, exitCode: code }, `lease ${lease.id}: ${outcome}`);
      return code;
    }
    const why = `it was ${last.outcome}${last.reason === null ? '' : ` (${last.reason})`} before the command ended`;
    host.tell('lost', { lease: lease.id, why }, `lease ${lease.id} is lost: ${why}`);
    return EXIT.leaseLost;
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const line = `could not tell the fleet that lease ${lease.id} ${outcome} (${error.message}); it expires by itself`;
    host.tell('not-ended', { lease: lease.id, outcome, why: error.message }, line);
    return code;
  }
}

function exitCodeOf(host: RunHost, { code, signal, error }: Ended): number {
  if (error !== undefined) {
    const missing = error.code === 'ENOENT';
    host.tell('cannot-run', { why: error.message }, `cannot run the command: ${error.message}`);
    return missing ? EXIT.notFound : EXIT.cannotRun;
  }
  return code ?? exitCodeOfSignal(signal ?? 0);
}

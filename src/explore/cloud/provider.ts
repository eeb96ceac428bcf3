import { FleetError } from '../../fleet/errors.ts';
import type { BatchCall, Capabilities, Look, Placement, Provider, Verb } from '../../fleet/provider.ts';
import type { Process, Scheduler } from '../scheduler.ts';
import type { CloudWorld } from './cloud-world.ts';
import type { FarSide, Reply } from './far-side.ts';

/** The cloud as one process reaches it: a request and its answer are each on their way for a while. */
export function createExploredProvider(world: CloudWorld, far: FarSide, process: Process): Provider {
  const { plan, random } = world;
  const ask = <T>(label: string, signal: AbortSignal, run: () => Reply<T>): Promise<T> => {
    const latencyMs = random.chance(0.05) ? random.between(5000, 25_000) : random.between(1, 400);
    return request(world.scheduler, process, { label, signal, latencyMs, run });
  };
  const send = (call: BatchCall, signal: AbortSignal): Promise<Look> => {
    checkNamed(call);
    return ask(`${call.verb} ${call.batch}`, signal, () => far.receive(call));
  };
  return {
    name: 'memory',
    capabilities: capabilities(plan.replaySafe),
    lane: (verb, placement) =>
      plan.lanes === 'set'
        ? { lane: `set:${placement.pool}/${placement.name}`, group: '' }
        : { lane: `verb:${verb}`, group: verb === 'launch' ? `${placement.pool}/${placement.name}` : '' },
    ...{ launch: send, start: send, stop: send, reset: send, delete: send },
    poll: (calls, signal) =>
      calls.length === 0
        ? Promise.resolve([])
        : ask(`polls ${calls.map((call) => call.batch).join(' ')}`, signal, () => far.poll(calls)),
    inventory: (placement: Placement, signal) =>
      ask(`lists ${placement.name}`, signal, () => far.list(placement)),
    deleteLeftOver: (_placement, { id }, signal) =>
      ask(`deletes ${id}`, signal, () => far.deleteLeftOver(id)),
    quota: () => Promise.resolve(Infinity),
    close: () => Promise.resolve(),
  };
}

async function request<T>(
  scheduler: Scheduler,
  process: Process,
  asked: { label: string; signal: AbortSignal; latencyMs: number; run: () => Reply<T> },
): Promise<T> {
  const { label, signal, latencyMs, run } = asked;
  if (signal.aborted) {
    throw new FleetError(`${label} was called off`, {
      code: 'unavailable',
      remedy: 'retry',
      cause: signal.reason,
    });
  }
  const reply = await scheduler.call(process, { label: `cloud ${label}`, delayMs: latencyMs, run });
  const answer = { label: `cloud answers ${label}`, delayMs: latencyMs, run: () => reply };
  const answered = await scheduler.call(process, answer);
  if ('error' in answered) throw answered.error;
  return answered.answer;
}

function capabilities(replaySafe: readonly Verb[]): Capabilities {
  const batchSizes = { launch: 3, start: 3, stop: 3, reset: 3, delete: 3 };
  return { reset: 'reimage', park: 'stop', batchSizes, replaySafe };
}

/** In a vendor's call a list that is empty or missing may mean "all". */
function checkNamed(call: BatchCall): void {
  const isNamed = call.verb === 'launch' || call.members.every((member) => member.instance !== null);
  if (call.members.length > 0 && isNamed) return;
  const message = `${call.verb} ${call.batch} names no instance; it is not sent`;
  throw new FleetError(message, { code: 'invalid', remedy: 'give-up' });
}

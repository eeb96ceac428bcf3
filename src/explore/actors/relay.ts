import { publish } from '../queues/publish.ts';
import type { Process } from '../scheduler.ts';
import type { RunWorld } from '../world.ts';

const POLL_MS = 3000;
const PUT_OFF_MS = 25;
const LIMIT = 50;

interface Relay {
  world: RunWorld;
  process: Process;
  isRunning: boolean;
  again: boolean;
  /** A notification that is on its way, so that a burst is one. */
  isNotified: boolean;
}

/** Delivers bells for one process: woken by a nudge or a notification, with a slow poll behind them. Answers the nudge. */
export function startRelay(world: RunWorld, process: Process): () => void {
  const relay: Relay = { world, process, isRunning: false, again: false, isNotified: false };
  const { scheduler } = world;
  const poll = (): void => {
    nudge(relay);
    scheduler.timer(process, POLL_MS, { label: `${process.name} polls the outbox`, fire: poll });
  };
  scheduler.timer(process, world.random.between(1, POLL_MS), {
    label: `${process.name} polls the outbox`,
    fire: poll,
  });
  const hear = (): void => notify(relay, hear);
  world.onWrite.add(hear);
  return () => nudge(relay);
}

/** The database tells of new bells; now and then nobody hears it. */
function notify(relay: Relay, hear: () => void): void {
  const { world, process } = relay;
  if (process.state === 'gone') world.onWrite.delete(hear);
  if (process.state !== 'running' || relay.isNotified || !hasBells(world)) return;
  if (world.isChaos && world.random.chance(0.1)) return;
  relay.isNotified = true;
  world.scheduler.timer(process, world.random.between(1, 30), {
    label: `${process.name} hears of bells`,
    fire() {
      relay.isNotified = false;
      nudge(relay);
    },
  });
}

function hasBells(world: RunWorld): boolean {
  return world.look.hasBells();
}

function nudge(relay: Relay): void {
  if (relay.process.state === 'gone') return;
  relay.again = relay.isRunning;
  if (relay.isRunning) return;
  relay.isRunning = true;
  void deliverAll(relay);
}

async function deliverAll(relay: Relay): Promise<void> {
  do {
    relay.again = false;
    // A broken connection keeps the bells; the next poll delivers them.
    const putOff = await deliver(relay).catch(() => false);
    if (putOff) {
      const { scheduler } = relay.world;
      scheduler.timer(relay.process, PUT_OFF_MS, {
        label: `${relay.process.name} tries again`,
        fire: () => nudge(relay),
      });
    }
  } while (relay.again && relay.process.state !== 'gone');
  relay.isRunning = false;
}

/** True where something was put off. */
async function deliver({ world, process }: Relay): Promise<boolean> {
  const now = world.scheduler.clock.now();
  let putOff = false;
  await world.outbox.deliver({
    now,
    limit: LIMIT,
    async deliver(bells) {
      const label = `publishes ${bells.map((bell) => ('job' in bell ? bell.job : bell.kind)).join(' ')}`;
      const run = (): ReadonlyMap<number, Date> => publish(world.queues, bells, now);
      const again = await world.scheduler.call(process, { label, breaks: true, run });
      await world.scheduler.call(process, {
        label: 'settles the outbox',
        breaks: true,
        run: () => undefined,
      });
      putOff = again.size > 0;
      return again;
    },
  });
  return putOff;
}

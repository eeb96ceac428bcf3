import type { Clock, Jobs } from '../fleet/ports.ts';
import type { Publisher } from './publisher.ts';
import type { Relay } from './relay.ts';

export function createJobs(options: {
  publisher: Publisher;
  relay: Pick<Relay, 'nudge'>;
  clock: Clock;
}): Jobs {
  const { publisher, relay, clock } = options;
  return {
    nudge: relay.nudge,
    batch: (batch, at) => publisher.batch(batch, 0, Math.max(0, at.getTime() - clock.now().getTime())),
    scale: publisher.scale,
    live: publisher.live,
  };
}

import { FleetError } from '../fleet/errors.ts';
import type { Outbox } from '../fleet/outbox.ts';
import type { RunWorld } from './world.ts';

/**
 * The outbox as relays use it. Taking and forgetting bells are no calls that the scheduler chooses, since in between
 * the relay asks for some of its own: nothing else happens while they are under way.
 */
export function createHeldOutbox(
  outbox: Outbox,
  world: Pick<RunWorld, 'scheduler' | 'refresh' | 'errors'>,
): Outbox {
  return {
    async deliver(act) {
      let letGo = world.scheduler.hold();
      const deliver: typeof act.deliver = async (bells) => {
        letGo();
        try {
          return await act.deliver(bells);
        } finally {
          letGo = world.scheduler.hold();
        }
      };
      try {
        const delivered = await outbox.deliver({ ...act, deliver });
        if (delivered > 0) await world.refresh();
        return delivered;
      } catch (error) {
        // A relay expects its own connection to break; no run has a store that refuses it or is away.
        if (error instanceof FleetError) world.errors.push(`the outbox: ${error.message}`);
        throw error;
      } finally {
        letGo();
      }
    },
  };
}

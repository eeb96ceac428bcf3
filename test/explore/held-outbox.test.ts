import { expect, it } from 'vitest';
import type { Outbox } from '../../src/fleet/outbox.ts';
import { createHeldOutbox } from '../../src/explore/held-outbox.ts';
import { createRandomness } from '../../src/explore/randomness.ts';
import { createScheduler } from '../../src/explore/scheduler.ts';

it('nothing else happens while a relay takes its bells from a database, or forgets them', async () => {
  const scheduler = createScheduler(createRandomness(1), 0);
  const process = scheduler.start('relay');
  const seen: string[] = [];
  const errors: string[] = [];
  const refresh = (): Promise<void> => Promise.resolve(void seen.push('looked at'));
  const held = createHeldOutbox(slowOutbox(seen), { scheduler, refresh, errors });
  const publish = (): Promise<ReadonlyMap<number, Date>> =>
    scheduler.call(process, { label: 'publishes', run: () => (seen.push('published'), new Map()) });
  scheduler.timer(null, 0, {
    label: 'polls',
    fire: () => void held.deliver({ now: new Date(0), limit: 1, deliver: publish }),
  });
  await scheduler.step();
  expect(seen).toEqual(['taken']);
  await scheduler.step();
  expect(seen).toEqual(['taken', 'published', 'forgotten', 'looked at']);
  expect(errors).toEqual([]);
});

/** One that takes some turns of the event loop, as a round trip does. */
function slowOutbox(seen: string[]): Outbox {
  return {
    async deliver(act) {
      await roundTrip();
      seen.push('taken');
      await act.deliver([]);
      await roundTrip();
      seen.push('forgotten');
      return 1;
    },
  };
}

async function roundTrip(): Promise<void> {
  for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

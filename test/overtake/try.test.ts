import { expect, test } from 'vitest';
import { startFleet } from '../support/fleet.ts';
test('x', async () => {
  let t = Date.now(); const lap = (w: string) => { console.log(w, Date.now() - t); t = Date.now(); };
  const fleet = await startFleet();
  lap('start');
  const { lease, machine } = await fleet.leaseAMachine();
  lap('leased');
  await fleet.endLease(lease);
  await fleet.untilMachine(machine.id, 'deleted');
  lap('deleted');
  console.log(fleet.cloud.calls('delete'), fleet.logged);
  console.log((await fleet.history()).length);
  await fleet.stop();
  lap('stop');
  expect(1).toBe(1);
});

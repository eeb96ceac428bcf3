import { expect, it } from 'vitest';
import type { Driver } from './driver.ts';

type Given = () => Driver;

export function matchingContract(given: Given): void {
  it('a match makes the lease active and the machine leased, dirty and used, in one act', async () => {
    const on = given();
    const [machine = ''] = await on.ready();
    const { token } = await on.seen(machine);
    const lease = await on.request();
    const [began] = await on.match();
    expect(began).toMatchObject({
      ...{ id: lease, state: 'active', machine, pool: on.name, address: '10.0.0.1', activeAt: on.now() },
      deadlineAt: on.later(120_000),
    });
    expect(await on.seen(machine)).toMatchObject({
      ...{ state: 'leased', lease, clean: false, uses: 1, token: token + 1, intent: null, owed: null },
      deadlineAt: on.later(3_600_000),
    });
  });

  it('nothing is matched where there is no machine or no request', async () => {
    const on = given();
    await on.apply();
    expect(await on.match()).toEqual([]);
    await on.request();
    expect(await on.match()).toEqual([]);
    const [machine = ''] = await on.booting();
    expect(await on.match()).toEqual([]);
    expect(await on.states(machine)).toEqual(['booting']);
  });

  it('a request is served only from pools it may be served from', async () => {
    const on = given();
    await on.ready();
    const id = on.newId();
    const request = { owner: on.ada, selector: {}, priority: 0, idempotencyKey: null };
    const clocks = { waitTimeoutMs: 1000, heartbeatTimeoutMs: 1000, maxDurationMs: 1000, maxRetries: 0 };
    const pools = ['another'];
    await on.store.requestLease({ id, request: { ...request, ...clocks }, pools, now: on.now(), digest: '' });
    expect(await on.match()).toEqual([]);
  });

  it('the higher priority goes first, then the older request', async () => {
    const on = given();
    const old = await on.request({ owner: on.ada });
    on.pass(10);
    const young = await on.request({ owner: on.grace });
    on.pass(10);
    const urgent = await on.request({ owner: on.linus, priority: 5 });
    expect(await servedOneByOne(on, 3)).toEqual([urgent, old, young]);
  });

  it('within a priority owners take turns: who holds or asks for fewer goes first', async () => {
    const on = given();
    const many: string[] = [];
    for (let index = 0; index < 3; index += 1) {
      many.push(await on.request({ owner: on.ada }));
      on.pass(10);
    }
    const single = await on.request({ owner: on.grace });
    expect(await servedOneByOne(on, 4)).toEqual([many[0], single, many[1], many[2]]);
  });

  it('what an owner holds already counts in its turn', async () => {
    const on = given();
    await on.ready();
    await on.request({ owner: on.ada });
    await on.match();
    const again = await on.request({ owner: on.ada });
    on.pass(10);
    const first = await on.request({ owner: on.grace });
    expect(await servedOneByOne(on, 2)).toEqual([first, again]);
  });

  it('the machine that has been ready the longest goes first', async () => {
    const on = given();
    const [older] = await on.ready();
    on.pass(10);
    await on.ready();
    const lease = await on.request();
    expect(await on.match()).toMatchObject([{ id: lease, machine: older }]);
  });

  it('one match pairs no more than its limit', async () => {
    const on = given();
    await on.ready(3);
    for (let index = 0; index < 3; index += 1) await on.request();
    expect(await on.match(2)).toHaveLength(2);
    expect(await on.match(2)).toHaveLength(1);
  });
}

/** Makes one machine ready after the other; answers who got each. */
async function servedOneByOne(on: Driver, count: number): Promise<string[]> {
  const served: string[] = [];
  for (let index = 0; index < count; index += 1) {
    await on.ready();
    served.push(...(await on.match()).map((lease) => lease.id));
  }
  return served;
}

import { describe, expect, it } from 'vitest';
import { FleetError } from '../../../src/fleet/errors.ts';
import { sendToEach } from '../../../src/providers/aws-ec2/send-to-each.ts';
import { refusalOf } from '../contract-driver.ts';

const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `i-${1000 + index}`);

function refused(message: string): FleetError {
  return new FleetError(message, {
    code: 'not-found',
    remedy: 'retry',
    vendorCode: 'InvalidInstanceID.NotFound',
  });
}

function throttled(): FleetError {
  return new FleetError('too fast', { code: 'throttled', remedy: 'retry-later', retryAfterMs: 5 });
}

describe('a call for many instances', () => {
  it('is one call where nobody is refused', async () => {
    const sent: string[][] = [];
    const refusals = await sendToEach(ids(10), 1000, (some) => Promise.resolve(void sent.push(some)));
    expect(refusals.size).toBe(0);
    expect(sent).toEqual([ids(10)]);
  });

  it('is cut where it names more instances than a call takes', async () => {
    const sent: number[] = [];
    await sendToEach(ids(2500), 1000, (some) => Promise.resolve(void sent.push(some.length)));
    expect(sent).toEqual([1000, 1000, 500]);
  });

  it('is sent again without those whom the refusal names', async () => {
    const sent: string[][] = [];
    const refusals = await sendToEach(ids(5), 1000, (some) => {
      sent.push(some);
      if (sent.length > 1) return Promise.resolve();
      return Promise.reject(refused("The instance IDs 'i-1001, i-1003' do not exist"));
    });
    expect([...refusals.keys()]).toEqual(['i-1001', 'i-1003']);
    expect(sent).toEqual([ids(5), ['i-1000', 'i-1002', 'i-1004']]);
  });

  it('is halved where the refusal names nobody, until the guilty one stands alone', async () => {
    const reached = new Set<string>();
    const refusals = await sendToEach(ids(8), 1000, (some) => {
      if (some.includes('i-1005')) return Promise.reject(refused('Some instance does not exist'));
      for (const id of some) reached.add(id);
      return Promise.resolve();
    });
    expect([...refusals.keys()]).toEqual(['i-1005']);
    expect([...reached].toSorted()).toEqual(ids(8).filter((id) => id !== 'i-1005'));
  });

  it('ends after a bounded number of calls, with everybody left refused', async () => {
    let sends = 0;
    const refusals = await sendToEach(ids(500), 1000, () => {
      sends += 1;
      return Promise.reject(refused('Some instance does not exist'));
    });
    expect(refusals.size).toBe(500);
    expect(sends).toBeGreaterThan(1);
    expect(sends).toBeLessThanOrEqual(80);
  });

  it('refused as a whole throws that, and nothing may have been executed', async () => {
    const error = await refusalOf(
      sendToEach(ids(3), 1000, () => Promise.reject(throttled())),
      { code: 'throttled' },
    );
    expect(error.maybeExecuted).toBe(false);
  });

  it('refused as a whole after a part was executed says that it must be replayed', async () => {
    let sends = 0;
    const sending = sendToEach(ids(4), 2, () => {
      sends += 1;
      return sends === 1 ? Promise.resolve() : Promise.reject(throttled());
    });
    const error = await refusalOf(sending, { code: 'throttled', remedy: 'retry-later' });
    expect(error).toMatchObject({ maybeExecuted: true, retryAfterMs: 5 });
  });
});

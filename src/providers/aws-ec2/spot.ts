import { FleetError } from '../../fleet/errors.ts';
import { needed, PAGE, pages } from './describe.ts';
import type { Asking } from './describe.ts';

const ACTION = 'DescribeSpotInstanceRequests';
/** What EC2 takes back two minutes later at the latest. */
const ANNOUNCED = ['marked-for-termination', 'marked-for-stop'];

/**
 * Spot instances of this account and region that EC2 has announced to take back, whoever they belong to. Without an
 * answer there are none this time: an announcement is help, and a listing of what exists must not wait for it. That the
 * account may not ask is an error: it would never be told.
 */
export async function describeInterrupted(asking: Asking): Promise<ReadonlySet<string>> {
  const Filters = [{ Name: 'status-code', Values: ANNOUNCED }];
  try {
    const requests = await pages(async (NextToken) => {
      const page = await asking.sender.send(ACTION, { Filters, MaxResults: PAGE, NextToken }, asking);
      return {
        items: needed(page.SpotInstanceRequests, ACTION, 'spotInstanceRequestSet'),
        next: page.NextToken,
      };
    });
    // Compared once more on our side: what a filter lets pass too much would lose its lease.
    const announced = requests.filter(({ Status }) => ANNOUNCED.includes(Status?.Code ?? ''));
    return new Set(announced.flatMap(({ InstanceId }) => InstanceId ?? []));
  } catch (error) {
    if (!(error instanceof FleetError) || error.code === 'unauthorized') throw error;
    return new Set();
  }
}

import { FleetError } from '../../fleet/errors.ts';
import type { LeftOver, Placement } from '../../fleet/provider.ts';
import { refuseLeftOver } from '../instances-of.ts';
import { isOf, needed, PAGE, pages, tagFilters } from './describe.ts';
import type { Asking, Owner } from './describe.ts';

/**
 * Volumes and network interfaces of this owner that no instance has. The addresses given to instances are EC2's own and
 * go with them: none is ever left over.
 */
export async function describeLeftOvers(asking: Asking, owner: Owner, madeBefore: Date): Promise<LeftOver[]> {
  const disks = await availableVolumes(asking, owner);
  const cards = await availableCards(asking, owner);
  return [
    // A new volume is available for a moment before it is attached: that one is not left over.
    ...disks
      .filter(({ CreateTime }) => CreateTime !== undefined && CreateTime < madeBefore)
      .map(({ VolumeId }) => toLeftOver('disk', needed(VolumeId, 'DescribeVolumes', 'volumeId'))),
    ...cards.map(({ NetworkInterfaceId: id }) =>
      toLeftOver('network-card', needed(id, 'DescribeNetworkInterfaces', 'networkInterfaceId')),
    ),
  ];
}

function toLeftOver(kind: LeftOver['kind'], id: string): LeftOver {
  return { kind, id };
}

async function availableVolumes(asking: Asking, owner: Owner) {
  const action = 'DescribeVolumes';
  const volumes = await pages(async (NextToken) => {
    const page = await asking.sender.send(action, { ...availableOf(owner), NextToken }, asking);
    return { items: needed(page.Volumes, action, 'volumeSet'), next: page.NextToken };
  });
  return volumes.filter(({ Tags, State }) => isOf(owner, Tags) && State === AVAILABLE);
}

async function availableCards(asking: Asking, owner: Owner) {
  const action = 'DescribeNetworkInterfaces';
  const cards = await pages(async (NextToken) => {
    const page = await asking.sender.send(action, { ...availableOf(owner), NextToken }, asking);
    return { items: needed(page.NetworkInterfaces, action, 'networkInterfaceSet'), next: page.NextToken };
  });
  return cards.filter(({ TagSet, Status }) => isOf(owner, TagSet) && Status === AVAILABLE);
}

/** Compared once more on our side, as the owner is: see `isOf`. */
const AVAILABLE = 'available';

function availableOf(owner: Owner) {
  const Filters = [...tagFilters(owner), { Name: 'status', Values: [AVAILABLE] }];
  return { Filters, MaxResults: PAGE };
}

/** EC2 refuses it for whatever is attached, and never gives an id twice. */
export async function deleteLeftOver(
  asking: Asking,
  placement: Placement,
  leftOver: LeftOver,
): Promise<void> {
  try {
    if (leftOver.kind === 'disk') await asking.sender.send('DeleteVolume', { VolumeId: leftOver.id }, asking);
    else if (leftOver.kind === 'network-card')
      await asking.sender.send('DeleteNetworkInterface', { NetworkInterfaceId: leftOver.id }, asking);
    else await refuseLeftOver(placement, leftOver);
  } catch (error) {
    // The listings alone say that it is gone: where this was wrong, the next one shows it again.
    if (error instanceof FleetError && error.code === 'not-found') return;
    throw error;
  }
}

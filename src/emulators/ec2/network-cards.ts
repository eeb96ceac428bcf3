import { defineAction } from './action.ts';
import { Ec2Error } from './ec2-error.ts';
import type { Estate, NetworkCard } from './estate.ts';
import { compileFilters, filterList, type FilterTable } from './filters.ts';
import { groupSet, privateDnsName, zoneId } from './instance-answer.ts';
import { cutPage, pagingFields, refusePagedIds } from './paging.ts';
import { flag, list, needed, text } from './parameters.ts';
import { tagSet } from './tags.ts';
import type { XmlFields } from './xml.ts';

/** DescribeNetworkInterfaces, with ids or with filters and pages. */
export const describeNetworkInterfaces = defineAction({
  mutating: false,
  fields: { NetworkInterfaceId: list(text), Filter: filterList, ...pagingFields, DryRun: flag },
  handle({ estate }, { parameters }) {
    const { NetworkInterfaceId: ids } = parameters;
    refusePagedIds(parameters, ids, 'networkInterfaceIds');
    const passes = compileFilters(parameters.Filter, filterTable(estate));
    const found = ids.length > 0 ? ids.map((id) => findCard(estate, id)) : [...estate.cards.values()];
    const page = cutPage(found.filter(passes), parameters);
    return {
      answer: {
        networkInterfaceSet: page.items.map((card) => cardFields(estate, card)),
        nextToken: page.nextToken,
      },
    };
  },
});

/** DeleteNetworkInterface: refused (InvalidNetworkInterface.InUse) while the card is attached. */
export const deleteNetworkInterface = defineAction({
  mutating: true,
  fields: { NetworkInterfaceId: needed(text), DryRun: flag },
  handle({ estate, addresses }, { parameters }) {
    const card = findCard(estate, parameters.NetworkInterfaceId);
    if (card.attachment !== undefined) {
      throw new Ec2Error(
        'InvalidNetworkInterface.InUse',
        `Network interface '${card.id}' is currently in use.`,
      );
    }
    return {
      answer: { return: true },
      apply() {
        if (estate.cards.delete(card.id)) addresses.free(card.subnet, card.privateAddress);
      },
    };
  },
});

function filterTable({ catalogue }: Estate): FilterTable<NetworkCard> {
  return {
    'addresses.private-ip-address': ({ privateAddress }) => [privateAddress],
    'association.public-ip': ({ publicAddress }) => [publicAddress],
    'attachment.instance-id': ({ attachment }) => [attachment?.instance],
    'availability-zone': ({ zone }) => [zone],
    description: ({ description }) => [description],
    'group-id': ({ groups }) => groups,
    'network-interface-id': ({ id }) => [id],
    'private-ip-address': ({ privateAddress }) => [privateAddress],
    status: (card) => [statusOf(card)],
    'subnet-id': ({ subnet }) => [subnet],
    'vpc-id': () => [catalogue.vpc.id],
  };
}

function findCard(estate: Estate, id: string): NetworkCard {
  const card = estate.cards.get(id);
  if (card === undefined) {
    throw new Ec2Error(
      'InvalidNetworkInterfaceID.NotFound',
      `The networkInterface ID '${id}' does not exist`,
    );
  }
  return card;
}

function statusOf({ attachment }: NetworkCard): string {
  return attachment === undefined ? 'available' : 'in-use';
}

function cardFields({ catalogue }: Estate, card: NetworkCard): XmlFields {
  const { attachment, publicAddress } = card;
  const association =
    publicAddress === undefined
      ? undefined
      : { publicIp: publicAddress, publicDnsName: '', ipOwnerId: 'amazon' };
  const dnsName = privateDnsName(catalogue, card.privateAddress);
  return {
    networkInterfaceId: card.id,
    subnetId: card.subnet,
    vpcId: catalogue.vpc.id,
    availabilityZone: card.zone,
    availabilityZoneId: zoneId(catalogue, card.zone),
    description: card.description,
    ownerId: catalogue.accountId,
    requesterManaged: false,
    status: statusOf(card),
    macAddress: card.mac,
    privateIpAddress: card.privateAddress,
    privateDnsName: dnsName,
    sourceDestCheck: true,
    interfaceType: 'interface',
    groupSet: groupSet(catalogue, card.groups),
    attachment:
      attachment === undefined
        ? undefined
        : {
            attachmentId: attachment.id,
            instanceId: attachment.instance,
            instanceOwnerId: catalogue.accountId,
            deviceIndex: attachment.deviceIndex,
            networkCardIndex: 0,
            status: 'attached',
            attachTime: new Date(attachment.attachedAtMs),
            deleteOnTermination: attachment.deleteWithInstance,
          },
    association,
    tagSet: tagSet(card.tags),
    privateIpAddressesSet: [
      { privateIpAddress: card.privateAddress, privateDnsName: dnsName, primary: true, association },
    ],
  };
}

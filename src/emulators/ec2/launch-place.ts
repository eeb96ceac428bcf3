import type { Catalogue, Subnet } from './catalogue.ts';
import { Ec2Error, invalidValue } from './ec2-error.ts';
import type { CardParameters, LaunchParameters } from './launch-parameters.ts';

/** A network card that each launched instance gets. */
export interface CardPlan {
  deviceIndex: number;
  subnet: Subnet;
  groups: readonly string[];
  wantsPublicAddress: boolean;
  deleteWithInstance: boolean;
  description: string;
}

/** Where a launch goes. */
export interface LaunchPlace {
  zone: string;
  /** Whether the request names the zone, itself or by a subnet: then its client token holds in that zone only. */
  isZonal: boolean;
  /** The first one is the instance's own address. */
  cards: readonly CardPlan[];
}

/** Reads where a launch goes; throws the vendor's refusal where that does not exist or contradicts itself. */
export function planPlace(catalogue: Catalogue, parameters: LaunchParameters): LaunchPlace {
  const namedZone = parameters.Placement?.AvailabilityZone;
  if (namedZone !== undefined) checkZone(catalogue, namedZone);
  const cards = planCards(catalogue, parameters);
  const zones = new Set(cards.map(({ subnet }) => subnet.zone));
  const [zone = ''] = zones;
  if (zones.size !== 1) {
    throw new Ec2Error(
      'InvalidParameterCombination',
      'All network interfaces must be in one Availability Zone.',
    );
  }
  if (namedZone !== undefined && namedZone !== zone) {
    throw invalidValue('Placement.AvailabilityZone', namedZone, `The subnet is in ${zone}.`);
  }
  return { zone, isZonal: namedZone !== undefined || namesSubnet(parameters), cards };
}

function planCards(catalogue: Catalogue, parameters: LaunchParameters): CardPlan[] {
  const fallback = defaultSubnet(catalogue, parameters);
  const specified = parameters.NetworkInterface;
  if (specified.length === 0) return [planOwnCard(catalogue, parameters, fallback)];
  checkCards(parameters);
  return specified
    .toSorted((a, b) => a.DeviceIndex - b.DeviceIndex)
    .map((card) => planCard(catalogue, card, fallback));
}

function namesSubnet({ SubnetId, NetworkInterface }: LaunchParameters): boolean {
  return SubnetId !== undefined || NetworkInterface.some((card) => card.SubnetId !== undefined);
}

function checkZone(catalogue: Catalogue, zone: string): void {
  if (!catalogue.zones.some(({ name }) => name === zone)) {
    throw new Ec2Error('InvalidParameterValue', `Invalid availability zone: [${zone}]`);
  }
}

function checkCards({ NetworkInterface: cards, SubnetId, SecurityGroupId }: LaunchParameters): void {
  if (SubnetId !== undefined || SecurityGroupId.length > 0) {
    throw new Ec2Error(
      'InvalidParameterCombination',
      'Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request',
    );
  }
  const indices = new Set(cards.map((card) => card.DeviceIndex));
  if (indices.size !== cards.length || !indices.has(0)) {
    throw new Ec2Error(
      'InvalidParameterValue',
      'Each network interface needs its own device index, one of them 0.',
    );
  }
  if (cards.length > 1 && cards.some((card) => card.AssociatePublicIpAddress === true)) {
    throw new Ec2Error(
      'InvalidParameterCombination',
      'The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.',
    );
  }
}

/** Where nothing is named, EC2 picks: the first zone that offers the type. */
function defaultSubnet(catalogue: Catalogue, parameters: LaunchParameters): Subnet {
  const offering = catalogue.instanceTypes.find(({ name }) => name === parameters.InstanceType);
  const zone = parameters.Placement?.AvailabilityZone ?? offering?.zones[0];
  const subnet = catalogue.subnets.find((each) => each.zone === zone) ?? catalogue.subnets[0];
  if (subnet === undefined) throw new Ec2Error('VPCIdNotSpecified', 'No default VPC for this user');
  return subnet;
}

function planOwnCard(catalogue: Catalogue, parameters: LaunchParameters, fallback: Subnet): CardPlan {
  const subnet = findSubnet(catalogue, parameters.SubnetId) ?? fallback;
  return {
    deviceIndex: 0,
    subnet,
    groups: checkGroups(catalogue, parameters.SecurityGroupId),
    wantsPublicAddress: subnet.publicAddresses,
    deleteWithInstance: true,
    description: '',
  };
}

function planCard(catalogue: Catalogue, card: CardParameters, fallback: Subnet): CardPlan {
  const subnet = findSubnet(catalogue, card.SubnetId) ?? fallback;
  return {
    deviceIndex: card.DeviceIndex,
    subnet,
    groups: checkGroups(catalogue, card.SecurityGroupId),
    wantsPublicAddress: card.AssociatePublicIpAddress ?? subnet.publicAddresses,
    deleteWithInstance: card.DeleteOnTermination ?? true,
    description: card.Description ?? '',
  };
}

function findSubnet(catalogue: Catalogue, id: string | undefined): Subnet | undefined {
  if (id === undefined) return undefined;
  const subnet = catalogue.subnets.find((each) => each.id === id);
  if (subnet === undefined)
    throw new Ec2Error('InvalidSubnetID.NotFound', `The subnet ID '${id}' does not exist`);
  return subnet;
}

function checkGroups(catalogue: Catalogue, named: readonly string[]): readonly string[] {
  for (const id of named) {
    if (!catalogue.securityGroups.some((each) => each.id === id)) {
      throw new Ec2Error('InvalidGroup.NotFound', `The security group '${id}' does not exist`);
    }
  }
  return named.length > 0 ? named : catalogue.securityGroups.slice(0, 1).map(({ id }) => id);
}

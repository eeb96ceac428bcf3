import { createAddressPool } from './address-pool.ts';
import type { Catalogue } from './catalogue.ts';
import { Ec2Error } from './ec2-error.ts';

/** Who has which address, private ones per subnet and public ones. */
export interface Addresses {
  /** A free address of the subnet; throws the vendor's InsufficientFreeAddressesInSubnet where none is left. */
  take(subnet: string): string;
  free(subnet: string, address: string): void;
  available(subnet: string): number;
  /** Throws the vendor's InsufficientAddressCapacity where none is left. */
  takePublic(): string;
  freePublic(address: string): void;
}

export function createAddresses(catalogue: Catalogue): Addresses {
  const subnets = new Map(catalogue.subnets.map(({ id, cidr }) => [id, createAddressPool(cidr)]));
  const publicPool = createAddressPool(catalogue.publicCidr);
  return {
    take(subnet) {
      const address = subnets.get(subnet)?.take();
      if (address === undefined) throw insufficientAddresses(subnet);
      return address;
    },
    free: (subnet, address) => subnets.get(subnet)?.free(address),
    available: (subnet) => subnets.get(subnet)?.available() ?? 0,
    takePublic() {
      const address = publicPool.take();
      if (address === undefined) {
        throw new Ec2Error(
          'InsufficientAddressCapacity',
          'Not enough available addresses to satisfy your request.',
        );
      }
      return address;
    },
    freePublic: (address) => publicPool.free(address),
  };
}

/** The vendor's answer where a subnet has too few free addresses. */
export function insufficientAddresses(subnet: string): Ec2Error {
  return new Ec2Error(
    'InsufficientFreeAddressesInSubnet',
    `There are not enough free addresses in subnet '${subnet}' to satisfy the requested number of instances.`,
  );
}

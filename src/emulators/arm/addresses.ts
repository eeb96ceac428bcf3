import { ArmError } from './arm-error.ts';

/** Private addresses out of 127.78.0.0/16, each a loopback address that a guest can listen on. */
export interface Addresses {
  take(): string;
  release(address: string): void;
}

/** The lowest free one first, as the vendor hands them out: a new machine soon has an old one's address. */
export function createAddresses(): Addresses {
  const taken = new Set<number>();
  return {
    take() {
      for (let number = FIRST; number < END; number += 1) {
        if (taken.has(number)) continue;
        taken.add(number);
        return `127.78.${number >> 8}.${number & 255}`;
      }
      throw new ArmError(409, 'SubnetIsFull', {
        message: 'The subnet 127.78.0.0/16 has no free address left.',
      });
    },
    release(address) {
      const [, , high, low] = address.split('.').map(Number);
      taken.delete((high ?? 0) * 256 + (low ?? 0));
    },
  };
}

// The vendor keeps the first four addresses of a subnet and its last one.
const FIRST = 4;
const END = 65_535;

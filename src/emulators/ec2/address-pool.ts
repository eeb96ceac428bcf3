/** The addresses of one network. */
export interface AddressPool {
  /** An address that nobody has, or undefined where none is left. */
  take(): string | undefined;
  free(address: string): void;
  available(): number;
}

/** The vendor keeps the first four addresses of a subnet and the last one for itself. */
const RESERVED_AT_START = 4;
const RESERVED_AT_END = 1;

/** Hands addresses out in turn, so that one that was freed comes back as late as possible. */
export function createAddressPool(cidr: string): AddressPool {
  const { first, size } = parse(cidr);
  const usable = size - RESERVED_AT_START - RESERVED_AT_END;
  const taken = new Set<string>();
  let cursor = 0;
  return {
    take() {
      for (let tried = 0; tried < usable; tried += 1) {
        const address = dotted(first + RESERVED_AT_START + cursor);
        cursor = (cursor + 1) % usable;
        if (!taken.has(address)) {
          taken.add(address);
          return address;
        }
      }
      return undefined;
    },
    free: (address) => void taken.delete(address),
    available: () => usable - taken.size,
  };
}

function parse(cidr: string): { first: number; size: number } {
  const [network = '', bits = ''] = cidr.split('/');
  const first = network.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return { first, size: 2 ** (32 - Number(bits)) };
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

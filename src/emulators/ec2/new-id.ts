import { randomBytes } from 'node:crypto';

/**
 * A resource id as EC2 writes it: a prefix and 17 hexadecimal digits. Not from the seed: an id is never given twice,
 * not even by two emulators that run one after the other with the same seed.
 */
export function newId(prefix: string): string {
  return `${prefix}-0${randomBytes(8).toString('hex')}`;
}

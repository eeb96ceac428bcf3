import { describe, expect, test } from 'vitest';
import { placementOf, poolsFor, type LeaseSelector } from '../../src/fleet/pool.ts';
import { aPool } from '../support/pools.ts';

const POOLS = [
  aPool({ name: 'linux', tags: ['docker', 'gpu'] }),
  aPool({ name: 'arm', arch: 'arm64', tags: ['docker'] }),
  aPool({ name: 'win-64', platform: 'windows', tags: ['office'] }),
  aPool({ name: 'win-32', platform: 'windows', arch: 'x86' }),
  aPool({ name: 'gone', draining: true, tags: ['docker'] }),
];

const ASKED: readonly (readonly [selector: LeaseSelector, served: readonly string[]])[] = [
  [{}, ['linux', 'arm', 'win-64', 'win-32']],
  [{ pool: 'arm' }, ['arm']],
  [{ pool: 'unheard of' }, []],
  [{ pool: 'gone' }, []],
  [{ platform: 'windows' }, ['win-64', 'win-32']],
  [{ platform: 'beos' }, []],
  [{ arch: 'x64' }, ['linux', 'win-64']],
  [{ arch: 'arm64' }, ['arm']],
  [{ arch: 'x86' }, ['win-64', 'win-32']],
  [{ platform: 'linux', arch: 'x86' }, []],
  [{ tags: [] }, ['linux', 'arm', 'win-64', 'win-32']],
  [{ tags: ['docker'] }, ['linux', 'arm']],
  [{ tags: ['docker', 'gpu'] }, ['linux']],
  [{ tags: ['gpu', 'office'] }, []],
  [{ pool: 'linux', tags: ['office'] }, []],
  [{ platform: 'windows', arch: 'x86', tags: ['office'] }, ['win-64']],
];

test.each(ASKED)('who asks for %j is served by %j', (selector, served) => {
  expect(poolsFor(selector, POOLS)).toEqual(served);
});

describe('the placement a machine came from', () => {
  const place = (name: string) => ({ pool: 'guests', name, provider: 'memory', spec: {} });

  test('is found although its pool names it no longer', () => {
    const pool = aPool({ placements: [place('here')], retiredPlacements: [place('there')] });
    expect(placementOf(pool, 'here')).toEqual(place('here'));
    expect(placementOf(pool, 'there')).toEqual(place('there'));
    expect(placementOf(pool, 'nowhere')).toBeUndefined();
    expect(placementOf(aPool({ placements: [] }), 'here')).toBeUndefined();
  });
});

import { DEADLINES_DEFAULT, type Pool } from '../../src/fleet/pool.ts';

/** A pool of the cloud in memory with sensible values for everything a test does not care about. */
export function aPool(over: Partial<Pool> = {}): Pool {
  const name = over.name ?? 'guests';
  return {
    name,
    platform: 'linux',
    arch: 'x64',
    tags: [],
    minIdle: 0,
    max: 10,
    idleTimeoutMs: 600_000,
    recycle: 'delete',
    halt: 'power-off',
    maxUses: null,
    maxMachineHoursPerDay: null,
    probe: { kind: 'none' },
    deadlines: DEADLINES_DEFAULT,
    placements: [{ pool: name, name: 'here', provider: 'memory', spec: {} }],
    owner: 'file',
    draining: false,
    ...over,
  };
}

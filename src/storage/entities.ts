import { defineEntity, p } from '@mikro-orm/core';
import { INTENT_KINDS, LEASE_STATES, MACHINE_STATES, STEPS } from '../fleet/lifecycle.ts';

/** Tables as the cold paths read and write them; hot guarded writes are statements beside them. */
export const PoolEntity = defineEntity({
  name: 'PoolEntity',
  tableName: 'pool',
  properties: {
    name: p.string().primary(),
    spec: p.json<Record<string, unknown>>(),
    owner: p.enum(['file', 'api'] as const),
    draining: p.boolean(),
    recycle: p.enum(['reset', 'delete'] as const),
    maxUses: p.integer().nullable(),
    max: p.integer(),
    maxMachineHours: p.double().nullable(),
    version: p.bigint('string'),
    createdAt: p.datetime(),
    updatedAt: p.datetime(),
  },
});

export const PlacementEntity = defineEntity({
  name: 'PlacementEntity',
  tableName: 'placement',
  properties: {
    pool: p.string().primary(),
    name: p.string().primary(),
    failures: p.integer(),
    coolUntil: p.datetime().nullable(),
    failure: p.text().nullable(),
  },
});

export const MachineEntity = defineEntity({
  name: 'MachineEntity',
  tableName: 'machine',
  properties: {
    id: p.uuid().primary(),
    pool: p.string(),
    placement: p.string(),
    state: p.enum(MACHINE_STATES),
    intentId: p.uuid().nullable(),
    intentKind: p.enum(INTENT_KINDS).nullable(),
    token: p.bigint('string'),
    claimedUntil: p.datetime().nullable(),
    batchId: p.uuid().nullable(),
    leaseId: p.uuid().nullable(),
    instanceId: p.string().nullable(),
    address: p.string().nullable(),
    clean: p.boolean(),
    halted: p.boolean(),
    uses: p.integer(),
    owed: p.enum(STEPS).nullable().persist(false),
    ring: p.integer(),
    deadlineAt: p.datetime().nullable(),
    stateSince: p.datetime(),
    failures: p.integer(),
    failure: p.text().nullable(),
    refusals: p.integer(),
    refusedSince: p.datetime().nullable(),
    createdAt: p.datetime(),
    changedAt: p.datetime(),
  },
});

export const LeaseEntity = defineEntity({
  name: 'LeaseEntity',
  tableName: 'lease',
  properties: {
    id: p.uuid().primary(),
    owner: p.string(),
    state: p.enum(LEASE_STATES),
    outcome: p.string().nullable(),
    reason: p.string().nullable(),
    pools: p.array(),
    pool: p.string().nullable(),
    machineId: p.uuid().nullable(),
    priority: p.integer(),
    requestedAt: p.datetime(),
    activeAt: p.datetime().nullable(),
    endedAt: p.datetime().nullable(),
    deadlineAt: p.datetime().nullable(),
    heartbeatTimeoutMs: p.bigint('number'),
    maxDurationMs: p.bigint('number'),
    maxRetries: p.integer(),
    retries: p.integer(),
    retryOf: p.uuid().nullable(),
    retriedBy: p.uuid().nullable(),
  },
});

export const TransitionEntity = defineEntity({
  name: 'TransitionEntity',
  tableName: 'transition',
  properties: {
    seq: p.bigint('string').primary(),
    entity: p.string(),
    subject: p.string(),
    machineId: p.uuid().nullable(),
    pool: p.string().nullable(),
    fromState: p.string().nullable(),
    toState: p.string(),
    token: p.bigint('string').nullable(),
    intentKind: p.string().nullable(),
    leaseId: p.uuid().nullable(),
    batchId: p.uuid().nullable(),
    instanceId: p.string().nullable(),
    outcome: p.string().nullable(),
    by: p.string().nullable(),
    at: p.datetime(),
  },
});

export const ENTITIES = [PoolEntity, PlacementEntity, MachineEntity, LeaseEntity, TransitionEntity] as const;

import { randomBytes } from 'node:crypto';

import type { ServerCertificate } from './certificates.ts';

/** A scale set that exists from the start. */
export interface InitialScaleSet {
  name: string;
  vmSize: string;
  capacity?: number;
  ephemeralOsDisk?: boolean;
  overprovision?: boolean;
  priority?: 'Regular' | 'Spot';
  evictionPolicy?: 'Deallocate' | 'Delete';
  zones?: readonly string[];
  tags?: Readonly<Record<string, string>>;
  /** At most 100 instances where true, 1000 where false (the default here). */
  singlePlacementGroup?: boolean;
}

/** How long things take, in cloud milliseconds; each is drawn from 0.6 to 1.2 of it. */
export interface Durations {
  scaleOut: number;
  deleteInstances: number;
  reimage: number;
  start: number;
  powerOff: number;
  deallocate: number;
  restart: number;
  /** From the call (or the control endpoint) to the eviction: the notice. */
  evict: number;
  /** A write that touches no instance. */
  modelOnly: number;
  /** From running to an answering guest. */
  boot: number;
}

export interface Quota {
  /** Total Regional Cores. */
  cores: number;
  lowPriorityCores: number;
  /** Each family's cores; `familyDefault` where a family is not named. */
  families: Readonly<Record<string, number>>;
  familyDefault: number;
}

export interface ArmOptions {
  /** The clock's speed: Retry-After is in real seconds and needs it. */
  speed: number;
  tenantId?: string;
  clientId?: string;
  /** Random where absent. */
  clientSecret?: string;
  subscriptionId?: string;
  resourceGroup?: string;
  location?: string;
  /** Real seconds a token lives. */
  tokenLifetimeSeconds?: number;
  /** Where the authority's certificate is written, as PEM. */
  caFile?: string;
  /** Made by `listen` where absent. */
  certificate?: ServerCertificate;
  /** Two empty sets where absent, one of spot machines. */
  scaleSets?: readonly InitialScaleSet[];
  durationsMs?: Partial<Durations>;
  pageSize?: number;
  /** The instance list's lag behind a finished scale-out: which share of new instances, and how long (cloud ms). */
  listLag?: { share: number; ms: number };
  quota?: Partial<Quota>;
  /** How many instances of a size the region can hold; no limit for sizes not named. Beyond it: AllocationFailed. */
  stock?: Readonly<Record<string, number>>;
  /** Sizes that are not sold here: 409 SkuNotAvailable. */
  restrictedSizes?: readonly string[];
  throttling?: boolean;
  /** False: writes that overlap on one set do not preempt each other. */
  preemption?: boolean;
  /** How many preemptions in a row before the next write waits. */
  preemptionChain?: number;
  /** The share of a preempted delete's or reimage's instances that its successor does not take over. */
  preemptionLoss?: number;
  /** Cloud milliseconds after which an ended operation's status is 404. */
  operationLifetimeMs?: number;
}

export interface ArmSettings extends Required<
  Omit<ArmOptions, 'caFile' | 'certificate' | 'durationsMs' | 'quota'>
> {
  durationsMs: Durations;
  quota: Quota;
}

/** The options with every default filled in. */
export function armSettings(options: ArmOptions): ArmSettings {
  return {
    ...DEFAULTS,
    clientSecret: randomBytes(24).toString('base64url'),
    ...options,
    durationsMs: { ...DURATIONS_MS, ...options.durationsMs },
    quota: { ...QUOTA, ...options.quota },
  };
}

const DURATIONS_MS: Durations = {
  scaleOut: 20_000,
  deleteInstances: 15_000,
  reimage: 20_000,
  start: 12_000,
  powerOff: 5_000,
  deallocate: 15_000,
  restart: 10_000,
  evict: 30_000,
  modelOnly: 2_000,
  boot: 30_000,
};

const QUOTA: Quota = { cores: 2000, lowPriorityCores: 2000, families: {}, familyDefault: 1000 };

const DEFAULTS = {
  tenantId: '7e9a1f52-5d0b-4c43-8f0e-2f5f0c9d7a01',
  clientId: 'b1c7d0a4-93e5-4a0e-9f5b-6d2a8c4e7b02',
  subscriptionId: '3d5f8b16-0a4c-4e7d-8b29-1c6e9f2a5d03',
  resourceGroup: 'drover',
  location: 'westeurope',
  tokenLifetimeSeconds: 3600,
  scaleSets: [
    { name: 'sandboxes', vmSize: 'Standard_D2ds_v5', ephemeralOsDisk: true },
    {
      name: 'sandboxes-spot',
      vmSize: 'Standard_D2ds_v5',
      ephemeralOsDisk: true,
      priority: 'Spot',
      evictionPolicy: 'Delete',
    },
  ],
  pageSize: 100,
  listLag: { share: 0.25, ms: 10_000 },
  stock: {},
  restrictedSizes: [],
  throttling: true,
  preemption: true,
  preemptionChain: 3,
  preemptionLoss: 0.25,
  operationLifetimeMs: 24 * 3600 * 1000,
} satisfies Partial<ArmOptions>;

import type { Catalogue, Image, InstanceType } from './catalogue.ts';

export type InstanceState = 'pending' | 'running' | 'stopping' | 'stopped' | 'shutting-down' | 'terminated';

export type Tags = Map<string, string>;

/** A volume: the vendor calls it EBS volume. */
export interface Disk {
  readonly id: string;
  readonly sequence: number;
  readonly zone: string;
  readonly sizeGib: number;
  readonly type: string;
  readonly snapshotId: string | undefined;
  readonly createdAtMs: number;
  readonly tags: Tags;
  /** Where it is attached; a disk without attachment is `available`. */
  attachment:
    | { instance: string; device: string; attachedAtMs: number; deleteWithInstance: boolean }
    | undefined;
}

/** An elastic network interface. */
export interface NetworkCard {
  readonly id: string;
  readonly sequence: number;
  readonly subnet: string;
  readonly zone: string;
  readonly privateAddress: string;
  readonly mac: string;
  readonly description: string;
  readonly groups: readonly string[];
  readonly wantsPublicAddress: boolean;
  readonly tags: Tags;
  publicAddress: string | undefined;
  attachment:
    | { id: string; instance: string; deviceIndex: number; attachedAtMs: number; deleteWithInstance: boolean }
    | undefined;
}

export interface SpotOptions {
  requestId: string;
  interruption: 'terminate' | 'stop';
  /** Its interruption has been announced. */
  isMarked: boolean;
}

export interface MetadataOptions {
  httpTokens: string;
  httpEndpoint: string;
  httpProtocolIpv6: string;
  hopLimit: number;
  instanceTags: string;
}

/** What all instances of one launch have in common. */
export interface Launch {
  readonly reservationId: string;
  readonly clientToken: string | undefined;
  readonly image: Image;
  readonly type: InstanceType;
  readonly zone: string;
  readonly subnet: string;
  readonly groups: readonly string[];
  readonly keyName: string | undefined;
  readonly instanceProfile: string | undefined;
  readonly shutdownBehaviour: 'stop' | 'terminate';
  readonly metadata: MetadataOptions;
  readonly monitoring: boolean;
  readonly ebsOptimized: boolean;
}

export interface Instance {
  readonly id: string;
  readonly sequence: number;
  readonly launch: Launch;
  readonly launchIndex: number;
  readonly spot: SpotOptions | undefined;
  /** The private address of its first network card; its guest answers there. */
  readonly address: string;
  readonly rootDevice: string;
  readonly tags: Tags;
  readonly launchedAtMs: number;
  /** What is attached to it, the root disk and the first network card first; nothing once it is deleted. */
  disks: Disk[];
  cards: NetworkCard[];
  state: InstanceState;
  stateReason: { code: string; message: string } | undefined;
  transitionReason: string;
  protectedFromDeletion: boolean;
  booted: boolean;
  boots: number;
  /** Cloud time from which on it can be seen, and describe calls that still miss it. */
  visibleFromCloudMs: number;
  hiddenDescribes: number;
}

export type TaskState =
  | 'pending'
  | 'in-progress'
  | 'succeeded'
  | 'failing'
  | 'failed'
  | 'failing-detached'
  | 'failed-detached';

export interface ReplaceRootTask {
  readonly id: string;
  readonly sequence: number;
  readonly instance: string;
  readonly image: Image;
  readonly imageWasNamed: boolean;
  readonly deleteReplaced: boolean;
  readonly startedAtMs: number;
  readonly tags: Tags;
  state: TaskState;
  completedAtMs: number | undefined;
}

/** Everything in the emulated account that can change. */
export interface Estate {
  readonly catalogue: Catalogue;
  readonly instances: Map<string, Instance>;
  readonly disks: Map<string, Disk>;
  readonly cards: Map<string, NetworkCard>;
  readonly tasks: Map<string, ReplaceRootTask>;
  /** What has happened since the emulator began. */
  readonly totals: { launched: number; deleted: number; resets: number };
  /** Numbers rise in the order of creation; pages are cut by them. */
  nextSequence(): number;
}

export function createEstate(catalogue: Catalogue): Estate {
  let sequence = 0;
  return {
    catalogue,
    instances: new Map(),
    disks: new Map(),
    cards: new Map(),
    tasks: new Map(),
    totals: { launched: 0, deleted: 0, resets: 0 },
    nextSequence: () => (sequence += 1),
  };
}

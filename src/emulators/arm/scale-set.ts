import type { JsonObject } from './arm-body.ts';
import type { MachineSize } from './machine-sizes.ts';

export type PowerState =
  | 'creating'
  | 'starting'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'deallocating'
  | 'deallocated';

export type ProvisioningState = 'Creating' | 'Succeeded' | 'Updating' | 'Deleting' | 'Failed';

/** One virtual machine of a uniform scale set. */
export interface Instance {
  /** The vendor's instanceId: "0", "1" and so on, never used again within its set. */
  readonly id: string;
  readonly set: ScaleSet;
  /** Full resource id in lower case: the name by which the call log knows it. */
  readonly key: string;
  readonly vmId: string;
  readonly address: string;
  readonly zone: string | undefined;
  readonly size: MachineSize;
  /** The set's model version that it was made from. */
  readonly modelVersion: number;
  readonly createdMs: number;
  /** One of those that overprovisioning makes and removes again; it counts nowhere. */
  readonly extra: boolean;
  /** Lists leave it out until then (cloud ms). */
  hiddenUntilMs: number;
  provisioningState: ProvisioningState;
  power: PowerState;
  etag: string;
  boots: number;
  /** False once a deletion that is under way has taken it out of the capacity. */
  counted: boolean;
  gone: boolean;
}

/** A uniform scale set: the model that was asked for, and what exists. */
export interface ScaleSet {
  readonly name: string;
  /** Resource id as answers carry it. */
  readonly resourceId: string;
  readonly uniqueId: string;
  readonly createdMs: number;
  /** The body as it was put and patched, without `sku`. */
  model: JsonObject;
  modelVersion: number;
  size: MachineSize;
  tier: string;
  /** What was asked for. It says nothing about how many instances exist. */
  capacity: number;
  etag: string;
  lastWriteFailed: boolean;
  deleting: boolean;
  readonly instances: Map<string, Instance>;
  nextInstanceId: number;
}

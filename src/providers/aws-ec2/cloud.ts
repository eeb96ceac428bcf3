import type { BatchCall } from '../../fleet/provider.ts';
import type { Sender } from './client.ts';
import type { Asking } from './describe.ts';
import { siteOf } from './placement.ts';
import type { Sighting } from './translate.ts';

/** What every act needs. */
export interface Ec2 {
  sender: Sender;
  installation: string;
  nowMs(): number;
  lookEveryMs: number;
  visibilityDelayMs: number;
}

/** What one poll has found out, for all batches that it answers. */
export interface Seen {
  /** By id. */
  instances: ReadonlyMap<string, Sighting>;
  /** Found by their client token, for launches whose instances are not known. */
  launches: readonly Sighting[];
  /** States of root volume tasks, by task. */
  tasks: ReadonlyMap<string, string>;
}

/** What one batch wants to know. */
export interface Wanted {
  instances: readonly string[];
  launches: readonly string[];
  tasks: readonly { task: string; instance: string }[];
}

export const NOTHING_WANTED: Wanted = { instances: [], launches: [], tasks: [] };

export function askingFor(cloud: Ec2, call: BatchCall, signal: AbortSignal): Asking {
  return { sender: cloud.sender, site: siteOf(call.placement), signal };
}

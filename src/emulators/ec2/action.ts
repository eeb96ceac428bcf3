import type { Randomness } from '../randomness.ts';
import type { ScaledClock } from '../scaled-clock.ts';
import type { Addresses } from './addresses.ts';
import type { Capacity } from './capacity.ts';
import type { ClientTokens } from './client-tokens.ts';
import type { Durations } from './durations.ts';
import type { Ec2Error } from './ec2-error.ts';
import type { Estate, Instance, ReplaceRootTask } from './estate.ts';
import type { Lifecycle } from './lifecycle.ts';
import { fingerprint, readRequest, type Field, type GroupOf, type ParameterNode } from './parameters.ts';
import type { RequestLimits } from './request-limits.ts';
import type { Timers } from './timers.ts';
import type { Visibility } from './visibility.ts';
import type { XmlFields } from './xml.ts';

/** What an action works with. */
export interface Ec2Account {
  clock: ScaledClock;
  randomness: Randomness;
  durations: Durations;
  /** How many describe calls miss a new instance. */
  hiddenDescribes: number;
  timers: Timers;
  estate: Estate;
  addresses: Addresses;
  capacity: Capacity;
  limits: RequestLimits;
  lifecycle: Lifecycle;
  visibility: Visibility;
  launchTokens: ClientTokens<readonly Instance[]>;
  taskTokens: ClientTokens<ReplaceRootTask>;
}

/** One request that was read, authorized and not refused so far. */
export interface Ec2Call<P> {
  parameters: P;
  requestId: string;
  /** The same for every request with the same parameters, whatever its client token. */
  fingerprint: string;
  /** The code with which what this call begins is to fail later on, where a fault says so. */
  failureCode: string | undefined;
}

/** What an action decided. Nothing has taken effect before `apply` is called, but tokens and places are booked. */
export interface Accepted {
  answer: XmlFields;
  apply?: () => void;
  /** Sent instead of the answer by a call that took effect in part. */
  refusal?: Ec2Error;
}

type Fields = Record<string, Field<unknown>>;

interface Definition<F extends Fields> {
  mutating: boolean;
  fields: F;
  /** The instances that the request names, for the log and for faults. */
  names?: (parameters: GroupOf<F>) => readonly string[];
  /** Whether what it begins can fail later on (the fault `operation-failed`). */
  canFailLater?: boolean;
  handle(account: Ec2Account, call: Ec2Call<GroupOf<F>>): Accepted;
}

/** A request whose parameters were understood. */
export interface PreparedRequest {
  instances: readonly string[];
  clientToken: string | undefined;
  isDryRun: boolean;
  /** Whether it has a filter or a page size: the published buckets differ by it. */
  narrowed: boolean;
  handle(account: Ec2Account, call: Pick<Ec2Call<unknown>, 'requestId' | 'failureCode'>): Accepted;
}

export interface Action {
  mutating: boolean;
  canFailLater: boolean;
  /** Reads a request's parameters; throws the vendor's refusal of unknown, missing or malformed ones. */
  prepare(root: ParameterNode): PreparedRequest;
}

/** Makes an action of the parameters that it knows and of what it does with them. */
export function defineAction<F extends Fields>(definition: Definition<F>): Action {
  return {
    mutating: definition.mutating,
    canFailLater: definition.canFailLater ?? false,
    prepare(root) {
      const parameters = readRequest(definition.fields, root);
      return {
        instances: definition.names?.(parameters) ?? [],
        clientToken: root.children.get('ClientToken')?.value,
        isDryRun: root.children.get('DryRun')?.value === 'true',
        narrowed: root.children.has('Filter') || root.children.has('MaxResults'),
        handle: (account, call) =>
          definition.handle(account, { ...call, parameters, fingerprint: fingerprint(root, NOT_COMPARED) }),
      };
    },
  };
}

const NOT_COMPARED = ['Action', 'Version', 'ClientToken', 'DryRun'];

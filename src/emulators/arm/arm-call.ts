import type { JsonObject } from './arm-body.ts';
import type { AsyncOperation } from './async-operation.ts';
import type { Reply } from './reply.ts';

/** A request that has found its route and passed its checks. */
export interface ArmCall {
  /** The vendor's name of the operation, such as `VirtualMachineScaleSets_Update`. */
  operation: string;
  requestId: string;
  /** The path's parameters: subscription, group, set, instance, location, id. */
  params: Readonly<Record<string, string>>;
  /** The query's parameters, by lower-case name. */
  query: ReadonlyMap<string, string>;
  body: JsonObject | undefined;
  ifMatch: string | undefined;
  ifNoneMatch: string | undefined;
  url: URL;
}

export type ReadHandler = (call: ArmCall) => Reply;

/** A write is checked and begun at once; what it then does belongs to `operation`. */
export type WriteHandler = (call: ArmCall, operation: AsyncOperation) => Reply;

export function param(call: ArmCall, name: string): string {
  const value = call.params[name];
  if (value === undefined) throw new Error(`The route of ${call.operation} has no parameter ${name}.`);
  return value;
}

/** A query parameter that is true or false; false where absent. */
export function flag(call: ArmCall, name: string): boolean {
  return call.query.get(name.toLowerCase())?.toLowerCase() === 'true';
}

import { Type } from 'typebox';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { FleetError } from '../../fleet/errors.ts';
import type { FailureCode, Remedy } from '../../fleet/errors.ts';
import type { Json, Progress } from '../../fleet/provider.ts';

const failure = Type.Object({
  code: Type.Unsafe<FailureCode>(Type.String()),
  remedy: Type.Unsafe<Remedy>(Type.String()),
  message: Type.String(),
});
export type Failure = Static<typeof failure>;

const told = Type.Union([Type.Object({ address: Type.Union([Type.String(), Type.Null()]) }), failure]);
/** A member's outcome as it was told: done, at an address where one was found, or failed. */
export type Told = Static<typeof told>;

const launchHandle = Type.Object({
  /** Everything that the launch has made. */
  instances: Type.Array(Type.String()),
});
export type LaunchHandle = Static<typeof launchHandle>;

const actHandle = Type.Object({
  /** When the batch was first sent, in milliseconds since the epoch. */
  sentAtMs: Type.Number(),
  /** Members that EC2 would not act on; what is true of them is for the next look to find out. */
  refused: Type.Record(Type.String(), failure),
  /** Root volume tasks by instance; a reset's alone. */
  tasks: Type.Record(Type.String(), Type.String()),
  /** Outcomes once told, by instance: they are never taken back. */
  told: Type.Record(Type.String(), told),
});
export type ActHandle = Static<typeof actHandle>;

/** The handle of a launch that was answered; undefined before. */
export function readLaunchHandle(handle: Json): LaunchHandle | undefined {
  return read(launchHandle, handle);
}

/** The handle of a start, stop, reset or delete that was answered; undefined before. */
export function readActHandle(handle: Json): ActHandle | undefined {
  return read(actHandle, handle);
}

function read<Schema extends TSchema>(schema: Schema, handle: Json): Static<Schema> | undefined {
  if (handle === null) return undefined;
  if (Value.Check(schema, handle)) return handle;
  throw new FleetError('A batch carries a handle that is not of this provider.', {
    code: 'internal',
    remedy: 'give-up',
  });
}

export function toFailure(error: FleetError): Failure {
  return { code: error.code, remedy: error.remedy, message: error.message };
}

export function toProgress(outcome: Told): Progress {
  if ('address' in outcome) {
    return outcome.address === null ? { state: 'done' } : { state: 'done', address: outcome.address };
  }
  const { code, remedy, message } = outcome;
  return { state: 'failed', error: new FleetError(message, { code, remedy }) };
}

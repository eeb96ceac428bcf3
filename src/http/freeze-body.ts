import { Type, type Static } from 'typebox';
import { FREEZABLE, type Freeze } from '../fleet/brakes.ts';
import { Instant } from './lease-body.ts';

export const FreezesBody = Type.Object({
  freezes: Type.Array(Type.Object({ verb: Type.Enum(FREEZABLE), since: Instant(), by: Type.String() }), {
    description: 'What is frozen in the whole fleet.',
  }),
});

/** Freezes as they go over the wire. */
export function toFreezesBody(freezes: readonly Freeze[]): Static<typeof FreezesBody> {
  return { freezes: freezes.map(({ verb, since, by }) => ({ verb, since: since.toISOString(), by })) };
}

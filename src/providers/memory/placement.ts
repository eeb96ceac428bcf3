import { Type } from 'typebox';
import type { Static } from 'typebox';

/** A placement of the cloud in memory. */
export const memoryPlacementSchema = Type.Object(
  {
    zone: Type.Optional(Type.String({ description: 'A name for people; every zone is the same.' })),
    limit: Type.Optional(
      Type.Integer({ minimum: 0, description: 'The most instances here at once; no limit without it.' }),
    ),
  },
  { additionalProperties: false, description: 'Machines that exist only in the memory of one process.' },
);
export type MemoryPlacement = Static<typeof memoryPlacementSchema>;

export const memoryOptionsSchema = Type.Object(
  {
    launchMs: Type.Optional(
      Type.Number({ minimum: 0, description: 'How long a launch takes; 0 by default.' }),
    ),
    actMs: Type.Optional(
      Type.Number({
        minimum: 0,
        description: 'How long a start, stop, reset or delete takes; 0 by default.',
      }),
    ),
  },
  { additionalProperties: false, description: 'How fast the cloud in memory is.' },
);
export type MemoryOptions = Static<typeof memoryOptionsSchema>;

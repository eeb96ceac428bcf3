import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/** Throws a sentence that names the first field a payload has wrong. */
export function createPayloadCheck(schema: TSchema): (payload: unknown) => void {
  const compiled = Compile(schema);
  return (payload) => {
    if (compiled.Check(payload)) return;
    const [first] = compiled.Errors(payload);
    throw new Error(
      `its payload is not what its queue takes: ${first?.instancePath ?? ''} ${first?.message ?? ''}`,
    );
  };
}

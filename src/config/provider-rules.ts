import type { TObject, TSchema } from 'typebox';
import { fieldOf, isRecord } from './json.ts';

/** What configuration has to know of a provider; a provider's module fits as it is. */
export interface ProviderRules {
  /** The word placements name it by. */
  name: string;
  /** The schema of a placement's own fields: an object. */
  placementSchema: TSchema;
  /** The schema of its section under `providers:`; without one it takes no options. */
  optionsSchema?: TSchema;
  /** How its machines are cleaned; with `none` a pool there cannot recycle by reset. Not checked where it is missing. */
  reset?: 'reimage' | 'replace-root' | 'none';
  /** True where only a running machine can be reset: a pool there cannot power off and recycle by reset. */
  resetsRunning?: boolean;
  /** What a placement has to itself, such as a scale set whose every machine is taken for its own. */
  territory?(spec: Readonly<Record<string, unknown>>): string | undefined;
}

/** The schema as an object; throws where a provider exports another kind, or takes a name that placements have. */
export function placementObject(provider: ProviderRules): TObject {
  const schema = provider.placementSchema;
  if (!isObjectSchema(schema)) {
    throw new TypeError(
      `the placement schema of provider ${provider.name} must be an object with properties`,
    );
  }
  for (const taken of ['name', 'provider']) {
    if (taken in schema.properties) {
      throw new TypeError(
        `the placement schema of provider ${provider.name} must not have a field "${taken}"`,
      );
    }
  }
  return schema;
}

function isObjectSchema(schema: TSchema): schema is TObject {
  return fieldOf(schema, 'type') === 'object' && isRecord(fieldOf(schema, 'properties'));
}

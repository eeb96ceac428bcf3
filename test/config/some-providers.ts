import Type from 'typebox';
import type { ProviderRules } from '../../src/config.ts';

const closed = { additionalProperties: false };

/** Providers made for tests: one that resets, one that cannot, one that resets running machines only, one of sets. */
export const SOME_PROVIDERS: readonly ProviderRules[] = [
  {
    name: 'cloud-a',
    reset: 'reimage',
    placementSchema: Type.Object(
      {
        region: Type.String({ minLength: 1 }),
        market: Type.Optional(Type.Union([Type.Literal('spot'), Type.Literal('on-demand')])),
        sizes: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
      },
      closed,
    ),
    optionsSchema: Type.Object(
      {
        endpoint: Type.Optional(Type.String({ pattern: '^https://' })),
        apiKey: Type.Optional(Type.String({ maxLength: 10 })),
        retries: Type.Optional(Type.Integer({ minimum: 0 })),
      },
      closed,
    ),
  },
  { name: 'cloud-b', reset: 'none', placementSchema: Type.Object({}, closed) },
  { name: 'cloud-r', reset: 'replace-root', resetsRunning: true, placementSchema: Type.Object({}, closed) },
  {
    name: 'cloud-s',
    reset: 'reimage',
    placementSchema: Type.Object({ set: Type.String() }, closed),
    territory: (spec) => (typeof spec['set'] === 'string' ? spec['set'] : undefined),
  },
];

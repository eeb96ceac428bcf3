import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { Type } from 'typebox';

const ErrorSchema = Type.Object(
  {
    error: Type.Object({
      code: Type.String({ description: 'A short word, stable across versions.' }),
      message: Type.String(),
      field: Type.Optional(Type.String({ description: 'The field it is about.' })),
      rule: Type.Optional(Type.String({ description: 'The rule that field broke.' })),
      hint: Type.String({ description: 'What to do about it.' }),
      outcome: Type.Optional(Type.String({ description: 'How the lease ended, where that is why.' })),
      reason: Type.Optional(Type.String()),
    }),
  },
  { description: 'Anything that is not the answer asked for. 503 carries Retry-After.' },
);

/** How the routes' own schemas become the OpenAPI document. */
export function describeApi(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'drover',
        version,
        description: 'Leases on machines that are used once, or cleaned between uses.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: ({ schema, url, route }) => ({
      url,
      schema: {
        ...schema,
        response: Object.assign({}, schema.response, { default: ErrorSchema }),
        ...(route.config?.open === true && { security: [] }),
      },
    }),
  };
}

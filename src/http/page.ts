import { Type } from 'typebox';
import { ApiError } from './error-reply.ts';
import type { Listed, Page } from '../fleet/views.ts';

const LIMIT_MAX = 200;
const LIMIT_DEFAULT = 50;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Query fields of every list. */
export const PageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMIT_MAX, description: '50 unless given.' })),
  cursor: Type.Optional(Type.String({ description: '`next` of the page before.' })),
};

/** The page a query asks for. Throws where the cursor is none of ours. */
export function toPage(query: { limit?: number; cursor?: string }): Page {
  const { cursor } = query;
  if (cursor !== undefined && !isId(cursor)) {
    throw new ApiError({
      status: 400,
      code: 'invalid_request',
      message: 'This is no cursor.',
      field: 'cursor',
      rule: 'format',
      hint: 'Pass the `next` of the page before unchanged, or leave it out.',
    });
  }
  return { limit: query.limit ?? LIMIT_DEFAULT, after: cursor ?? null };
}

/** What the next page is asked for with; null on the last one. */
export function nextCursor(listed: Listed<{ id: string }>): string | null {
  return listed.more ? (listed.items.at(-1)?.id ?? null) : null;
}

/** Ids are UUIDs; anything else is known to nobody, and the database need not be asked. */
export function isId(id: string): boolean {
  return UUID.test(id);
}

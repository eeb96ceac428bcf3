import { Type } from 'typebox';
import { FREEZABLE, type Freezable } from '../fleet/brakes.ts';
import type { Clock } from '../fleet/ports.ts';
import type { Store } from '../fleet/store.ts';
import type { App } from './app.ts';
import { callerOf } from './authentication.ts';
import { ApiError } from './error-reply.ts';
import { FreezesBody, toFreezesBody } from './freeze-body.ts';
import { OPERATORS_ONLY } from './sweep-routes.ts';

export interface FreezeRouteDeps {
  store: Pick<Store, 'freezes' | 'setFreeze'>;
  clock: Clock;
}

const Verbs = Type.Array(Type.Enum(FREEZABLE), { minItems: 1, maxItems: FREEZABLE.length });

/** Stopping launches or deletions in the whole fleet, and letting them go on. */
export function addFreezeRoutes(app: App, { store, clock }: FreezeRouteDeps): void {
  const list = { summary: 'What is frozen.', response: { 200: FreezesBody } };
  app.get('/v1/freezes', { schema: list }, async () => toFreezesBody(await store.freezes()));

  const body = Type.Object({ verbs: Verbs, frozen: Type.Boolean() }, { additionalProperties: false });
  const summary =
    'Freeze launches or deletions, or let them go on. While frozen no new call is sent. Operators only.';
  app.post('/v1/freezes', { schema: { summary, body, response: { 200: FreezesBody } } }, async (request) => {
    const { owner, operator } = callerOf(request);
    if (!operator) throw new ApiError(OPERATORS_ONLY);
    const { frozen } = request.body;
    const verbs: Freezable[] = [...new Set(request.body.verbs)];
    return toFreezesBody(await store.setFreeze({ verbs, frozen, by: `api:${owner}`, now: clock.now() }));
  });
}

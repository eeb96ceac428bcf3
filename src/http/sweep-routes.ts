import { Type } from 'typebox';
import type { Clock } from '../fleet/ports.ts';
import type { Store } from '../fleet/store.ts';
import type { App } from './app.ts';
import { callerOf } from './authentication.ts';
import { ApiError } from './error-reply.ts';
import { noSuchPool } from './fleet-routes.ts';
import { Word } from './lease-body.ts';

export interface SweepRouteDeps {
  store: Pick<Store, 'pools' | 'confirmSweep'>;
  clock: Clock;
}

/** What operators say to sweeps. */
export function addSweepRoutes(app: App, { store, clock }: SweepRouteDeps): void {
  const schema = {
    summary:
      'Confirm a halted sweep: for an hour it may end up to `count` instances and machines. Operators only.',
    params: Type.Object({ name: Word('The pool.'), placement: Word('Its placement.') }),
    body: Type.Object({ count: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
    response: { 200: Type.Object({ count: Type.Integer() }) },
  };
  app.post('/v1/pools/:name/placements/:placement/confirm-sweep', { schema }, async (request) => {
    const { owner, operator } = callerOf(request);
    if (!operator) throw new ApiError(OPERATORS_ONLY);
    const { name: pool, placement } = request.params;
    const { count } = request.body;
    const isKnown = (await store.pools()).some((each) => each.name === pool);
    if (!isKnown) throw await noSuchPool(store, pool);
    const act = { pool, placement, count, by: `api:${owner}`, now: clock.now() };
    if (!(await store.confirmSweep(act))) throw nothingToConfirm(act);
    return { count };
  });
}

export const OPERATORS_ONLY = {
  status: 403,
  code: 'operators_only',
  message: 'Only operators may do this.',
  hint: 'Use a token that drover.yaml marks with operator: true.',
} as const;

function nothingToConfirm({ pool, placement, count }: { pool: string; placement: string; count: number }) {
  return new ApiError({
    status: 409,
    code: 'nothing_to_confirm',
    message: `No sweep of ${pool}/${placement} has halted, or it has found more than ${count}.`,
    hint: 'GET /v1/pools shows the halted ones, with the count that each has found.',
  });
}

import { matchPool } from '../fleet/leasing.ts';
import type { PoolJob, Ports, Worker } from '../fleet/ports.ts';
import { planScaling, type ScalingAction } from '../fleet/scaling.ts';
import type { PoolView } from '../fleet/store.ts';

/** Matches what can be matched, then lets the pool grow or shrink by its plan. */
export const scale: Worker<PoolJob> = async (ports, job) => {
  const pool = await ports.pool(job.pool);
  if (pool === undefined) return { kind: 'done', note: 'its pool is gone' };
  await matchPool(ports, { pool, by: `scale.${job.pool}` });
  const view = await ports.store.viewPool(job.pool);
  if (view === undefined) return { kind: 'done', note: 'its pool is gone' };
  for (const action of planScaling(view, ports.clock.now())) await carryOut(ports, view, action);
  ports.jobs.nudge();
  return { kind: 'done' };
};

async function carryOut(ports: Ports, view: PoolView, action: ScalingAction): Promise<void> {
  const { pool } = view;
  const now = ports.clock.now();
  const by = `scale.${pool.name}`;
  if (action.kind === 'provision') {
    const { placement, count } = action;
    await ports.store.provision({ pool, placement, count, version: view.version, reason: 'demand', now, by });
    return;
  }
  const kind = action.kind === 'unpark' ? 'provision' : 'retire';
  const reason = action.kind === 'unpark' ? 'demand' : action.reason;
  const { machine, token } = action;
  // Guarded by its token: one that a lease has taken since the view is left alone.
  const guard = { machine, token, by, now, deadlines: pool.deadlines };
  await ports.store.openIntent({ ...guard, kind, reason, outcome: 'lost' });
}

import type {
  BatchJob,
  MachineJob,
  Outcome,
  PoolJob,
  Ports,
  ReconcileJob,
  Worker,
} from '../../fleet/ports.ts';
import type { Step } from '../../fleet/lifecycle.ts';

/** Everything that runs, by its queue. */
export type WorkerTable = Readonly<
  Record<Step, Worker<MachineJob>> & {
    batch: Worker<BatchJob>;
    scale: Worker<PoolJob>;
    reconcile: Worker<ReconcileJob>;
  }
>;

/** A job's worker with the ids that the job carries. */
export type Work = (on: { workers: WorkerTable; ports: Ports; signal: AbortSignal }) => Promise<Outcome>;

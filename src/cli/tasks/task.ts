/** One lease that somebody will ask for. */
export interface Task {
  /** When, in seconds from the first task's beginning; never less than the task's before it. */
  arrivalSeconds: number;
  /** How long the lease is held. */
  holdSeconds: number;
  /** A pool by name, or what any pool has to fit. */
  selector: { pool?: string; platform?: string; arch?: string; tags?: readonly string[] };
  /** Higher goes first. */
  priority: number;
  /** Where it stands in its file, from 1. */
  line: number;
}

export interface TaskOptions {
  /** The pools there are: a trace picks among them, and a pool that a task names must be one of them. */
  pools?: readonly string[];
  /** A trace's arrivals are this many times further apart; 10 where left out. Other files are taken as they are. */
  stretch?: number;
}

/** A mistake in one row: the field it is in and the rule it breaks. */
export interface RowProblem {
  line: number;
  field: string;
  rule: string;
}

/** What one row says: a task, or everything that is wrong with it. */
export type RowReading =
  | { task: Task; problems?: undefined }
  | { task?: undefined; problems: readonly RowProblem[] };

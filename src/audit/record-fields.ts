import type { HistoryRecord } from './history.ts';

/** Says what is wrong with a field's value, or undefined where it is well formed. */
export type FieldCheck = (value: unknown) => string | undefined;

type FieldsOf<T extends HistoryRecord['type']> = Required<{
  [K in Exclude<keyof Extract<HistoryRecord, { type: T }>, 'type'>]: FieldCheck;
}>;

const text: FieldCheck = (value) => (typeof value === 'string' ? undefined : 'must be a string');
const number: FieldCheck = (value) => (Number.isFinite(value) ? undefined : 'must be a finite number');
const flag: FieldCheck = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');

const orNull =
  (check: FieldCheck): FieldCheck =>
  (value) =>
    value === null ? undefined : orElse(check(value), 'or null');

const optional =
  (check: FieldCheck): FieldCheck =>
  (value) =>
    value === undefined ? undefined : check(value);

const oneOf =
  (...words: string[]): FieldCheck =>
  (value) =>
    words.some((word) => word === value) ? undefined : `must be one of ${words.join(', ')}`;

const listOf =
  (check: FieldCheck): FieldCheck =>
  (value) => {
    if (!Array.isArray(value)) return 'must be a list';
    const items: unknown[] = value;
    const index = items.findIndex((item) => check(item) !== undefined);
    return index === -1 ? undefined : `[${index}] ${check(items[index])}`;
  };

const shape =
  (fields: Record<string, FieldCheck>): FieldCheck =>
  (value) => {
    if (!isObject(value)) return 'must be an object';
    for (const [field, check] of Object.entries(fields)) {
      const wrong = check(value[field]);
      if (wrong !== undefined) return `.${field} ${wrong}`;
    }
    return undefined;
  };

const numbersByName: FieldCheck = (value) => {
  if (!isObject(value)) return 'must be an object';
  const wrong = Object.entries(value).find(([, each]) => number(each) !== undefined);
  return wrong === undefined ? undefined : `.${wrong[0]} ${number(wrong[1])}`;
};

const parts = listOf(shape({ id: text, instance: orNull(text) }));
const commit = { seq: number, committedAt: number, at: number };

/** The fields of each type of record, as `HistoryRecord` has them; others may stand beside them. */
export const RECORD_FIELDS: { [T in HistoryRecord['type']]: FieldsOf<T> } = {
  machine: {
    ...commit,
    machine: text,
    pool: text,
    placement: text,
    from: orNull(text),
    to: text,
    token: number,
    intent: orNull(text),
    intentKind: orNull(text),
    lease: orNull(text),
    batch: orNull(text),
    instance: orNull(text),
    clean: flag,
    deadlineAt: orNull(number),
    by: text,
  },
  lease: {
    ...commit,
    lease: text,
    pool: orNull(text),
    from: orNull(text),
    to: text,
    machine: orNull(text),
    outcome: orNull(text),
    deadlineAt: orNull(number),
  },
  call: {
    cloud: text,
    at: number,
    answeredAt: optional(number),
    requestId: text,
    operation: text,
    verb: oneOf('launch', 'start', 'stop', 'reset', 'delete', 'read', 'other'),
    instances: listOf(text),
    unaddressed: flag,
    token: orNull(text),
    status: number,
    code: orNull(text),
    fault: orNull(text),
  },
  effect: {
    cloud: text,
    at: number,
    instance: text,
    effect: oneOf('launched', 'running', 'stopped', 'started', 'reset', 'deleted', 'evicted'),
    requestId: orNull(text),
  },
  ack: { at: number, lease: text, state: text },
  owed: { at: number, machine: text, step: text, since: number, live: flag, rung: flag },
  settings: { reconcileRoundMs: number, limits: numbersByName },
  instance: {
    ...commit,
    instance: text,
    pool: text,
    batch: orNull(text),
    machine: orNull(text),
    condemned: flag,
    gone: orNull(oneOf('listed-gone', 'absent-from-listing')),
  },
  end: {
    at: number,
    cloud: shape({ instances: listOf(text), disks: parts, networkCards: parts, addresses: parts }),
    machines: listOf(shape({ machine: text, instance: orNull(text), state: text })),
    leases: listOf(shape({ lease: text, state: text, readable: flag })),
  },
  batch: {
    ...commit,
    batch: text,
    lane: text,
    verb: text,
    state: oneOf('open', 'closed', 'sent', 'ended'),
    token: number,
  },
  'stale-write': { at: number, machine: text, token: number, currentToken: number, changedRows: number },
};

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function orElse(wrong: string | undefined, other: string): string | undefined {
  return wrong === undefined ? undefined : `${wrong} ${other}`;
}

import { suggest } from '../../config/did-you-mean.ts';
import { ARCHES, PLATFORMS } from '../../config/pool-schema.ts';
import type { RowProblem, RowReading, Task, TaskOptions } from './task.ts';

export const TASK_FIELDS = [
  'arrivalSeconds',
  'holdSeconds',
  'pool',
  'platform',
  'arch',
  'tags',
  'priority',
] as const;
export type TaskField = (typeof TASK_FIELDS)[number];

/** A row's fields by our own names; `nameOf` tells what its file calls them. */
export interface RowFields {
  fields: Partial<Record<TaskField, unknown>>;
  line: number;
  nameOf: (field: TaskField) => string;
}

/** The longest a lease may be held, and the furthest away an arrival may be: a year. */
const SECONDS_MAX = 366 * 86_400;
const PRIORITY_MAX = 1000;

type Check = (value: unknown, options: TaskOptions) => string | undefined;

/** Reads one row; every rule that it breaks is told. */
export function readFields({ fields, line, nameOf }: RowFields, options: TaskOptions): RowReading {
  const problems: RowProblem[] = TASK_FIELDS.flatMap((field) => {
    const rule = CHECKS[field](fields[field], options);
    return rule === undefined ? [] : [{ line, field: nameOf(field), rule }];
  });
  problems.push(...checkSelector(fields).map((rule) => ({ line, field: nameOf('pool'), rule })));
  return problems.length > 0 ? { problems } : { task: toTask(fields, line) };
}

const CHECKS: Readonly<Record<TaskField, Check>> = {
  arrivalSeconds: checkSeconds,
  holdSeconds: checkSeconds,
  pool: (value, { pools }) => {
    if (value === undefined || pools === undefined) return checkText(value);
    if (typeof value === 'string' && pools.includes(value)) return undefined;
    const fix = suggest(typeof value === 'string' ? value : '', pools);
    return `must be a pool that exists, but is ${sayCell(value)}: ${fix}`;
  },
  platform: (value) => checkChoice(value, PLATFORMS),
  arch: (value) => checkChoice(value, ARCHES),
  tags: (value) => {
    if (value === undefined) return undefined;
    const isList = Array.isArray(value) && value.every((tag) => typeof tag === 'string' && tag !== '');
    return isList ? undefined : `must be a list of words, but is ${sayCell(value)}`;
  },
  priority: (value) => {
    if (value === undefined) return undefined;
    const isPriority = Number.isInteger(value) && Math.abs(Number(value)) <= PRIORITY_MAX;
    return isPriority
      ? undefined
      : `must be a whole number from -${PRIORITY_MAX} to ${PRIORITY_MAX}, but is ${sayCell(value)}`;
  },
};

function checkSeconds(value: unknown): string | undefined {
  if (typeof value === 'number' && value >= 0 && value <= SECONDS_MAX) return undefined;
  return `must be a number of seconds from 0 to ${SECONDS_MAX}, but is ${sayCell(value)}`;
}

function checkText(value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return undefined;
  return `must be a name, but is ${sayCell(value)}`;
}

function checkChoice(value: unknown, choices: readonly string[]): string | undefined {
  if (value === undefined || (typeof value === 'string' && choices.includes(value))) return undefined;
  return `must be one of ${choices.join(', ')}, but is ${sayCell(value)}`;
}

function checkSelector({ pool, platform, arch, tags }: RowFields['fields']): string[] {
  const describes = [platform, arch, tags].some((value) => value !== undefined);
  if (pool !== undefined && describes) return ['must stand alone: name a pool, or platform, arch and tags'];
  if (pool === undefined && !describes) return ['is missing: name a pool, or platform, arch or tags'];
  return [];
}

/** Of fields that have passed their checks: what is of another type is not there. */
function toTask(fields: RowFields['fields'], line: number): Task {
  const { pool, platform, arch, tags, priority } = fields;
  return {
    arrivalSeconds: Number(fields.arrivalSeconds),
    holdSeconds: Number(fields.holdSeconds),
    selector: {
      ...(typeof pool === 'string' ? { pool } : {}),
      ...(typeof platform === 'string' ? { platform } : {}),
      ...(typeof arch === 'string' ? { arch } : {}),
      ...(Array.isArray(tags) ? { tags: tags.map(String) } : {}),
    },
    priority: typeof priority === 'number' ? priority : 0,
    line,
  };
}

/** A value as a message repeats it: short, and told apart from a number by its quotes. */
export function sayCell(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'empty';
  return (JSON.stringify(value) ?? typeof value).slice(0, 60);
}

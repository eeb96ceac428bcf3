import { toMs } from './durations.ts';
import { sayKey } from './explain.ts';
import { fieldOf, type Json, toJson } from './json.ts';
import { findContradictions } from './pool-contradictions.ts';
import {
  DEADLINE_STATES,
  DEADLINES,
  type DeadlineState,
  poolsFileSchema,
  PROBE_INTERVAL,
  type RawPlacement,
  type RawPool,
  type RawProbe,
} from './pool-schema.ts';
import { inFileOrder, PoolsFileError, type Problem } from './problem.ts';
import type { ProviderRules } from './provider-rules.ts';
import { createCheck, type Fault } from './schema-check.ts';
import { readYaml } from './yaml-source.ts';

/** A pool as the file gives it, in the shape of the domain's own; durations are milliseconds. */
export interface FilePool {
  name: string;
  platform: string;
  arch: string;
  tags: readonly string[];
  minIdle: number;
  max: number;
  idleTimeoutMs: number;
  recycle: 'reset' | 'delete';
  halt: 'power-off' | 'none';
  maxUses: number | null;
  maxMachineHoursPerDay: number | null;
  probe:
    | { kind: 'tcp'; port: number; intervalMs: number }
    | { kind: 'http'; port: number; path: string; intervalMs: number }
    | { kind: 'none' };
  /** Of every state that has one. */
  deadlines: Partial<Record<DeadlineState, number>>;
  placements: readonly { pool: string; name: string; provider: string; spec: Json }[];
  owner: 'file';
  draining: false;
}

/**
 * Reads a pools file. `file` is the name that mistakes are told under; `providers` are those that placements may
 * name. Throws one PoolsFileError with every mistake in the file, each with its line and column. An empty file is a
 * mistake, since removing a pool drains it: a file that means no pools says `[]`.
 */
export function parsePools(text: string, file: string, providers: readonly ProviderRules[]): FilePool[] {
  return createPoolsParser(providers)(text, file);
}

/** The same for many files: the schemas are compiled once. */
export function createPoolsParser(
  providers: readonly ProviderRules[],
): (text: string, file: string) => FilePool[] {
  const check = createCheck(poolsFileSchema(providers));
  return (text, file) => {
    const source = readYaml(text, file);
    if (source.isEmpty) throw new PoolsFileError(file, [emptyFile(file)]);
    const problems = [...source.problems];
    if (source.value === undefined) throw new PoolsFileError(file, inFileOrder(problems));
    const checked = check(source.value);
    const faults = [...checked.faults, ...findContradictions(source.value, providers)];
    problems.push(...faults.map((fault) => source.locate(fault, sayPlace(source.value, fault))));
    if (checked.value === undefined || problems.length > 0)
      throw new PoolsFileError(file, inFileOrder(problems));
    return checked.value.map(toPool);
  };
}

function emptyFile(file: string): Problem {
  const fix = 'list at least one pool, or write [] if every pool is to be drained';
  return { where: file, line: null, column: null, subject: '', rule: 'is empty', fix };
}

/** `pool "win10": placements[0].region`, with the pool's number where it has no name. */
function sayPlace(value: unknown, fault: Fault): string {
  const [index, ...rest] = fault.path;
  if (typeof index !== 'number') return 'the file';
  const item: unknown = Array.isArray(value) ? value[index] : undefined;
  const name = fieldOf(item, 'name');
  const pool =
    typeof name === 'string' && sayKey(name) === name ? `pool "${name}"` : `pool number ${index + 1}`;
  const path = rest.map((part) => (typeof part === 'number' ? `[${part}]` : `.${sayKey(part)}`)).join('');
  return path === '' ? pool : `${pool}: ${path.replace(/^\./, '')}`;
}

function toPool(raw: RawPool): FilePool {
  return {
    name: raw.name,
    platform: raw.platform,
    arch: raw.arch,
    tags: raw.tags,
    minIdle: raw.minIdle,
    max: raw.max,
    idleTimeoutMs: toMs(raw.idleTimeout),
    recycle: raw.recycle,
    halt: raw.halt,
    maxUses: raw.maxUses ?? null,
    maxMachineHoursPerDay: raw.maxMachineHoursPerDay ?? null,
    probe: toProbe(raw.probe),
    deadlines: toDeadlines(raw),
    placements: raw.placements.map((placement) => toPlacement(raw.name, placement)),
    owner: 'file',
    draining: false,
  };
}

function toProbe(raw: RawProbe): FilePool['probe'] {
  if (raw.kind === 'none') return { kind: 'none' };
  const intervalMs = toMs(raw.interval ?? PROBE_INTERVAL);
  if (raw.kind === 'tcp') return { kind: 'tcp', port: raw.port, intervalMs };
  return { kind: 'http', port: raw.port, path: raw.path ?? '/', intervalMs };
}

/** The schema has filled in every state's default; the two short forms win over it. */
function toDeadlines(raw: RawPool): FilePool['deadlines'] {
  const written = {
    ...raw.deadlines,
    ...(raw.bootTimeout === undefined ? {} : { booting: raw.bootTimeout }),
    ...(raw.maxAge === undefined ? {} : { ready: raw.maxAge }),
  };
  const deadlines: Partial<Record<DeadlineState, number>> = {};
  for (const state of DEADLINE_STATES) deadlines[state] = toMs(written[state] ?? DEADLINES[state]);
  return deadlines;
}

/** What is left of a placement has passed the provider's schema. */
function toPlacement(pool: string, raw: RawPlacement): FilePool['placements'][number] {
  const { name, provider, ...spec } = raw;
  return { pool, name, provider, spec: toJson(spec) };
}

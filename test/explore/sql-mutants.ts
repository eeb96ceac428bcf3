import { LEASE_CHECK_OUT, MOVES_OUT, SLOT_OUT } from '../mutants/bypasses.ts';
import type { Replacement } from '../mutants/mutant.ts';
import { MUTANTS } from '../mutants/mutants.ts';

/** Storage whose SQL is wrong in one thing. */
export interface SqlMutant {
  /** What is wrong with it. */
  name: string;
  without: readonly Replacement[];
  /** What the database would refuse first, and is taken out as well. */
  bypassed?: readonly Replacement[];
  /** Any of these invariants is enough to have noticed. */
  breaks: readonly string[];
  /** It is found within `SQL_SEEDS` seeds from this one. */
  from: number;
}

export const SQL_SEEDS = 12;

const SWEEP = 'src/storage/sweep.ts';
const POOLS = 'src/storage/pool-acts.ts';
const LIVING = 'from machine where pool = $1 and live';
const NOT_RETIRED = `intent_kind is distinct from 'retire'`;

/** The CHECK that a machine is in a batch only in the states of a call. */
const BATCH_CHECK_OUT: Replacement = {
  file: 'src/storage/migrations/0001-tables.ts',
  find: 'check (batch_id is null or state in (${lifecycleDdl.batchedStates})),',
  replace: '',
};

export const SQL_MUTANTS: readonly SqlMutant[] = [
  {
    name: "a release that does not test the machine's state",
    ...{ ...fence('release without the state'), breaks: ['I1'], from: 7 },
    bypassed: [MOVES_OUT, SLOT_OUT, LEASE_CHECK_OUT, BATCH_CHECK_OUT],
  },
  {
    name: 'a match that does not look at intents',
    ...{ ...fence('match without the intent'), breaks: ['I3'], from: 9 },
  },
  {
    name: 'a look that is recorded under whatever token its batch has',
    ...{ ...fence("look without the batch's token"), breaks: ['I9'], from: 3 },
  },
  {
    name: "a batch's claim that is renewed by whoever had it before",
    without: [
      {
        file: 'src/storage/batch-acts.ts',
        find: `where id = $1 and token = $2 and state <> 'ended' returning id`,
        replace: `where id = $1 and $2::bigint is not null and state <> 'ended' returning id`,
      },
    ],
    ...{ breaks: ['I9'], from: 3 },
  },
  {
    name: 'a sweep that takes an instance for gone at its first absence',
    without: [
      {
        file: SWEEP,
        find: 'coalesce(n.missing_since <= $6, false) as over',
        replace: '$6::timestamptz is not null as over',
      },
      { file: SWEEP, find: 'or a.missing_since <= $6)', replace: 'or $6::timestamptz is not null)' },
    ],
    ...{ breaks: ['I11'], from: 7 },
  },
  {
    name: "a pool's limit that leaves out machines on their way out",
    without: [
      { file: POOLS, find: `${LIVING}\n`, replace: `${LIVING} and ${NOT_RETIRED}\n` },
      { file: POOLS, find: `${LIVING})`, replace: `${LIVING} and ${NOT_RETIRED})` },
    ],
    ...{ breaks: ['I8'], from: 5 },
  },
];

/** As `test/mutants` takes this fence out. */
function fence(name: string): Pick<SqlMutant, 'without' | 'bypassed'> {
  const mutant = MUTANTS.find((each) => each.name === name);
  if (mutant === undefined) throw new Error(`test/mutants has no ${JSON.stringify(name)}`);
  const { without, bypassed = [] } = mutant;
  return { without, bypassed };
}

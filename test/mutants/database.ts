import { CONDEMNED_OUT, MOVES_OUT, SLOT_OUT } from './bypasses.ts';
import type { Mutant } from './mutant.ts';

const TABLES = 'src/storage/migrations/0001-tables.ts';
const FENCES = 'src/storage/migrations/0001-fences.ts';
const STATES_TEST = 'test/storage/fences-states.test.ts';
const FENCES_TEST = 'test/storage/fences.test.ts';
const LEASES_TEST = 'test/storage/fences-leases.test.ts';

/** What PostgreSQL refuses, whoever asks: the tests write to it past every statement of ours. */
export const DATABASE: readonly Mutant[] = [
  {
    name: 'lease without its slot',
    rule: '3.4',
    takesOut: 'the foreign key by which a lease keeps its machine in the states of a hold',
    without: [SLOT_OUT],
    killer: {
      file: LEASES_TEST,
      title: 'a machine that is stopped under a lease that is ending > is not deleted step by step',
    },
  },
  {
    name: 'lease without its machine',
    rule: '3.4',
    takesOut: 'the CHECK that gives every active or ending lease a machine',
    without: [
      {
        file: TABLES,
        find: `check (state not in ('active', 'ending') or machine_id is not null),`,
        replace: '',
      },
    ],
    killer: { file: FENCES_TEST, title: 'a lease > that is active has a machine that can be held' },
  },
  {
    name: 'lease that changes its machine',
    rule: '3.4',
    takesOut: 'the trigger by which a lease keeps the machine it was given',
    without: [
      {
        file: FENCES,
        find: 'when (old.machine_id is not null and new.machine_id is distinct from old.machine_id)',
        replace: 'when (false)',
      },
    ],
    killer: {
      file: LEASES_TEST,
      title:
        'a machine that is stopped under a lease that is ending > is not let go of by giving it another machine',
    },
  },
  {
    name: 'two leases on one machine',
    rule: '3.4, I2',
    takesOut: 'the uniqueness of what a lease holds',
    without: [
      { file: TABLES, find: 'unique references machine (slot),', replace: 'references machine (slot),' },
    ],
    killer: {
      file: LEASES_TEST,
      title:
        'a machine that is leased under a lease that is active > is not leased twice by a second active lease',
    },
  },
  {
    name: 'machine that moves at will',
    rule: '3.4',
    takesOut: 'the trigger that refuses moves which the lifecycle does not have',
    without: [MOVES_OUT],
    killer: {
      file: 'test/storage/rules/rule-6-claim.test.ts',
      title: 'rule 6: a machine makes no move that the lifecycle does not have, whoever writes it',
    },
  },
  {
    name: 'lease that moves at will',
    rule: '3.4',
    takesOut: "the trigger that keeps a lease's own order of states",
    without: [
      {
        file: FENCES,
        find: 'create trigger lease_moves before update on lease for each row\n    when (',
        replace: 'create trigger lease_moves before update on lease for each row\n    when (false and ',
      },
    ],
    killer: { file: STATES_TEST, title: 'a lease that is pending > never becomes completed' },
  },
  {
    name: 'token that goes down',
    rule: '3.3, I9',
    takesOut: 'the trigger by which a fencing token never goes down',
    without: [{ file: FENCES, find: 'when (new.token < old.token or', replace: 'when (' }],
    killer: {
      file: FENCES_TEST,
      title: 'a fencing token > never goes down, whatever else its statement does',
    },
  },
  {
    name: 'two open intents',
    rule: '3.4, rule 5',
    takesOut: 'the index that keeps one open intent per machine',
    without: [{ file: TABLES, find: 'create unique index intent_open', replace: 'create index intent_open' }],
    killer: { file: FENCES_TEST, title: 'an intent > is open at most once a machine' },
  },
  {
    name: 'ready machine that is not clean',
    rule: 'rule 7',
    takesOut: 'the CHECK by which a ready machine is clean',
    without: [{ file: TABLES, find: `check (state <> 'ready' or clean),`, replace: '' }],
    killer: { file: FENCES_TEST, title: 'a machine > is ready only while it is clean' },
  },
  {
    name: 'condemned instance that is pardoned',
    rule: 'rule 12',
    takesOut:
      'the trigger by which a condemned instance stays condemned, and an adopted one keeps its machine',
    without: [CONDEMNED_OUT],
    killer: {
      file: FENCES_TEST,
      title: 'an instance > that is condemned is never adopted and never pardoned',
    },
  },
];

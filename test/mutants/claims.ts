import type { Mutant } from './mutant.ts';
import { LEASE_CHECK_OUT, MOVES_OUT, SLOT_OUT } from './bypasses.ts';

const RULES = 'test/storage/rules';
const ACTS = 'src/storage/machine-acts.ts';
const GUARDS = 'src/storage/guarded-statement.ts';
/** What the database itself would refuse. */
const DATABASE_OUT = [MOVES_OUT, SLOT_OUT, LEASE_CHECK_OUT];
const CLAIM_GUARD = { file: GUARDS, find: 'owed = step and batch_id is null' };
const CLAIM_WITHOUT_STATE = {
  ...CLAIM_GUARD,
  replace: `(owed = step or (step = 'delete' and intent_kind = 'retire')) and batch_id is null`,
};

/** The worker's own look at what is owed, which spares it the claim. */
const LOOK_OUT = {
  file: 'src/workers/delete.ts',
  find: `machine?.owed !== 'delete'`,
  replace: 'machine === undefined',
};

/** The statements with which a step is claimed and ended. */
export const CLAIMS: readonly Mutant[] = [
  {
    name: 'claim without the state',
    rule: '3.3, rule 6',
    takesOut: 'the claim of a deletion tests the intent alone: any state will do',
    without: [CLAIM_WITHOUT_STATE],
    bypassed: DATABASE_OUT,
    killer: {
      file: `${RULES}/rule-6-claim.test.ts`,
      title: 'rule 6: a stopped machine is claimed for no deletion before its release',
    },
  },
  {
    name: 'claim without the intent',
    rule: '3.3, rule 6',
    takesOut: 'the claim of a deletion tests the state alone: any intent will do, or none',
    without: [
      {
        ...CLAIM_GUARD,
        replace: `(owed = step or (step = 'delete' and state = 'released')) and batch_id is null`,
      },
    ],
    killer: {
      file: `${RULES}/rule-6-claim.test.ts`,
      title: 'rule 6: a machine is claimed for no deletion without an intent to retire it',
    },
  },
  {
    name: 'claim without the running claim',
    rule: 'rule 9',
    takesOut: 'a step that is being done is claimed again at once',
    without: [{ file: GUARDS, find: 'or claimed_until is null or claimed_until <= now', replace: 'or true' }],
    killer: {
      file: `${RULES}/rule-9-ringing.test.ts`,
      title: 'rule 9: a step that is being done is claimed again only once its claim has run out',
    },
  },
  {
    name: 'claim without the batch',
    rule: 'rule 3',
    takesOut: 'a machine that is in a batch is claimed once more',
    without: [{ ...CLAIM_GUARD, replace: 'owed = step' }],
    killer: {
      file: `${RULES}/rule-3-one-call.test.ts`,
      title: 'rule 3: a machine that is in a batch is claimed by nobody, however long that takes',
    },
  },
  {
    name: 'finish without the token',
    rule: '3.3',
    takesOut: 'whoever claimed a step before ends it for its newest claimant',
    without: [
      { file: ACTS, find: 'where (token = want and batch_id is null', replace: 'where (batch_id is null' },
    ],
    killer: {
      file: `${RULES}/rule-9-ringing.test.ts`,
      title: 'rule 9: a step is ended only under the token it was last claimed with',
    },
  },
  {
    name: 'release without the state',
    rule: '3.3',
    takesOut: 'a machine is released while it is still leased',
    without: [{ file: 'src/storage/release.ts', find: `where state = 'stopped' and`, replace: 'where' }],
    bypassed: [MOVES_OUT],
    killer: {
      file: `${RULES}/rule-6-claim.test.ts`,
      title: 'rule 6: a machine that is leased is not released',
    },
  },
  {
    name: 'ready without the token',
    rule: '3.3',
    takesOut: 'a machine becomes ready for whoever saw it booting once',
    without: [
      { file: ACTS, find: `where token = want and state = 'booting'`, replace: `where state = 'booting'` },
    ],
    killer: {
      file: `${RULES}/rule-7-escalation.test.ts`,
      title: 'rule 7: a machine does not become ready under a token it was seen with before',
    },
  },
  {
    name: 'ready without clean',
    rule: 'rule 7',
    takesOut: 'a machine becomes ready that was not reset since its last lease',
    without: [{ file: ACTS, find: 'and clean and not halted', replace: 'and not halted' }],
    bypassed: [
      {
        file: 'src/storage/migrations/0001-tables.ts',
        find: `check (state <> 'ready' or clean),`,
        replace: '',
      },
    ],
    killer: {
      file: `${RULES}/rule-7-escalation.test.ts`,
      title: 'rule 7: a machine that is not clean does not become ready',
    },
  },
  {
    name: 'match without the intent',
    rule: 'rule 5',
    takesOut: 'a machine is leased that somebody is about to stop',
    without: [
      {
        file: 'src/storage/match.ts',
        find: `m.pool = $1 and m.idle`,
        replace: `m.pool = $1 and m.state = 'ready'`,
      },
    ],
    bypassed: [
      {
        file: 'src/storage/match.ts',
        find: `where pool = $1 and idle`,
        replace: `where pool = $1 and state = 'ready'`,
      },
    ],
    killer: {
      file: `${RULES}/rule-5-intent-on-the-row.test.ts`,
      title: 'rule 5: a ready machine with an open park is leased to nobody',
    },
  },
  ...(
    [
      ['removed-jobs', 'P5b: a release job removed from its queue lets delete run'],
      ['failed-releases', 'P4: a failed release that leaves no record lets delete run'],
      [
        'failed-releases',
        'P21: a release published with ignoreDependencyOnFailure lets delete run when it fails',
      ],
    ] as const
  ).map(([file, title]): Mutant => {
    const [way = ''] = title.split(':');
    return {
      name: `claim without the state, by ${way}`,
      rule: '3.3',
      takesOut: `a delete that BullMQ runs early (${way}) claims its machine and deletes it`,
      without: [CLAIM_WITHOUT_STATE],
      bypassed: [...DATABASE_OUT, LOOK_OUT],
      killer: {
        file: `test/overtake/${file}.test.ts`,
        title: `${title}, and nothing is deleted before the release`,
      },
    };
  }),
];

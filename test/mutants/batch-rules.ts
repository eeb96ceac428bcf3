import type { Mutant, Replacement } from './mutant.ts';

const RULES = 'test/storage/rules';
const BATCHES = 'src/storage/batch-acts.ts';
const LOOK = 'src/storage/record-look.ts';
const SETTLE = 'src/storage/settle-members.ts';

const PROVISIONING_OUT: Replacement = {
  file: BATCHES,
  find: `=== 'launch') await sql.query(START_PROVISIONING`,
  replace: `=== 'nothing') await sql.query(START_PROVISIONING`,
};

const MEMBER_TOKEN = 'm.token = b.token and ';
/** What follows in the statements that write done and failed members. */
const DONE = `b.state = 'pending'\n  ),\n  upd as (\n    update machine m set state = $4::text`;
const FAILED = `b.state = 'pending'\n  ),\n  upd as (\n    update machine m set batch_id = null, claimed_by`;

/** The rules about batches, calls and tokens: 1 to 4, 10 and 11. */
export const BATCH_RULES: readonly Mutant[] = [
  {
    name: 'takeover without a retire',
    rule: 'rule 1',
    takesOut: 'a machine whose call was taken over, at a cloud that may do it twice, is used again',
    without: [
      {
        file: BATCHES,
        find: `if (row['was_in_doubt'] === true && !act.replaySafe) {`,
        replace: 'if (false) {',
      },
    ],
    killer: {
      file: `${RULES}/rule-1-takeover.test.ts`,
      title: 'rule 1: a machine whose stop is taken over, at a cloud that may do it twice, is retired',
    },
  },
  {
    name: 'failed reset that is forgiven',
    rule: 'rule 1',
    takesOut: 'a machine whose reset failed goes on as if nothing were',
    without: [{ file: SETTLE, find: `if (batch.verb !== 'delete') {`, replace: 'if (false) {' }],
    killer: {
      file: `${RULES}/rule-1-takeover.test.ts`,
      title: 'rule 1: a machine whose reset fails is retired',
    },
  },
  {
    name: 'replay under another token',
    rule: 'rule 2',
    takesOut: 'a call without an answer is sent again under a new token',
    without: [
      {
        file: 'src/workers/batch.ts',
        find: 'return { batch: id, verb,',
        replace: 'return { batch: crypto.randomUUID(), verb,',
      },
    ],
    killer: {
      file: 'test/overtake/lost-answers.test.ts',
      title: 'rule 2: a call whose answer was lost is sent again under its own token, and done once',
    },
  },
  {
    name: 'doubt booked as failure',
    rule: 'rule 2',
    takesOut: 'a call that may have been executed is booked as failed, and tried again in a new batch',
    without: [
      {
        file: 'src/workers/batch.ts',
        find: 'if (retries || error.maybeExecuted) return',
        replace: 'if (retries) return',
      },
    ],
    killer: {
      file: 'test/overtake/lost-answers.test.ts',
      title: 'rule 2: a refusal that leaves open whether the call was executed is not booked as a failure',
    },
  },
  {
    name: 'join without the verb',
    rule: 'rule 3',
    takesOut: 'a machine joins a batch of another verb than its step asks for',
    without: [
      {
        file: 'src/storage/join.ts',
        find: 'mine where next = $4',
        replace: 'mine where $4::text is not null',
      },
    ],
    killer: {
      file: `${RULES}/rule-3-one-call.test.ts`,
      title: 'rule 3: a machine joins a batch only of the verb that its step asks for',
    },
  },
  {
    name: 'join beside another batch',
    rule: 'rule 3',
    takesOut: 'a machine joins a second batch while its first is under way',
    without: [
      {
        file: 'src/storage/guarded-statement.ts',
        find: 'owed = step and batch_id is null',
        replace: 'owed = step',
      },
    ],
    killer: {
      file: `${RULES}/rule-3-one-call.test.ts`,
      title: 'rule 3: a machine that is in a batch joins no other',
    },
  },
  {
    name: "look without the batch's token",
    rule: 'rule 3, 3.3',
    takesOut: 'whoever sent a batch before records what it saw for its newest claimant',
    without: [
      {
        file: LOOK,
        find: `where id = $1 and token = $2 and state in ('closed', 'sent') for update`,
        replace: `where id = $1 and $2::bigint is not null and state in ('closed', 'sent') for update`,
      },
    ],
    killer: {
      file: `${RULES}/rule-3-one-call.test.ts`,
      title: 'rule 3: a look under a token that its batch no longer has records nothing',
    },
  },
  {
    name: "outcome without the member's token",
    rule: 'rule 3',
    takesOut: 'a machine that was claimed since gets the outcome of its older claim',
    without: [
      { file: LOOK, find: 'and m.batch_id = $1 and m.token = b.token`', replace: 'and m.batch_id = $1`' },
      { file: SETTLE, find: `${MEMBER_TOKEN}${DONE}`, replace: DONE },
    ],
    killer: {
      file: `${RULES}/rule-3-one-call.test.ts`,
      title: "rule 3: a member's outcome under an older token changes nothing",
    },
  },
  {
    name: "failure without the member's token",
    rule: 'rule 3',
    takesOut: 'a machine that was claimed since gets the failure of its older claim',
    without: [{ file: SETTLE, find: `${MEMBER_TOKEN}${FAILED}`, replace: FAILED }],
    killer: {
      file: `${RULES}/rule-3-one-call.test.ts`,
      title: "rule 3: a member's failure under an older token changes nothing",
    },
  },
  {
    name: 'given up without a retire',
    rule: 'rules 3 and 13',
    takesOut: 'a machine given up in the middle of a call is used again',
    without: [
      {
        file: 'src/storage/recover.ts',
        find: `if (recovery !== 'ring' && recovery !== 'again') await harden(sql, machine, act);`,
        replace: '',
      },
    ],
    killer: {
      file: `${RULES}/rule-3-one-call.test.ts`,
      title: 'rule 3: a member given up at its deadline leaves its batch and becomes a retire in one write',
    },
  },
  {
    name: 'reset ended by a listing',
    rule: 'rule 4',
    takesOut: 'a reset is done where a machine is seen running',
    without: [
      {
        file: LOOK,
        find: `from.batch.verb === 'launch' ? launchProgress(look, instance)`,
        replace: `['launch', 'reset'].includes(from.batch.verb) ? launchProgress(look, instance)`,
      },
    ],
    killer: {
      file: `${RULES}/rule-4-evidence.test.ts`,
      title: 'rule 4: a look at a reset that says nothing of a machine leaves it resetting',
    },
  },
  {
    name: 'growth without its ETag',
    rule: 'rule 10',
    takesOut: 'a capacity computed from an old reading makes the platform delete machines in use',
    without: [{ file: 'src/providers/azure-scale-set/client.ts', find: ', ifMatch: etag }', replace: ' }' }],
    killer: {
      file: 'test/overtake/late-growth.test.ts',
      title:
        'rule 10: a growth carries the ETag of the capacity it was computed from, so that a late one is refused',
    },
  },
  {
    name: 'close without provisioning',
    rule: 'rule 11',
    takesOut: 'the members of a batch that is being sent are still wishes',
    without: [PROVISIONING_OUT],
    killer: {
      file: `${RULES}/rule-11-closing.test.ts`,
      title: 'rule 11: the members of a batch are provisioning from the commit that closes it',
    },
  },
  {
    name: 'wish taken back after the close',
    rule: 'rule 11',
    takesOut: 'a wish is deleted although its batch has closed',
    without: [
      {
        file: 'src/storage/open-intent.ts',
        find: `and not exists (select from batch b where b.id = m.batch_id and b.state <> 'open')`,
        replace: '',
      },
    ],
    bypassed: [PROVISIONING_OUT],
    killer: {
      file: `${RULES}/rule-11-closing.test.ts`,
      title: 'rule 11: a wish is not taken back once its batch has closed',
    },
  },
  {
    name: 'two batches in one lane',
    rule: 'rule 11',
    takesOut: 'a batch closes while another holds its lane',
    without: [
      {
        file: BATCHES,
        find: 'and not exists (select from batch other where other.lane = mine.lane and other.holds_lane)',
        replace: '',
      },
    ],
    bypassed: [
      {
        file: 'src/storage/migrations/0001-tables.ts',
        find: 'create unique index batch_holds_lane',
        replace: 'create index batch_holds_lane',
      },
    ],
    killer: {
      file: `${RULES}/rule-11-closing.test.ts`,
      title: 'rule 11: a lane that is busy with one batch closes no other',
    },
  },
];

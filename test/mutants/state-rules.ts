import { CONDEMNED_OUT, ONE_INSTANCE_OUT } from './bypasses.ts';
import type { Mutant } from './mutant.ts';

const RULES = 'test/storage/rules';
const LOOK = 'src/storage/record-look.ts';

/** Where an instance of a launch is given to a machine that waits for one: what is free, and the write itself. */
const FREE = 'machine_id is null and condemned_at is null and gone is null';
const ADOPTION = {
  free: `const ADOPT = \`with free as (
    select id, address, row_number() over (order by id) as n from instance
    where batch_id = $1 and ${FREE}`,
  taken: `from free f join wanting w using (n)
    where i.id = f.id and ${FREE.replaceAll(/\w+(?= is)/g, 'i.$&')}`,
};

/** The rules about intents, instances, rings and deadlines: 7 to 9, 12 and 13. */
export const STATE_RULES: readonly Mutant[] = [
  {
    name: 'intent that softens',
    rule: 'rule 7',
    takesOut: 'a milder intent replaces a harsher one',
    without: [
      {
        file: 'src/fleet/lifecycle.ts',
        find: `return kind !== 'provision' && INTENT_KINDS.indexOf(kind) > INTENT_KINDS.indexOf(open);`,
        replace: `return kind !== 'provision';`,
      },
    ],
    killer: {
      file: `${RULES}/rule-7-escalation.test.ts`,
      title: 'rule 7: a park does not replace an open retire',
    },
  },
  {
    name: 'leased machine that stays clean',
    rule: 'rule 7',
    takesOut: 'a machine counts as clean after somebody has used it',
    without: [{ file: 'src/storage/match.ts', find: 'clean = false, uses', replace: 'uses' }],
    killer: {
      file: `${RULES}/rule-7-escalation.test.ts`,
      title: 'rule 7: a machine is clean no longer once it was leased',
    },
  },
  {
    name: 'parked machine that is not reset',
    rule: 'rule 8',
    takesOut: 'a machine parked after a lease is started again as it was left',
    without: [
      {
        file: 'src/storage/guarded-statement.ts',
        find: `case when clean then 'booting' else 'resetting' end`,
        replace: `'booting'`,
      },
    ],
    killer: {
      file: `${RULES}/rule-8-park.test.ts`,
      title: 'rule 8: a machine parked after a lease is reset before it is ready again',
    },
  },
  {
    name: 'step rung under its old id',
    rule: 'rule 9',
    takesOut: 'a step is rung again under an id that BullMQ still knows, and so ignores',
    without: [
      {
        file: 'src/storage/reconcile-acts.ts',
        find: 'update machine set ring = ring + 1, rung_at',
        replace: 'update machine set rung_at',
      },
    ],
    killer: {
      file: `${RULES}/rule-9-ringing.test.ts`,
      title: 'rule 9: each ring of a step is a job with a new id',
    },
  },
  {
    name: 'batch rung under its old id',
    rule: 'rule 9',
    takesOut: 'a batch is rung again under an id that BullMQ still knows, and so ignores',
    without: [
      {
        file: 'src/storage/reconcile-acts.ts',
        find: 'update batch set ring = ring + 1, rung_at',
        replace: 'update batch set rung_at',
      },
    ],
    killer: {
      file: `${RULES}/rule-9-ringing.test.ts`,
      title: 'rule 9: each ring of a batch is a job with a new id',
    },
  },
  {
    name: 'adoption from another machine',
    rule: 'rule 12',
    takesOut: 'a waiting machine adopts an instance that another one owns',
    without: [
      { file: LOOK, find: ADOPTION.free, replace: ADOPTION.free.replace('machine_id is null and ', '') },
      { file: LOOK, find: ADOPTION.taken, replace: ADOPTION.taken.replace('i.machine_id is null and ', '') },
    ],
    bypassed: [CONDEMNED_OUT, ...ONE_INSTANCE_OUT],
    killer: {
      file: `${RULES}/rule-12-instances.test.ts`,
      title: 'rule 12: an instance that one machine has adopted is adopted by no other',
    },
  },
  {
    name: 'adoption of a condemned instance',
    rule: 'rule 12',
    takesOut: 'a waiting machine adopts an instance that is about to be deleted',
    without: [
      { file: LOOK, find: ADOPTION.free, replace: ADOPTION.free.replace('condemned_at is null and ', '') },
      {
        file: LOOK,
        find: ADOPTION.taken,
        replace: ADOPTION.taken.replace('i.condemned_at is null and ', ''),
      },
    ],
    bypassed: [CONDEMNED_OUT],
    killer: {
      file: `${RULES}/rule-12-instances.test.ts`,
      title: 'rule 12: a condemned instance is adopted by nobody',
    },
  },
  {
    name: 'condemning what was adopted',
    rule: 'rule 12',
    takesOut: 'an instance that a machine has adopted since the listing is deleted',
    without: [{ file: 'src/storage/condemn.ts', find: 'and i.machine_id is null', replace: '' }],
    bypassed: [CONDEMNED_OUT, ...ONE_INSTANCE_OUT],
    killer: {
      file: `${RULES}/rule-12-instances.test.ts`,
      title: 'rule 12: an instance that was adopted since it was listed is not condemned',
    },
  },
  {
    name: 'deletion that condemns nothing',
    rule: 'rule 12',
    takesOut: 'an instance is deleted that nobody has condemned',
    without: [
      {
        file: 'src/storage/guarded-statement.ts',
        find: `from upd u where u.state = 'deleting' and`,
        replace: 'from upd u where false and',
      },
    ],
    killer: {
      file: `${RULES}/rule-12-instances.test.ts`,
      title: 'rule 12: a machine that is claimed for its deletion condemns its instance in the same write',
    },
  },
  {
    name: 'surplus that is forgotten',
    rule: 'rule 12',
    takesOut: 'what a launch made beyond its members outlives its batch',
    without: [
      {
        file: LOOK,
        find: `if (ended && batch.verb === 'launch') await condemnSurplus(sql, batch, act);`,
        replace: '',
      },
    ],
    killer: {
      file: `${RULES}/rule-12-instances.test.ts`,
      title: 'rule 12: what a launch made beyond its members is condemned before its batch ends',
    },
  },
  ...(
    [
      ['booting', 'retire', 'rule 13: a machine too long booting is retired'],
      ['quarantined', 'retire', 'rule 13: a machine too long quarantined is retired'],
      ['stopping', 'proceed', 'rule 13: a machine too long stopping goes on to its release, and is retired'],
    ] as const
  ).map(([state, recovery, title]): Mutant => ({
    name: `${state} without a recovery`,
    rule: 'rule 13',
    takesOut: `a machine may be ${state} for ever`,
    without: [
      { file: 'src/storage/recover.ts', find: `${state}: '${recovery}',`, replace: `${state}: 'ring',` },
    ],
    killer: { file: `${RULES}/rule-13-deadlines.test.ts`, title },
  })),
  {
    name: 'request that waits for ever',
    rule: 'rule 13',
    takesOut: 'a pending lease has no wait time',
    without: [
      {
        file: 'src/storage/lease-acts.ts',
        find: `from lease where open and deadline_at <= $1 and state <> 'ending'`,
        replace: `from lease where open and deadline_at <= $1 and state not in ('ending', 'pending')`,
      },
    ],
    killer: {
      file: `${RULES}/rule-13-deadlines.test.ts`,
      title: 'rule 13: a request that waits too long fails for want of capacity',
    },
  },
  {
    name: 'round without recoveries',
    rule: 'rule 13',
    takesOut: 'no reconcile round looks for overdue machines',
    without: [
      { file: 'src/workers/reconcile.ts', find: '() => recoverMachines(ports, pools),', replace: '' },
    ],
    killer: {
      file: `${RULES}/rule-13-rounds.test.ts`,
      title: 'rule 13: a round of reconcile recovers a machine past its deadline',
    },
  },
  {
    name: 'round that rings nobody',
    rule: 'rule 9',
    takesOut: 'no reconcile round rings a step that has lost its job',
    without: [{ file: 'src/workers/reconcile.ts', find: '() => ringOwed(ports),', replace: '' }],
    killer: {
      file: `${RULES}/rule-13-rounds.test.ts`,
      title: 'rule 9: a round of reconcile rings a step that has no job, and leaves one that has',
    },
  },
];

import type { ModelMutant } from './model-mutant.ts';

const RULES = 'test/storage/rules';
const SLOT = 'is not deleted %s';

type Row = readonly [
  switches: string,
  rule: string,
  takesOut: string,
  breaks: string | null,
  test: ModelMutant['test'],
];

const FLOW: readonly Row[] = [
  [
    'WITHOUT_CLAIM WITHOUT_FOREIGN_KEY LOCK_IS_PERFECT',
    'fences 3.3 and 3.4',
    'neither claim nor foreign key; a perfect lock, and jobs that overtake each other',
    'I1',
    ['test/overtake/removed-jobs.test.ts', 'P5b: a release job removed from its queue'],
  ],
  [
    'WITHOUT_CLAIM WITHOUT_FOREIGN_KEY LOCK_IS_PERFECT FLOW_IN_ORDER STRAY_DELETE',
    'fences 3.3 and 3.4',
    'neither claim nor foreign key; a perfect lock, a perfect order, and one stray job',
    'I1',
    ['test/overtake/doubled-jobs.test.ts', 'P13: a second flow for one machine'],
  ],
  [
    'WITHOUT_CLAIM WITHOUT_FOREIGN_KEY FLOW_IN_ORDER',
    'fences 3.3 and 3.4',
    'neither claim nor foreign key; a perfect order, and a lock that runs out',
    'I1L',
    ['test/overtake/stalled-workers.test.ts', 'P7: a worker that stalls during its stop'],
  ],
  [
    'WITHOUT_CLAIM',
    'fence 3.3',
    'no claim; the foreign key alone cannot tell a late stop from a timely one',
    'I1L',
    [`${RULES}/rule-9-ringing.test.ts`, 'rule 9: a step is ended only under the token'],
  ],
  [
    'WITHOUT_FOREIGN_KEY',
    'fence 3.4 alone',
    'no foreign key; the claim alone keeps the promise',
    null,
    ['test/storage/fences-leases.test.ts', SLOT],
  ],
];

const LANES: readonly Row[] = [
  [
    'WITHOUT_RULE_1',
    'rule 1',
    'members of a batch that was taken over are used again',
    'I1L',
    [`${RULES}/rule-1-takeover.test.ts`, 'rule 1: a machine whose stop is taken over'],
  ],
  [
    'WITHOUT_RULE_1_FOR_ALL',
    'rule 1',
    'of a batch that was taken over, one member alone is retired',
    'I1L',
    [`${RULES}/rule-1-takeover.test.ts`, 'rule 1: a machine whose stop is taken over'],
  ],
  [
    'WITHOUT_RULE_2_DOUBT',
    'rule 2',
    'a lost answer is booked as a failure, and the call tried again in a new batch',
    'I1L',
    ['test/overtake/lost-answers.test.ts', 'rule 2: a refusal that leaves open'],
  ],
  [
    'WITHOUT_RULE_3_BATCH',
    'rule 3',
    'a machine is a member of two batches at once',
    'I1L',
    [`${RULES}/rule-3-one-call.test.ts`, 'rule 3: a machine that is in a batch joins no other'],
  ],
  [
    'WITHOUT_RULE_3_RETIRE',
    'rules 3 and 13',
    'a member given up in the middle of a call is used again',
    'I1L',
    [`${RULES}/rule-3-one-call.test.ts`, 'rule 3: a member given up at its deadline'],
  ],
];

const PROVISIONING: readonly Row[] = [
  [
    'WITHOUT_RULE_2',
    'rule 2',
    'a launch sent again is a new launch to the cloud',
    'I8',
    ['test/overtake/lost-answers.test.ts', 'rule 2: a call whose answer was lost'],
  ],
  [
    'WITHOUT_RULE_11',
    'rule 11',
    'closing is one write and its members becoming provisioning another',
    'I7',
    [`${RULES}/rule-11-closing.test.ts`, 'rule 11: the members of a batch are provisioning from the commit'],
  ],
  [
    'WITHOUT_RULE_12_ADOPTION',
    'rule 12',
    'adoption reads who owns an instance first and writes later',
    'I2',
    [`${RULES}/rule-12-instances.test.ts`, 'rule 12: an instance that one machine has adopted'],
  ],
  [
    'WITHOUT_RULE_12_SWEEP',
    'rule 12',
    'the sweep reads that nobody owns an instance, and deletes it later',
    'I1L',
    [`${RULES}/rule-12-instances.test.ts`, 'rule 12: an instance that was adopted since it was listed'],
  ],
  [
    'WITHOUT_RULE_12_SURPLUS',
    'rule 12',
    'what a launch made beyond its members outlives its batch',
    'I8',
    [`${RULES}/rule-12-instances.test.ts`, 'rule 12: what a launch made beyond its members'],
  ],
  [
    'WITHOUT_SWEEP',
    'rule 12',
    'no sweep: what a call made after its batch had ended is of nobody',
    'I7',
    [`${RULES}/rule-12-instances.test.ts`, 'rule 12: an instance nobody owns is condemned'],
  ],
];

const GROWTH: readonly Row[] = [
  [
    'WITHOUT_RULE_10',
    'rule 10',
    'a growth carries no ETag, so that a late one lowers the capacity',
    'I1L',
    ['test/overtake/late-growth.test.ts', 'rule 10: a growth carries the ETag'],
  ],
];

const MATCHING: readonly Row[] = [
  [
    'WITHOUT_RULE_5',
    'rule 5',
    'a match looks for the intent in its own table, in the snapshot of its beginning',
    'I3',
    [`${RULES}/rule-5-intent-on-the-row.test.ts`, 'rule 5: a match that meets an intent being opened'],
  ],
  [
    'WITHOUT_MACHINE_LOCK',
    'rule 5',
    'a match does not lock the row of the machine that it takes',
    'I3',
    [`${RULES}/rule-5-intent-on-the-row.test.ts`, 'rule 5: a match that meets an intent being opened'],
  ],
  [
    'WITHOUT_REQUEST_LOCK',
    'fence 3.4',
    'a match does not lock the row of the request that it serves',
    'I2',
    ['test/storage/fences-leases.test.ts', 'is not let go of %s'],
  ],
  [
    'WITHOUT_UNIQUE_HOLD',
    'fence 3.4 alone',
    'no unique index on what a lease holds; the row locks keep the promise',
    null,
    ['test/storage/fences-leases.test.ts', 'is not leased twice %s'],
  ],
];

const PROGRESS: readonly Row[] = [
  [
    'WITHOUT_RINGS',
    'rule 9',
    'reconcile rings no step whose job is lost',
    'I6',
    [`${RULES}/rule-13-rounds.test.ts`, 'rule 9: a round of reconcile rings a step that has no job'],
  ],
  [
    'WITHOUT_BATCH_RINGS',
    'rule 9',
    'reconcile rings no batch whose job is lost',
    'I6',
    [`${RULES}/rule-9-ringing.test.ts`, 'rule 9: each ring of a batch'],
  ],
  [
    'WITHOUT_RULE_9',
    'rule 9',
    'a step is rung under an id that BullMQ still knows, and so ignores',
    'I6',
    [`${RULES}/rule-9-ringing.test.ts`, 'rule 9: each ring of a step is a job with a new id'],
  ],
  [
    'WITHOUT_BOOTING_DEADLINE',
    'rule 13',
    'a machine may be booting for ever',
    'I6',
    [`${RULES}/rule-13-deadlines.test.ts`, 'rule 13: a machine too long %s is retired'],
  ],
  [
    'WITHOUT_QUARANTINE_DEADLINE',
    'rule 13',
    'a machine may be quarantined for ever',
    'I5',
    [`${RULES}/rule-13-deadlines.test.ts`, 'rule 13: a machine too long %s is retired'],
  ],
  [
    'WITHOUT_CALL_DEADLINE',
    'rules 3 and 13',
    'a call that is never answered is waited for for ever',
    'I6',
    [`${RULES}/rule-13-deadlines.test.ts`, 'rule 13: a machine too long stopping'],
  ],
  [
    'WITHOUT_HEARTBEAT',
    'rule 13',
    'a lease whose holder has fallen silent never ends',
    'I5',
    [`${RULES}/rule-13-deadlines.test.ts`, 'rule 13: a lease whose holder has fallen silent'],
  ],
  [
    'WITHOUT_WAIT_TIME',
    'rule 13',
    'a pending lease has no wait time',
    'I10',
    [`${RULES}/rule-13-deadlines.test.ts`, 'rule 13: a request that waits too long'],
  ],
];

/** What is taken out of the models beside the core. */
export const SMALL_MODEL_MUTANTS: readonly ModelMutant[] = [
  ...FLOW.map((row) => toMutant('flow', row)),
  ...LANES.map((row) => toMutant('lanes', row)),
  ...PROVISIONING.map((row) => toMutant('provisioning', row)),
  ...GROWTH.map((row) => toMutant('growth', row)),
  ...MATCHING.map((row) => toMutant('matching', row)),
  ...PROGRESS.map((row) => toMutant('progress', row)),
];

function toMutant(model: string, [switches, rule, takesOut, breaks, test]: Row): ModelMutant {
  return { model, switches: switches.split(' '), rule, takesOut, breaks, test };
}

import type { Mutant, Replacement } from './mutant.ts';

const BRAKES = 'src/fleet/brakes.ts';
const HOURS = 'src/storage/machine-hours.ts';

/** A test of the suite that both stores pass, on PostgreSQL. */
const contract = (title: string) => ({
  file: 'test/storage/store-contract.test.ts',
  title: `PostgreSQL keeps the store's contract > ${title}`,
});
const ofJudge = (title: string) => ({
  file: 'test/fleet/brakes.test.ts',
  title: `a confirmed halt > ${title}`,
});

const SWEEPS: readonly Mutant[] = [
  {
    name: 'sweep without its bounds',
    rule: '5, 0011',
    takesOut: 'a sweep may end however much of a pool it has found',
    without: [
      {
        file: BRAKES,
        find: 'count > FEW && count > SHARE * machines',
        replace: 'count < 0',
      },
    ],
    killer: contract(
      'a sweep that would condemn too many strays condemns none, however often it is repeated',
    ),
  },
  {
    name: 'listing that has shrunk unnoticed',
    rule: '5, 0011',
    takesOut: 'what the last sweep was shown may be missing, however much it is',
    without: [
      {
        file: BRAKES,
        find: '[condemns + leftOvers + ends, vanished]',
        replace: '[condemns + leftOvers + ends]',
      },
    ],
    killer: contract(
      'a sweep whose listing has shrunk by too much halts at once, and ends nothing later either',
    ),
  },
  {
    name: 'halt that ends what it found',
    rule: '5, 0011',
    takesOut: 'a sweep acts whatever the brakes say',
    without: [
      {
        file: 'src/storage/sweep.ts',
        find: `if (verdict !== 'go') {`,
        replace: 'if (verdict === undefined) {',
      },
    ],
    killer: contract(
      'a sweep that would condemn too many strays condemns none, however often it is repeated',
    ),
  },
  {
    name: 'first sweep that acts',
    rule: '5, 0011',
    takesOut: 'a database that knows of no sweep is believed',
    without: [
      {
        file: BRAKES,
        find: 'const { last, counts } = found;',
        replace:
          'const { last = { listedAt: found.listedAt, halt: null, confirmed: null }, counts } = found;',
      },
    ],
    killer: contract('the first sweep of a placement only reports'),
  },
  {
    name: 'restored database that is believed',
    rule: '5, 0011',
    takesOut: 'a sweep acts although the last one known was long ago',
    without: [{ file: BRAKES, find: ' || isStale(last, found)', replace: '' }],
    killer: contract(
      'so does the first one after a long while without any, as after an old database was restored',
    ),
  },
  {
    name: 'confirmation of less than was found',
    rule: '5, 0011',
    takesOut: 'an operator confirms a halt without having seen how much it found',
    without: [{ file: BRAKES, find: '|| amountOf(record.halt.counts) > act.count', replace: '' }],
    killer: ofJudge('is confirmed by whoever names at least what it has found'),
  },
  {
    name: 'confirmation that covers more than was found',
    rule: '5, 0011',
    takesOut: 'a sweep ends more than an operator has confirmed',
    without: [{ file: BRAKES, find: '&& amountOf(counts) <= confirmed.count', replace: '' }],
    killer: ofJudge('lets sweeps end as many as were confirmed, and no more'),
  },
  {
    name: 'confirmation that is not used up',
    rule: '5, 0011',
    takesOut: 'each sweep may end as many as were confirmed',
    without: [
      {
        file: BRAKES,
        find: 'confirmed.count - counts.condemns - counts.leftOvers - counts.ends',
        replace: 'confirmed.count',
      },
    ],
    killer: ofJudge('lets sweeps end as many as were confirmed, and no more'),
  },
  {
    name: 'confirmation that holds for ever',
    rule: '5, 0011',
    takesOut: "an operator's word outlasts its hour",
    without: [{ file: BRAKES, find: 'found.now <= confirmed.until && ', replace: '' }],
    killer: ofJudge('halts again after an hour'),
  },
];

const LEFT_OVERS = 'src/storage/left-overs.ts';

const LEFT_BEHIND: readonly Mutant[] = [
  {
    name: 'left-over that is condemned at first sight',
    rule: '5, 0015',
    takesOut: 'a disk that one listing shows without its instance is deleted',
    without: [
      {
        file: LEFT_OVERS,
        find: 'and condemned_at is null and sighted_at <= $3`',
        replace: 'and condemned_at is null and $3::timestamptz is not null`',
      },
    ],
    killer: contract('a left-over is condemned at its second sighting, a grace period later, and answered'),
  },
  {
    name: 'left-overs that no brake counts',
    rule: '5, 0015',
    takesOut: 'a sweep may delete however many disks it finds without an instance',
    without: [
      {
        file: BRAKES,
        find: '[condemns + leftOvers + ends, vanished]',
        replace: '[condemns + ends, vanished]',
      },
    ],
    killer: contract('too many of them halt the sweep, which then answers none, until an operator confirms'),
  },
  {
    name: 'left-over that is deleted under a freeze',
    rule: '5, 0013, 0015',
    takesOut: 'what no instance has is deleted although deletions are frozen',
    without: [
      {
        file: LEFT_OVERS,
        find: `where verb = 'delete' and frozen_at is null for share`,
        replace: `where verb = 'delete' for share`,
      },
    ],
    killer: contract('a freeze > of deletions answers no left-over to be deleted, until it is over'),
  },
  {
    name: 'left-over that is asked for without a pause',
    rule: '0015',
    takesOut: 'a disk that cannot be deleted is asked for at each sweep',
    without: [{ file: LEFT_OVERS, find: ' and (next_at is null or next_at <= $3)', replace: '' }],
    killer: contract('while it is listed it is answered again, after pauses that double up to an hour'),
  },
];

const FROZEN: Replacement = {
  file: 'src/storage/batch-acts.ts',
  find: 'and not exists (select from freezing where frozen_at is not null)',
  replace: '',
};

const FREEZES: readonly Mutant[] = [
  {
    name: 'batch that closes while frozen',
    rule: '5, 0013',
    takesOut: 'a batch closes whatever is frozen',
    without: [FROZEN],
    killer: contract('a freeze > of launches keeps their batches open, and no others'),
  },
  {
    name: 'batch that does not wait for a freeze',
    rule: '5, 0013',
    takesOut: 'a batch that closes while a freeze is being set goes by what was frozen before',
    without: [
      {
        file: 'src/storage/batch-acts.ts',
        find: 'where verb = (select verb from mine) for share)',
        replace: 'where verb = (select verb from mine))',
      },
    ],
    killer: {
      file: 'test/storage/freeze.test.ts',
      title: 'a batch that closes while a freeze is being set waits for it, and does not close',
    },
  },
];

const MACHINE_HOURS: readonly Mutant[] = [
  {
    name: "growth beyond its pool's machine-hours",
    rule: '5, 0017',
    takesOut: "the write by which a pool grows does not count its pool's hours",
    without: [{ file: HOURS, find: ' < ${pool}.max_machine_hours)', replace: ' < 1e9)' }],
    killer: contract(
      'machine-hours > that reach the limit of their pool let it grow no more until the next day',
    ),
  },
  {
    name: "growth beyond the fleet's machine-hours",
    rule: '5, 0017',
    takesOut: "the write by which a pool grows does not count the fleet's hours",
    without: [{ file: HOURS, find: ' >= f.max_machine_hours)`', replace: ' >= 1e9)`' }],
    killer: contract('machine-hours > that reach the limit of the fleet let no pool grow'),
  },
  {
    name: 'growth by a look of long ago',
    rule: '5, 0017',
    takesOut: 'a process that was paused since before a limit was reached grows a pool',
    without: [{ file: HOURS, find: '${pool}.hours_reached_at is null\n    and', replace: '' }],
    killer: contract(
      'machine-hours > let no pool grow once they are noted, whatever the time of its last look',
    ),
  },
  {
    name: 'purge of what still counts',
    rule: '5, 0017',
    takesOut: "an instance's row is purged on the day that it counts in",
    without: [
      {
        file: 'src/storage/reconcile-acts.ts',
        find: '[purgeableBefore(act), act.limit]',
        replace: '[act.before, act.limit]',
      },
    ],
    killer: contract('machine-hours > are not lowered by a purge before the day is over'),
  },
  {
    name: 'limit that is told at each round',
    rule: '5, 0017',
    takesOut: 'a limit is told as long as it is reached',
    without: [
      {
        file: HOURS,
        find: 'and coalesce(c.used >= t.max_machine_hours, false) <> (t.hours_reached_at is not null)',
        replace: 'and (c.used >= t.max_machine_hours or t.hours_reached_at is not null)',
      },
    ],
    killer: contract('machine-hours > that reach a limit are told once, and once when they do so no longer'),
  },
  {
    name: 'limit that an older look takes back',
    rule: '5, 0017',
    takesOut: 'a round that looked before the limit was reached says that it is not',
    without: [
      { file: HOURS, find: 'and (t.hours_reached_at is null or t.hours_reached_at <= $1)', replace: '' },
    ],
    killer: contract('machine-hours > that were counted too early take nothing back'),
  },
  {
    name: 'round that does not count hours',
    rule: '5, 0017',
    takesOut: 'no reconcile round notes that a limit is reached',
    without: [{ file: 'src/workers/reconcile.ts', find: '() => noteHours(ports, pools),', replace: '' }],
    killer: {
      file: 'test/workers/reconcile-hours.test.ts',
      title:
        'a round that finds a pool at its daily limit says so once, until when, and rings once it may grow',
    },
  },
];

const RETRIES: readonly Mutant[] = [
  {
    name: 'cancel that leaves the successor',
    rule: '0012',
    takesOut: 'who cancels a lease that was lost and retried leaves another machine behind',
    without: [
      {
        file: 'src/fleet/leasing.ts',
        find: `if (act.outcome !== 'cancelled' || ended === undefined`,
        replace: 'if (true || ended === undefined',
      },
    ],
    killer: {
      file: 'test/http/retries.test.ts',
      title:
        'a lease whose machine is lost > is cancelled by cancelling what takes its place, however often it was lost',
    },
  },
  {
    name: 'complete that leaves the successor',
    rule: '0012',
    takesOut: 'who completes a lease that was lost is not told that another one takes its place',
    without: [
      {
        file: 'src/http/lease-routes.ts',
        find: 'if (newest !== lease && newest.endedAt === null) throw retried(lease, newest);',
        replace: '',
      },
    ],
    killer: {
      file: 'test/http/retries.test.ts',
      title:
        'a lease whose machine is lost > is completed by nobody while another lease takes its place, and is as it was once that has ended',
    },
  },
];

/** What keeps the fleet from doing too much of what it may, and users from leaving machines behind. */
export const BRAKE_GUARDS: readonly Mutant[] = [
  ...SWEEPS,
  ...LEFT_BEHIND,
  ...FREEZES,
  ...MACHINE_HOURS,
  ...RETRIES,
];

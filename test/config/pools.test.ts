import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { createPoolsParser, parsePools } from '../../src/config/pools.ts';
import { DEADLINE_STATES } from '../../src/config/pool-schema.ts';
import { PoolsFileError, type Problem } from '../../src/config.ts';
import { DEADLINES_DEFAULT, type Pool } from '../../src/fleet/pool.ts';
import { PROVIDERS } from '../../src/providers/index.ts';
import { SOME_PROVIDERS } from './some-providers.ts';

const SMALLEST = `
- name: win10
  platform: windows
  max: 5
  probe: { kind: none }
  placements:
    - { name: here, provider: cloud-a, region: north }
`;

/** The smallest pool with lines put in, two blanks before each. */
function withLines(...lines: readonly string[]): string {
  return SMALLEST + lines.map((line) => `  ${line}\n`).join('');
}

const parse = createPoolsParser(SOME_PROVIDERS);

function problemsOf(text: string): readonly Problem[] {
  try {
    parse(text, 'pools.yaml');
  } catch (error) {
    if (error instanceof PoolsFileError) return error.problems;
    throw error;
  }
  throw new Error('the file was accepted');
}

function told(text: string): string[] {
  return problemsOf(text).map(({ where, subject, rule, fix }) => `${where} ${subject} ${rule}; ${fix}`);
}

describe('a pools file', () => {
  test('gives a pool its daily limit on machine-hours', () => {
    expect(parse(withLines('maxMachineHoursPerDay: 200'), 'pools.yaml')).toMatchObject([
      { maxMachineHoursPerDay: 200 },
    ]);
  });

  test('gives pools in the shape of the domain, with every default filled in', () => {
    const pools: readonly Pool[] = parsePools(SMALLEST, 'pools.yaml', SOME_PROVIDERS);
    expect(pools).toEqual([
      {
        name: 'win10',
        platform: 'windows',
        arch: 'x64',
        tags: [],
        minIdle: 0,
        max: 5,
        idleTimeoutMs: 900_000,
        recycle: 'delete',
        halt: 'power-off',
        maxUses: null,
        maxMachineHoursPerDay: null,
        probe: { kind: 'none' },
        deadlines: DEADLINES_DEFAULT,
        placements: [{ pool: 'win10', name: 'here', provider: 'cloud-a', spec: { region: 'north' } }],
        owner: 'file',
        draining: false,
      },
    ]);
  });

  test('names a deadline for every state that the domain gives one', () => {
    expect([...DEADLINE_STATES].toSorted()).toEqual(Object.keys(DEADLINES_DEFAULT).toSorted());
  });

  test.each([
    ['250ms', 250],
    ['90s', 90_000],
    ['1.5m', 90_000],
    ['4h', 14_400_000],
    ['7d', 604_800_000],
    ['45', 45_000],
    ['0.5', 500],
  ])('reads a duration written as %s', (written, ms) => {
    const [pool] = parsePools(withLines(`idleTimeout: ${written}`), 'pools.yaml', SOME_PROVIDERS);
    expect(pool?.idleTimeoutMs).toBe(ms);
  });

  test('takes bootTimeout and maxAge as short forms of two deadlines', () => {
    const text = withLines('bootTimeout: 3m', 'maxAge: 2h', 'deadlines: { deleting: 40m }');
    const [pool] = parsePools(text, 'pools.yaml', SOME_PROVIDERS);
    expect(pool?.deadlines).toEqual({
      ...DEADLINES_DEFAULT,
      booting: 180_000,
      ready: 7_200_000,
      deleting: 2_400_000,
    });
  });

  test('fills in what a probe leaves out', () => {
    const http = SMALLEST.replace('{ kind: none }', '{ kind: http, port: 80 }');
    const tcp = SMALLEST.replace('{ kind: none }', '{ kind: tcp, port: 80, interval: 2s }');
    expect(parsePools(http, 'p', SOME_PROVIDERS)[0]?.probe).toEqual({
      kind: 'http',
      port: 80,
      path: '/',
      intervalMs: 5000,
    });
    expect(parsePools(tcp, 'p', SOME_PROVIDERS)[0]?.probe).toEqual({
      kind: 'tcp',
      port: 80,
      intervalMs: 2000,
    });
  });

  test('may share settings by anchors, aliases and merge keys', () => {
    const text = `${SMALLEST.replace('- name', '- &base\n  name')}- { <<: *base, name: win11, max: 9 }\n`;
    const pools = parsePools(text, 'pools.yaml', SOME_PROVIDERS);
    expect(pools.map(({ name, max, platform }) => [name, max, platform])).toEqual([
      ['win10', 5, 'windows'],
      ['win11', 9, 'windows'],
    ]);
  });

  test('means that there are to be no pools only where it says so', () => {
    expect(parsePools('[]', 'pools.yaml', SOME_PROVIDERS)).toEqual([]);
    for (const empty of ['', '\n\n', '# nothing\n', '---\n', 'null\n']) {
      expect(told(empty)).toEqual([
        'pools.yaml  is empty; list at least one pool, or write [] if every pool is to be drained',
      ]);
    }
  });

  test('tells all of its mistakes at once, in the order of their lines', () => {
    const text = [
      '- name: Win', //                                 1
      '  platfrom: windows', //                         2
      '  max: lots', //                                 3
      '  minIdle: -1', //                               4
      '  idleTimeout: 5 minutes', //                    5
      '  recycle: rest', //                             6
      '  probe: { kind: tcp, port: 99999 }', //         7
      '  placements: []', //                            8
      '- name: second', //                              9
      '  placements:', //                              10
      '    - { name: a, provider: cloud-c }', //       11
      '    - { name: a, provider: cloud-a, region: 5, market: spt, sizes: 7 }', // 12
      '- just text', //                                13
    ].join('\n');
    const lines = problemsOf(text).map(({ line, subject }) => `${line} ${subject}`);
    expect(lines).toEqual([
      '1 pool "Win": platform',
      '1 pool "Win": name',
      '2 pool "Win": platfrom',
      '3 pool "Win": max',
      '4 pool "Win": minIdle',
      '5 pool "Win": idleTimeout',
      '6 pool "Win": recycle',
      '7 pool "Win": probe.port',
      '8 pool "Win": placements',
      '9 pool "second": platform',
      '9 pool "second": max',
      '9 pool "second": probe',
      '11 pool "second": placements[0].provider',
      '12 pool "second": placements[1].name',
      '12 pool "second": placements[1].region',
      '12 pool "second": placements[1].market',
      '12 pool "second": placements[1].sizes',
      '13 pool number 3',
    ]);
  });
});

type Case = readonly [what: string, text: string, place: string, words: string];

function toCases(cases: readonly Case[]) {
  return cases.map(([what, text, place, words]) => ({ what, text, place, words }));
}

describe('a mistake in a pools file', () => {
  test.each(
    toCases([
      [
        'an unknown key',
        withLines('idleTimout: 5m'),
        '8:3',
        'is not a known key; did you mean "idleTimeout"?',
      ],
      ['a misspelt word', withLines('recycle: rest'), '8:12', 'did you mean "reset"?'],
      ['a missing key', SMALLEST.replace('  max: 5\n', ''), '2:3', 'max is missing; add "max: 20"'],
      [
        'a wrong type',
        SMALLEST.replace('5', 'many'),
        '4:8',
        'must be a whole number from 1 to 100000, but is "many"',
      ],
      ['a number that is none', SMALLEST.replace('5', '.nan'), '4:8', 'must be a whole number'],
      [
        'a duration without a unit we know',
        withLines('idleTimeout: 5w'),
        '8:16',
        'must be a duration from 0',
      ],
      ['a duration of nothing', withLines('maxAge: 0s'), '8:11', 'must be a duration from 1ms to 366d'],
      ['a tag written twice', withLines('tags: [a, b, a]'), '8:16', 'is there twice'],
      ['a state without a deadline', withLines('deadlines: { leased: 5m }'), '8:16', 'is not a known key'],
      ['an unknown kind of probe', SMALLEST.replace('none', 'udp'), '5:18', 'must be one of tcp, http, none'],
      [
        'a probe without a kind',
        SMALLEST.replace('{ kind: none }', '{}'),
        '5:10',
        'must be one of tcp, http, none',
      ],
      [
        'a port no probe takes',
        SMALLEST.replace('none', 'none, port: 5'),
        '5:24',
        'is not a known key; known are kind',
      ],
      ['an unknown provider', SMALLEST.replace('cloud-a', 'clod-a'), '7:31', 'did you mean "cloud-a"?'],
      [
        'a placement without a provider',
        SMALLEST.replace('provider: cloud-a, ', ''),
        '7:7',
        'one of cloud-a, cloud-b',
      ],
      [
        "a field the provider's schema lacks",
        SMALLEST.replace('region', 'regio'),
        '7:40',
        'did you mean "region"?',
      ],
      ['no placements', SMALLEST.replace(/ {4}- .*\n/, '    []\n'), '7:5', 'must have at least 1 entries'],
      ['a mapping instead of a list', 'win10: {}', '1:1', 'must be a list of pools'],
      ['text instead of a list', 'pools', '1:1', 'must be a list of pools, but is "pools"'],
    ]),
  )('is told with its place and its remedy: $what', ({ text, place, words }) => {
    const all = told(text);
    expect(all.filter((line) => line.startsWith(`pools.yaml:${place} `)).join('\n')).toContain(words);
  });

  test.each(
    toCases([
      [
        'more idle than there may be',
        withLines('minIdle: 6'),
        '8:12',
        'minIdle (6) must not be more than max (5)',
      ],
      [
        'no machine-hours at all',
        withLines('maxMachineHoursPerDay: 0'),
        '8:26',
        'whole number of hours from 1',
      ],
      ['a part of an hour', withLines('maxMachineHoursPerDay: 1.5'), '8:26', 'whole number of hours from 1'],
      ['many uses of what serves once', withLines('maxUses: 3'), '8:3', 'no meaning where recycle is delete'],
      [
        'two words for one deadline',
        withLines('bootTimeout: 5m', 'deadlines: { booting: 5m }'),
        '8:3',
        'says the same as deadlines.booting',
      ],
      [
        'a probe slower than booting may last',
        SMALLEST.replace('kind: none', 'kind: tcp, port: 5, interval: 1h'),
        '5:42',
        'must be shorter than the time a machine may boot',
      ],
      [
        'a reset where the provider has none',
        withLines('recycle: reset').replace('cloud-a, region: north', 'cloud-b'),
        '7:31',
        'cannot reset machines',
      ],
      [
        'a reset of machines that were powered off, where only running ones can be reset',
        withLines('recycle: reset').replace('cloud-a, region: north', 'cloud-r'),
        '7:31',
        'resets running machines only',
      ],
      [
        'two placements at one scale set',
        SMALLEST.replace('cloud-a, region: north', 'cloud-s, set: s') +
          SMALLEST.replace('win10', 'win11').replace('cloud-a, region: north', 'cloud-s, set: s'),
        '14:7',
        'is at s, which an earlier placement has',
      ],
      [
        'a pool named twice',
        `${SMALLEST}${SMALLEST}`,
        '9:9',
        'is the name of an earlier pool too (number 1)',
      ],
      [
        'a placement named twice',
        SMALLEST.replace(/( {4}- .*\n)/, '$1$1'),
        '8:15',
        'is the name of an earlier placement too (number 1)',
      ],
    ]),
  )('is told although each value alone is right: $what', ({ text, place, words }) => {
    const all = told(text);
    expect(all).toHaveLength(1);
    expect(all[0]).toContain(`pools.yaml:${place} `);
    expect(all[0]).toContain(words);
  });

  test.each([
    ['a bracket left open', '- name: [a', 'close the bracket'],
    ['a quote left open', '- name: "a', 'lacks a character'],
    ['an indent that fits nothing', '- name: a\n max: 5\n', 'indented wrongly'],
    ['an alias without an anchor', '- name: *gone\n', 'alias'],
    ['a second document', `${SMALLEST}---\n[]\n`, 'begins a second document'],
    ['a key written twice', withLines('max: 6'), 'already written in the same mapping'],
    ['a tag of its own', '- name: !secret a\n', 'has a tag that is not known'],
    ['an alias that multiplies itself', bomb(), 'too many aliases'],
  ])('of syntax has a place too: %s', (_what, text, words) => {
    const all = told(text);
    expect(all.join('\n')).toContain(words);
    expect(all.every((line) => /^pools\.yaml:\d+:\d+ /.test(line))).toBe(true);
  });
});

/** Nine levels of nine aliases each: a kilobyte that means 387 million entries. */
function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const items = level === 0 ? '1' : Array.from({ length: 9 }, () => `*l${level - 1}`).join(', ');
    return `- &l${level} [${items}]\n`;
  });
  return levels.join('');
}

describe('whatever a pools file holds', () => {
  const TOKENS = [
    '-',
    ':',
    ' ',
    '\n',
    '\n  ',
    '"',
    "'",
    '[',
    ']',
    '{',
    '}',
    '&a',
    '*a',
    '#',
    '|',
    '>',
    '!t',
    '\t',
    '0',
    '~',
    'x',
    '<<',
  ];

  test('it gives pools or problems with a place and a remedy, and nothing else is thrown', () => {
    const pick = createPicker(20_251_122);
    let refused = 0;
    for (let round = 0; round < 1500; round += 1) {
      const text = damage(withLines('tags: [a]', 'deadlines: { booting: 5m }'), TOKENS, pick);
      const problems = problemsOrNone(text);
      if (problems.length > 0) refused += 1;
      for (const problem of problems) expect(shortcomings(problem, text)).toEqual([]);
    }
    expect(refused).toBeGreaterThan(750);
  });

  test('any value in the place of another is refused with its line or taken as right', () => {
    const values = [
      'null',
      '""',
      '[]',
      '{}',
      '-1',
      '1e9',
      '.inf',
      'true',
      '"x y"',
      '2020-01-01',
      '0x10',
      '[1, {a: b}]',
    ];
    const text = withLines('minIdle: 1', 'idleTimeout: 5m', 'tags: [a]', 'recycle: reset', 'maxUses: 3');
    const lines = text.split('\n');
    for (const [index, line] of lines.entries()) {
      const key = /^(\s*-? ?\w+):/.exec(line)?.[1];
      if (key === undefined) continue;
      for (const value of values) {
        const changed = lines.with(index, `${key}: ${value}`).join('\n');
        const problems = problemsOrNone(changed);
        expect(problems.flatMap((problem) => shortcomings(problem, changed))).toEqual([]);
      }
    }
  });

  function problemsOrNone(text: string): readonly Problem[] {
    try {
      parse(text, 'pools.yaml');
      return [];
    } catch (error) {
      if (error instanceof PoolsFileError) return error.problems;
      throw error;
    }
  }

  /** What a problem lacks to be of use; names the text it came from. */
  function shortcomings({ line, rule, fix }: Problem, text: string): string[] {
    const isPlaced = line === null || (line >= 1 && line <= text.split('\n').length);
    const isSaid = [rule, fix].every((words) => words !== '' && !/undefined|\[object/.test(words));
    return isPlaced && isSaid ? [] : [`${line} ${rule} ${fix}: ${text}`];
  }
});

type Picker = (below: number) => number;

/** The same numbers for the same seed (mulberry32). */
function createPicker(seed: number): Picker {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

function damage(text: string, tokens: readonly string[], pick: Picker): string {
  let damaged = text;
  for (let cut = pick(3); cut >= 0; cut -= 1) {
    const at = pick(damaged.length);
    damaged = damaged.slice(0, at) + (tokens[pick(tokens.length)] ?? '') + damaged.slice(at + pick(4));
  }
  return damaged;
}

test("the example's pools pass the real providers' schemas", async () => {
  const text = await readFile(new URL('../../examples/pools.yaml', import.meta.url), 'utf8');
  const pools = parsePools(text, 'examples/pools.yaml', PROVIDERS);
  expect(
    pools.map(({ name, recycle, halt, placements }) => [name, recycle, halt, placements[0]?.provider]),
  ).toEqual([
    ['win10-x64', 'delete', 'power-off', 'aws-ec2'],
    ['linux-ci', 'reset', 'none', 'azure-scale-set'],
  ]);
});

test('a provider whose placements are no object, or whose fields hide ours, is refused by name', () => {
  const [provider] = SOME_PROVIDERS;
  if (provider === undefined) throw new Error('there are no providers');
  const { placementSchema } = provider;
  const asUnion = [{ ...provider, placementSchema: { anyOf: [placementSchema] } }];
  const asTaken = [
    { ...provider, placementSchema: { type: 'object', properties: { name: { type: 'string' } } } },
  ];
  expect(() => parsePools(SMALLEST, 'p', asUnion)).toThrow('provider cloud-a must be an object');
  expect(() => parsePools(SMALLEST, 'p', asTaken)).toThrow('provider cloud-a must not have a field "name"');
});

import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readTasks } from '../../src/cli/tasks/read-tasks.ts';
import { TaskFileError } from '../../src/cli/tasks/task-file-error.ts';
import type { Task, TaskOptions } from '../../src/cli/tasks/task.ts';

const ARRIVALS = fileURLToPath(new URL('../../examples/arrivals.csv', import.meta.url));
const TRACE_HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drover-tasks-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, lines: readonly string[], end = '\n'): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, lines.map((line) => line + end).join(''));
  return file;
}

async function collect(file: string, options?: TaskOptions): Promise<Task[]> {
  const tasks = [];
  for await (const task of readTasks(file, options)) tasks.push(task);
  return tasks;
}

async function refusal(file: string, options?: TaskOptions): Promise<TaskFileError> {
  try {
    await collect(file, options);
  } catch (error) {
    if (error instanceof TaskFileError) return error;
    throw error;
  }
  throw new Error('the file was accepted');
}

/** `line field rule` of every problem. */
async function told(file: string, options?: TaskOptions): Promise<string[]> {
  const { problems } = await refusal(file, options);
  return problems.map(({ line, field, rule }) => `${line} ${field} ${rule}`);
}

describe('a trace', () => {
  test('becomes lease requests: stretched arrivals, holds by context, pools by what was generated', async () => {
    const file = await write('trace.csv', [
      TRACE_HEADER,
      '2023-11-16 23:59:59.9799600,4808,10',
      '2023-11-17 00:00:00.0319600,499,8',
      '2023-11-17 00:00:01,500,27',
    ]);
    expect(await collect(file, { pools: ['a', 'b', 'c'] })).toEqual([
      { arrivalSeconds: 0, holdSeconds: 300.4, selector: { pool: 'b' }, priority: 0, line: 2 },
      { arrivalSeconds: 0.52, holdSeconds: 84.95, selector: { pool: 'c' }, priority: 1, line: 3 },
      {
        arrivalSeconds: expect.closeTo(10.2004, 6),
        holdSeconds: 85,
        selector: { pool: 'a' },
        priority: 0,
        line: 4,
      },
    ]);
    const unstretched = await collect(file, { pools: ['a'], stretch: 1 });
    expect(unstretched.map(({ arrivalSeconds }) => arrivalSeconds)).toEqual([0, 0.052, 1.02004]);
  });

  test("of the examples holds 300 requests that come in bursts, and is a copy of the published rows' form", async () => {
    const tasks = await collect(ARRIVALS, { pools: ['a', 'b'] });
    expect(tasks).toHaveLength(300);
    expect(tasks.at(-1)?.arrivalSeconds).toBeCloseTo(1879.57232, 5);
    const perSecond = Map.groupBy(tasks, ({ arrivalSeconds }) => Math.floor(arrivalSeconds / 10));
    expect(Math.max(...[...perSecond.values()].map((burst) => burst.length))).toBe(56);
    expect(perSecond.size).toBeLessThan(16);
    expect(
      (await readFile(ARRIVALS, 'utf8')).startsWith(
        `${TRACE_HEADER}\r\n2023-11-16 18:28:17.9641380,6281,7\r\n`,
      ),
    ).toBe(true);
  });

  test('needs pools to pick from and a stretch above 0', async () => {
    expect(await told(ARRIVALS)).toEqual(['1 the trace names no pools: say which it may pick from']);
    expect(await told(ARRIVALS, { pools: ['a'], stretch: 0 })).toEqual([
      '1 stretch must be a number above 0, but is 0',
    ]);
  });

  test.each([
    ['2023-11-16,5,5', 'TIMESTAMP must be a time in UTC such as'],
    ['2023-02-30 18:17:03.9,5,5', 'TIMESTAMP must be a time in UTC such as'],
    ['2023-11-16 25:17:03.9,5,5', 'TIMESTAMP must be a time in UTC such as'],
    ['2023-11-16 18:17:03+01:00,5,5', 'TIMESTAMP must be a time in UTC such as'],
    ['2023-11-16 18:17:03,-5,5', 'ContextTokens must be a whole number from 0 to 9999999, but is "-5"'],
    ['2023-11-16 18:17:03,5,', 'GeneratedTokens must be a whole number from 0 to 9999999, but is empty'],
    ['2023-11-16 18:17:03,5', 'the row must have 3 fields like the header, but has 2'],
  ])('with the row %s is refused', async (row, words) => {
    const file = await write('trace.csv', [TRACE_HEADER, '2023-11-16 18:17:02,1,1', row]);
    expect(await told(file, { pools: ['a'] })).toEqual([expect.stringContaining(`3 ${words}`)]);
  });
});

describe('tasks of our own', () => {
  const EXPECTED = [
    { arrivalSeconds: 0, holdSeconds: 300, selector: { pool: 'win10' }, priority: 0, line: 2 },
    {
      arrivalSeconds: 12.5,
      holdSeconds: 90,
      selector: { platform: 'linux', arch: 'x64', tags: ['docker', 'kvm'] },
      priority: 5,
      line: 3,
    },
    { arrivalSeconds: 12.5, holdSeconds: 0, selector: { tags: ['a'] }, priority: -3, line: 5 },
  ];

  test.each([
    ['\n', ''],
    ['\r\n', '\uFEFF'],
  ])('are read from CSV, whatever its line ends (%j) and marks', async (end, mark) => {
    const file = await write(
      'tasks.csv',
      [
        `${mark}arrival_seconds,hold_seconds,pool,platform,arch,tags,priority`,
        '0,300,win10,,,,',
        '12.5, 90 ,,linux,x64,"docker kvm",5',
        '',
        '12.5,0,,,,a,-3',
      ],
      end,
    );
    expect(await collect(file)).toEqual(EXPECTED);
  });

  test('are read from lines of JSON', async () => {
    const file = await write('tasks.jsonl', [
      '',
      '{"arrivalSeconds":0,"holdSeconds":300,"pool":"win10"}',
      '{"arrivalSeconds":12.5,"holdSeconds":90,"platform":"linux","arch":"x64","tags":["docker","kvm"],"priority":5}',
      '  ',
      '{"arrivalSeconds":12.5,"holdSeconds":0,"tags":["a"],"priority":-3}',
    ]);
    expect(await collect(file)).toEqual(EXPECTED);
  });

  test('may leave columns out and put them in any order', async () => {
    const file = await write('tasks.csv', ['pool,hold_seconds,arrival_seconds', 'a,2,1']);
    expect(await collect(file)).toEqual([
      { arrivalSeconds: 1, holdSeconds: 2, selector: { pool: 'a' }, priority: 0, line: 2 },
    ]);
  });

  test('need a file with a last line end no more than one with', async () => {
    const file = join(folder, 'tasks.csv');
    await writeFile(file, 'arrival_seconds,hold_seconds,pool\n1,2,a');
    expect(await collect(file)).toHaveLength(1);
  });

  test('may name only pools that exist, where these are known', async () => {
    const file = await write('tasks.csv', ['arrival_seconds,hold_seconds,pool', '0,1,win1', '0,1,win10']);
    expect(await collect(file)).toHaveLength(2);
    expect(await told(file, { pools: ['win10', 'linux'] })).toEqual([
      '2 pool must be a pool that exists, but is "win1": did you mean "win10"?',
    ]);
  });

  test.each([
    ['0,1,a,,,,x', 'priority must be a whole number from -1000 to 1000, but is "x"'],
    ['0,1,a,,,,1.5', 'priority must be a whole number'],
    ['0,1,a,,,,1001', 'priority must be a whole number'],
    ['-1,1,a,,,,', 'arrival_seconds must be a number of seconds from 0 to 31622400, but is -1'],
    ['5s,1,a,,,,', 'arrival_seconds must be a number of seconds'],
    ['1e3,1,a,,,,', 'arrival_seconds must be a number of seconds'],
    [',1,a,,,,', 'arrival_seconds must be a number of seconds from 0 to 31622400, but is empty'],
    ['0,Infinity,a,,,,', 'hold_seconds must be a number of seconds'],
    ['0,99999999,a,,,,', 'hold_seconds must be a number of seconds'],
    ['0,1,,win,,,', 'platform must be one of windows, linux, darwin, but is "win"'],
    ['0,1,,linux,amd64,,', 'arch must be one of x86, x64, arm64, but is "amd64"'],
    ['0,1,,,,,', 'pool is missing: name a pool, or platform, arch or tags'],
    ['0,1,a,linux,,,', 'pool must stand alone: name a pool, or platform, arch and tags'],
    ['0,1', 'the row must have 7 fields like the header, but has 2'],
    ['0,1,a,,,,,,', 'the row must have 7 fields like the header, but has 9'],
    ['0,1,"a,,,,', 'the row is not valid CSV (CSV_QUOTE_NOT_CLOSED)'],
    ['0,1,a"b,,,,', 'the row is not valid CSV (INVALID_OPENING_QUOTE)'],
    [`0,1,${'a'.repeat(70_000)},,,,`, 'the row must have at most 65536 characters'],
  ])('are refused in CSV for the row %#', async (row, words) => {
    const header = 'arrival_seconds,hold_seconds,pool,platform,arch,tags,priority';
    const file = await write('tasks.csv', [header, '0,1,a,,,,', row, '9,1,a,,,,']);
    expect(await told(file)).toEqual([expect.stringContaining(`3 ${words}`)]);
  });

  test.each([
    ['{"arrivalSeconds":"0","holdSeconds":1,"pool":"a"}', 'arrivalSeconds must be a number of seconds'],
    [
      '{"holdSeconds":1,"pool":"a"}',
      'arrivalSeconds must be a number of seconds from 0 to 31622400, but is empty',
    ],
    ['{"arrivalSeconds":0,"holdSeconds":1,"pool":""}', 'pool must be a name, but is empty'],
    ['{"arrivalSeconds":0,"holdSeconds":1,"pool":7}', 'pool must be a name, but is 7'],
    ['{"arrivalSeconds":0,"holdSeconds":1,"tags":"a b"}', 'tags must be a list of words, but is "a b"'],
    ['{"arrivalSeconds":0,"holdSeconds":1,"tags":[1]}', 'tags must be a list of words, but is [1]'],
    [
      '{"arrivalSeconds":0,"holdSeconds":1,"platform":null}',
      'platform must be one of windows, linux, darwin, but is empty',
    ],
    [
      '{"arrivalSeconds":0,"holdSeconds":1,"pool":"a","prority":1}',
      '"prority" is not a known key: did you mean "priority"?',
    ],
    ['[]', 'the row must be one JSON object on one line'],
    ['{"arrivalSeconds":0,', 'the row must be one JSON object on one line'],
    [`{"pool":"${'a'.repeat(70_000)}"}`, 'the row must have at most 65536 characters'],
  ])('are refused in JSON for the line %#', async (line, words) => {
    const good = '{"arrivalSeconds":0,"holdSeconds":1,"pool":"a"}';
    const file = await write('tasks.jsonl', [good, line, good]);
    expect(await told(file)).toEqual([expect.stringContaining(`2 ${words}`)]);
  });

  test('are refused where arrivals go back, since they are replayed as they are read', async () => {
    const file = await write('tasks.csv', ['arrival_seconds,hold_seconds,pool', '5,1,a', '4,1,a', '5,1,a']);
    expect(await told(file)).toEqual([
      '3 arrival must not go back (4 s after 5 s): sort the rows by arrival',
    ]);
  });

  test.each([
    [
      'arrival_seconds,hold_second,pool',
      ['column "hold_second" is not known: did you mean "hold_seconds"?', 'column "hold_seconds" is missing'],
    ],
    ['arrival_seconds,hold_seconds,pool,pool', ['column "pool" is there twice: remove one']],
    [
      'TIMESTAMP,ContextTokens',
      [
        'column "TIMESTAMP" is not known',
        'column "ContextTokens" is not known',
        'column "arrival_seconds" is missing',
        'column "hold_seconds" is missing',
      ],
    ],
    ['"arrival_seconds', ['the header is not valid CSV']],
  ])('are refused for the header %s', async (header, words) => {
    const file = await write('tasks.csv', [header, '1,2,3,4']);
    expect(await told(file)).toEqual(words.map((each) => expect.stringContaining(`1 ${each}`)));
  });
});

describe('a file with mistakes', () => {
  test('yields no task at all, although mistakes stand after a thousand good rows', async () => {
    const rows = Array.from({ length: 1000 }, (_, index) => `${index},1,a`);
    const file = await write('tasks.csv', ['arrival_seconds,hold_seconds,pool', ...rows, 'x,1,a', 'y,1,a']);
    const tasks: Task[] = [];
    const reading = async (): Promise<void> => {
      for await (const task of readTasks(file)) tasks.push(task);
    };
    await expect(reading()).rejects.toThrow(`${file}:1003: arrival_seconds must be`);
    expect(tasks).toEqual([]);
  });

  test('has its first 50 listed', async () => {
    const rows = Array.from({ length: 200 }, () => 'x,y,a');
    const error = await refusal(await write('tasks.csv', ['arrival_seconds,hold_seconds,pool', ...rows]));
    expect(error.problems).toHaveLength(50);
    expect(error.message).toContain('nothing was run; the first 50 problems');
    expect(error.problems.at(-1)).toMatchObject({ line: 26, field: 'hold_seconds' });
  });

  test('of bytes without a line end is refused in bounded memory', async () => {
    const file = join(folder, 'tasks.jsonl');
    await writeFile(file, Buffer.alloc(5_000_000, 'x'));
    expect(await told(file)).toEqual(['1 the row must have at most 65536 characters']);
  });

  test('is told apart from one that is empty, missing, a folder or of another kind', async () => {
    expect(await told(await write('a.csv', []))).toEqual([
      '1 the file holds no tasks: give it one row at least',
    ]);
    expect(await told(await write('b.csv', ['arrival_seconds,hold_seconds']))).toEqual([
      '1 the file holds no tasks: give it one row at least',
    ]);
    expect(await told(join(folder, 'gone.csv'))).toEqual([
      expect.stringContaining('cannot be read (ENOENT)'),
    ]);
    await mkdir(join(folder, 'c.jsonl'));
    expect(await told(join(folder, 'c.jsonl'))).toEqual([expect.stringContaining('must be a plain file')]);
    expect(await told(await write('d.txt', []))).toEqual([
      '1 the file must be a .csv, .jsonl or .ndjson file',
    ]);
  });

  test('gives tasks in order or problems with a line, however it was damaged', async () => {
    const good = ['arrival_seconds,hold_seconds,pool,priority', '0,5,a,1', '1,5,"b c",2', '2.5,6,d,'];
    const pieces = [',', '"', '\n', '\r', '-', 'x', ' ', '\u0000', 'é', '9999999999', ''];
    const whole = good.join('\n');
    for (let at = 0; at < whole.length; at += 1) {
      const piece = pieces[at % pieces.length] ?? '';
      const file = join(folder, 'damaged.csv');
      await writeFile(file, whole.slice(0, at) + piece + whole.slice(at + 1));
      expect(await shortcomings(file)).toEqual([]);
    }
  });

  /** What is wrong with what came of a file: nothing, if it is either refused with lines or read in order. */
  async function shortcomings(file: string): Promise<unknown[]> {
    try {
      const tasks = await collect(file);
      return tasks.filter(
        ({ arrivalSeconds, selector }, index) =>
          !(arrivalSeconds >= (tasks[index - 1]?.arrivalSeconds ?? 0)) || Object.keys(selector).length === 0,
      );
    } catch (error) {
      if (!(error instanceof TaskFileError)) throw error;
      return error.problems.filter(
        ({ line, field, rule }) => line < 1 || line > 6 || field === '' || rule === '',
      );
    }
  }
});

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type CheckoutCopy, copyCheckout } from './checkout-copy.ts';

let checkout: CheckoutCopy;
beforeAll(async () => {
  checkout = await copyCheckout();
});
afterAll(() => checkout.remove());

const CASE_WITHIN_MS = 120_000;

/**
 * Starts with this input. It must end without success and without a stack, before any task is played, and leave
 * nothing running. Answers its message.
 */
async function refusal(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const words = ['node', 'scripts/launch.mjs', 'start', '--once', ...args];
  const run = checkout.start(words, { DROVER_HTTP_PORT: '0', ...env });
  const code = await run.exited;
  const said = run.said();
  expect([0, null]).not.toContain(code);
  expect(said).not.toMatch(/^\s+at /m);
  expect(said).not.toContain('burst:');
  expect(await checkout.left()).toEqual([]);
  expect(said.match(/^drover: /gm)).toHaveLength(1);
  return said.slice(said.indexOf('drover: ')).trim();
}

/** Refused before anything is started: nothing else is said, and nothing is written. */
async function refusalAtOnce(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const state = join(dirname(checkout.dir), `state-${randomUUID()}`);
  const message = await refusal(args, { DROVER_STATE_DIR: state, ...env });
  expect(existsSync(state)).toBe(false);
  return message;
}

async function refusalOfTasks(name: string, lines: readonly string[]): Promise<string> {
  await writeFile(join(checkout.dir, name), lines.map((line) => `${line}\n`).join(''));
  return refusalAtOnce(['--tasks', name]);
}

test('an option that does not exist is named, with those that do', { timeout: CASE_WITHIN_MS }, async () => {
  const message = await refusalAtOnce(['--frobnicate']);
  expect(message).toContain(`Unknown option '--frobnicate'`);
  expect(message).toContain('[--tasks FILE]');
});

test.each([
  ['--workers 0', '--workers must be a whole number from 1 to 16, not 0'],
  ['--speed fast', '--speed must be a whole number from 1 to 1000, not fast'],
])('the option %s is refused with what it may be', { timeout: CASE_WITHIN_MS }, async (option, message) => {
  expect(await refusalAtOnce(option.split(' '))).toBe(`drover: ${message}`);
});

test(
  'a variable that cannot be used is named, with what it may be',
  { timeout: CASE_WITHIN_MS },
  async () => {
    const message = await refusalAtOnce([], { DROVER_HTTP_PORT: 'http' });
    expect(message).toContain(
      'DROVER_HTTP_PORT: http.port must be a whole number from 0 (any free port) to 65535',
    );
  },
);

test(
  'every mistake in a task file is told with its line and field, an unknown pool with the one that was meant',
  { timeout: CASE_WITHIN_MS },
  async () => {
    const message = await refusalOfTasks('mistaken.csv', [
      'arrival_seconds,hold_seconds,pool',
      '0,300,azure-cj',
      '5,long,aws-detonation',
      '6,10',
    ]);
    expect(message).toContain('nothing was run');
    expect(message).toContain(
      'mistaken.csv:2: pool must be a pool that exists, but is "azure-cj": did you mean "azure-ci"?',
    );
    expect(message).toContain('mistaken.csv:3: hold_seconds must be a number of seconds');
    expect(message).toContain('mistaken.csv:4: the row must have 3 fields like the header, but has 2');
  },
);

test('a line of tasks that is no JSON is told with its number', { timeout: CASE_WITHIN_MS }, async () => {
  const message = await refusalOfTasks('mistaken.jsonl', [
    '{"arrivalSeconds": 0, "holdSeconds": 3, "pool": "azure-ci"}',
    '{"arrivalSeconds": 1, "holdSeconds": 3, ',
  ]);
  expect(message).toContain('mistaken.jsonl:2: the row must be one JSON object on one line');
});

test('a task file that is not there says to check its path', { timeout: CASE_WITHIN_MS }, async () => {
  expect(await refusalAtOnce(['--tasks', 'nowhere.csv'])).toContain(
    'cannot be read (ENOENT): check its path and permissions',
  );
});

test('a folder in place of a task file is refused', { timeout: CASE_WITHIN_MS }, async () => {
  await mkdir(join(checkout.dir, 'folder.csv'));
  expect(await refusalAtOnce(['--tasks', 'folder.csv'])).toContain('the file must be a plain file');
});

test('a pools file that cannot be read is named, with what to do', { timeout: CASE_WITHIN_MS }, async () => {
  const message = await refusalAtOnce([], { DROVER_POOLS: 'nowhere.yaml' });
  expect(message).toContain(
    'nowhere.yaml, which cannot be read (ENOENT); make the file readable there, or name another',
  );
});

test(
  'a place where no report can be written is refused before anything is played',
  { timeout: CASE_WITHIN_MS },
  async () => {
    const missing = await refusalAtOnce(['--report', 'nowhere/report.json']);
    expect(missing).toContain(
      '--report cannot be written to nowhere/report.json (ENOENT): name a file in a folder',
    );
    expect(await refusalAtOnce(['--report', 'examples'])).toContain(
      '--report names examples, which is a folder',
    );
  },
);

test(
  'a port that is taken is named, with the variable that names another',
  { timeout: CASE_WITHIN_MS },
  async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    if (address === null || typeof address === 'string')
      throw new Error('a listening server without an address');
    const message = await refusal([], { DROVER_HTTP_PORT: String(address.port) });
    expect(message).toContain(
      `port ${address.port} is taken: set DROVER_HTTP_PORT to another one, or to 0 for any`,
    );
  },
);

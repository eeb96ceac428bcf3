import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CheckoutCopy, type Command, copyCheckout } from './checkout-copy.ts';
import { type CodeBlock, commandsOf, readCodeBlocks } from './code-blocks.ts';
import { expectSuccess } from './expect-success.ts';

let checkout: CheckoutCopy;
beforeAll(async () => {
  checkout = await copyCheckout();
});
afterAll(() => checkout.remove());

/** What a person types. */
const TYPED = ['sh', 'console'];
/** What a person reads. A block of any other language is one that nobody has decided about. */
const READ = ['text', 'json', 'yaml', 'csv', 'ts', 'mermaid'];
const ADDRESS = /listens at http:\/\/127\.0\.0\.1:\d+/;

test('every command of the README works as it stands there, one after another, while npm start serves', async () => {
  const blocks = readCodeBlocks(await readFile(join(checkout.dir, 'README.md'), 'utf8'));
  expect(blocks.filter(({ language }) => ![...TYPED, ...READ].includes(language))).toEqual([]);
  const typed = blocks.filter(({ language }) => TYPED.includes(language));
  const serving: Command[] = [];
  const told: string[] = [];
  for (const block of typed) {
    const commands = commandsOf(block);
    if (isWholeTest(commands)) continue;
    const startedMs = performance.now();
    const run = checkout.start(['sh', '-e', '-c', commands], { DROVER_HTTP_PORT: '0' });
    if (serves(commands)) {
      await run.until(ADDRESS);
      serving.push(run);
    } else {
      await expectSuccess(run);
    }
    told.push(`${((performance.now() - startedMs) / 1000).toFixed(1)} s: ${commands.trim()}`);
  }
  console.log(told.join('\n'));
  expect(typed.filter((block) => serves(commandsOf(block)))).toHaveLength(1);
  expect(typed.filter(leasesAMachine)).not.toEqual([]);
  await expectOrderlyEnd(serving);
}, 900_000);

/** The one command that is not run here: this test is part of it. */
function isWholeTest(commands: string): boolean {
  return commands.trim() === 'npm test';
}

/** A command that goes on until it is stopped: the others are typed into a second terminal. */
function serves(commands: string): boolean {
  return /^(\w+=\S+ )*npm start\b/m.test(commands) && !commands.includes('--once');
}

function leasesAMachine(block: CodeBlock): boolean {
  return commandsOf(block).includes('npx drover lease run');
}

/** What the README shows comes true, and Ctrl-C ends it all. */
async function expectOrderlyEnd(serving: readonly Command[]): Promise<void> {
  for (const run of serving) {
    await run.until('serving; stop it with Ctrl-C');
    expect(run.said()).toContain('nothing stuck, nothing leaked, nothing overtaken');
  }
  const seen = await checkout.look();
  expect(seen.sockets).not.toEqual([]);
  for (const run of serving) run.interrupt();
  await Promise.all(serving.map(({ exited }) => exited));
  expect(await checkout.left(seen)).toEqual([]);
}

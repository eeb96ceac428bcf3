import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { findBrokenReferences } from './find-broken-references.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const written = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'].filter((name) =>
  existsSync(join(root, name)),
);

async function readScripts(): Promise<string[]> {
  const description: { scripts: Record<string, string> } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  );
  return Object.keys(description.scripts);
}

test.each(written)('%s names only files and scripts that exist', async (name) => {
  const text = await readFile(join(root, name), 'utf8');
  const house = { exists: (path: string) => existsSync(join(root, path)), scripts: await readScripts() };
  expect(findBrokenReferences(text, house)).toEqual([]);
});

const house = {
  exists: (path: string) => ['src', 'src/fleet/lifecycle.ts', 'docs'].includes(path),
  scripts: ['start', 'verify'],
};

test.each([
  ['see [the table](src/fleet/states.ts)', 'src/fleet/states.ts'],
  ['see `src/fleet/states.ts`', 'src/fleet/states.ts'],
  ['see `./docs/decisions/0001.md#why`', './docs/decisions/0001.md#why'],
  ['run `npm run prove`', 'npm run prove'],
  ['run\n```sh\nnpm test\n```', 'npm test'],
  ['see [nothing](gone.md#there)', 'gone.md#there'],
])('a reference to nothing is found: %s', (text, reference) => {
  expect(findBrokenReferences(text, house)).toEqual([reference]);
});

test('references to what exists, elsewhere or with a placeholder are let through', () => {
  const text =
    'see [it](src/fleet/lifecycle.ts#L3), `src/fleet/lifecycle.ts:12`, `src/**/*.ts`, [web](https://example.org/a/b), ' +
    '[below](#words), `src/providers/<name>/failures.ts`, `npm run verify`, `npm start -- --once`, `leases/day`, `/v1/leases`';
  expect(findBrokenReferences(text, house)).toEqual([]);
});

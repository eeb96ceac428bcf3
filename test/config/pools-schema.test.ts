import { readFile } from 'node:fs/promises';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { poolsJsonSchema } from '../../src/config/pools-json-schema.ts';
import { PROVIDERS } from '../../src/providers/index.ts';

const COMMITTED = new URL('../../docs/pools.schema.json', import.meta.url);
const EXAMPLE = new URL('../../examples/pools.yaml', import.meta.url);

async function committedCheck(): Promise<(value: unknown) => boolean> {
  const schema: unknown = JSON.parse(await readFile(COMMITTED, 'utf8'));
  if (typeof schema !== 'object' || schema === null) throw new Error('the committed schema is no object');
  // As editors do: no keyword of ours is known to them.
  const validate = new Ajv({ strictTypes: false, allowUnionTypes: true }).compile(schema);
  return (value) => validate(value);
}

test('the committed JSON Schema is what the code says: node test/config/write-pools-schema.ts writes it', async () => {
  const committed: unknown = JSON.parse(await readFile(COMMITTED, 'utf8'));
  expect(committed).toEqual(poolsJsonSchema(PROVIDERS));
});

test('an editor that knows the committed schema accepts the example', async () => {
  const isValid = await committedCheck();
  expect(isValid(parse(await readFile(EXAMPLE, 'utf8')))).toBe(true);
});

test('an editor requires nothing that has a default, and refuses what the parser refuses', async () => {
  const isValid = await committedCheck();
  const smallest = {
    name: 'a',
    platform: 'linux',
    max: 1,
    probe: { kind: 'none' },
    placements: [{ name: 'a', provider: 'memory' }],
  };
  expect(isValid([smallest])).toBe(true);
  expect(isValid([])).toBe(true);
  expect(isValid(smallest)).toBe(false);
  for (const key of Object.keys(smallest)) {
    expect(isValid([Object.fromEntries(Object.entries(smallest).filter(([name]) => name !== key))])).toBe(
      false,
    );
  }
  for (const wrong of [
    { idleTimout: '5m' },
    { idleTimeout: '5 minutes' },
    { arch: 'ppc' },
    { deadlines: { leased: '5m' } },
    { probe: { kind: 'tcp' } },
    { placements: [{ name: 'a', provider: 'aws-ec2' }] },
    { placements: [{ name: 'a', provider: 'memory', zon: 'a' }] },
  ]) {
    expect(isValid([{ ...smallest, ...wrong }])).toBe(false);
  }
});

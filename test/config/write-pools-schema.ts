import { mkdir, writeFile } from 'node:fs/promises';
import { poolsJsonSchema } from '../../src/config/pools-json-schema.ts';
import { PROVIDERS } from '../../src/providers/index.ts';

const folder = new URL('../../docs/', import.meta.url);
await mkdir(folder, { recursive: true });
await writeFile(
  new URL('pools.schema.json', folder),
  `${JSON.stringify(poolsJsonSchema(PROVIDERS), null, 2)}\n`,
);

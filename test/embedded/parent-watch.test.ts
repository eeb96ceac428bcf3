import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { identifyProcess } from '../../src/embedded/process-identity.ts';
import { waitUntil } from '../../src/embedded/wait-until.ts';

const child = fileURLToPath(new URL('fixtures/watched-child.ts', import.meta.url));

test.each([
  ['stops in order', 'stop'],
  ['is ended when its own stop hangs', 'hang'],
])('a process whose parent was killed %s', async (_title, way) => {
  // A shell in between is the parent that is killed.
  const parent = spawn('sh', ['-c', `"${process.execPath}" "${child}" ${way} & wait`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(parent.stdout.setEncoding('utf8'), 'data');
  const pid = Number(line);
  expect(await identifyProcess(pid)).toBeDefined();
  parent.kill('SIGKILL');
  const gone = await waitUntil({ deadlineMs: 5_000 }, async () =>
    (await identifyProcess(pid)) ? undefined : true,
  );
  expect(gone).toBe(true);
});

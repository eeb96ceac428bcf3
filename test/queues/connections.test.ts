import { expect, onTestFinished, test } from 'vitest';
import { waitUntil } from '../../src/embedded/wait-until.ts';
import { createConnections } from '../../src/queues/connections.ts';
import { testRedis } from '../support/services.ts';
import { openStrandingLine } from '../support/stranding-line.ts';

test('a producer whose Redis has vanished without a word connects anew', async () => {
  const line = await openStrandingLine(testRedis().url);
  const told: unknown[] = [];
  const connections = createConnections({ url: line.url, onError: (error) => void told.push(error) });
  onTestFinished(() => connections.close());
  const ask = () => connections.producer.ping().catch(() => undefined);
  expect(await ask()).toBe('PONG');
  line.strand();
  expect(await ask()).toBeUndefined();
  expect(await waitUntil({ deadlineMs: 20_000 }, ask)).toBe('PONG');
  expect(String(told[0])).toContain('Socket timeout');
}, 40_000);

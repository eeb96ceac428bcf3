import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HistoryError } from '../../src/audit/history-error.ts';
import type { HistoryRecord } from '../../src/audit/history.ts';
import { readHistory } from '../../src/audit/read-history.ts';
import { soundHistory } from './sound-history.ts';

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'history-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function read(lines: readonly string[], end = '\n'): Promise<HistoryRecord[]> {
  const file = join(folder, 'history.jsonl');
  await writeFile(file, lines.join('\n') + end);
  const records: HistoryRecord[] = [];
  for await (const record of readHistory(file)) records.push(record);
  return records;
}

async function complaint(lines: readonly string[]): Promise<string> {
  const error: unknown = await read(lines).catch((cause: unknown) => cause);
  if (!(error instanceof HistoryError)) throw new Error('the history was read without a complaint');
  return error.message.replace(folder, '');
}

const GOOD = JSON.stringify({ type: 'ack', at: 1, lease: 'first', state: 'pending' });
const END = {
  type: 'end',
  at: 1,
  cloud: { instances: [], disks: [], networkCards: [], addresses: [] },
  machines: [],
  leases: [],
};

describe('reading a history', () => {
  it('gives back what was written', async () => {
    const records = soundHistory();
    expect(await read(records.map((record) => JSON.stringify(record)))).toEqual(records);
  });

  it('allows empty lines and a last line without an end', async () => {
    expect(await read([GOOD, '', GOOD], '')).toHaveLength(2);
  });

  it('names the line that is torn', async () => {
    expect(await complaint([GOOD, '', GOOD.slice(0, 20)])).toMatch(/^\/history\.jsonl:3: not JSON/);
  });

  it.each([
    ['[]', 'a history line must be a JSON object.'],
    ['{"type":"toString"}', 'type must be one of machine, lease,'],
    ['{}', 'not undefined.'],
    [
      JSON.stringify({ type: 'ack', lease: 'first', state: 'x' }),
      'in a ack record, at must be a finite number.',
    ],
    [JSON.stringify({ type: 'ack', at: '1', lease: 'first', state: 'x' }), 'at must be a finite number.'],
    [
      JSON.stringify({ type: 'settings', reconcileRoundMs: 1, limits: { a: null } }),
      'limits.a must be a finite',
    ],
    [
      JSON.stringify({ ...END, cloud: { ...END.cloud, disks: ['disk-1'] } }),
      'in a end record, cloud.disks [0] must be an object.',
    ],
    [JSON.stringify({ ...END, leases: [{ lease: 'a', state: 'active' }] }), 'leases[0] .readable must be'],
  ])('refuses %s', async (line, message) => {
    const found = await complaint([GOOD, line]);
    expect(found).toMatch(/^\/history\.jsonl:2: /);
    expect(found).toContain(message);
  });

  it('refuses every record that lacks one of its fields', async () => {
    const byType = new Map(soundHistory().map((record) => [record.type, record]));
    expect(byType.size).toBe(11);
    for (const record of byType.values()) {
      for (const field of Object.keys(record).filter((each) => each !== 'type')) {
        const { [field]: _left, ...rest } = record as unknown as Record<string, unknown>;
        expect(await complaint([JSON.stringify(rest)])).toContain(`in a ${record.type} record, ${field}`);
      }
    }
  });

  it('passes on that a file does not exist', async () => {
    const records = readHistory(join(folder, 'none.jsonl'));
    await expect(records.next()).rejects.toThrow('ENOENT');
  });
});

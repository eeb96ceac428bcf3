import { expect, test } from 'vitest';
import { readPan, readTrail } from '../../src/spec/read-pan.ts';
import { BROKEN, CUT_SHORT, TRAIL, VERIFIED } from './recorded.ts';

test('a search of the whole state space tells its figures', () => {
  expect(readPan(VERIFIED)).toEqual({
    ...{ states: 340_192, depth: 8041, seconds: 0.96 },
    ...{ errors: 0, exhaustive: true, complaint: null },
  });
});

test('a search that ends at a counterexample says what it found', () => {
  expect(readPan(BROKEN)).toMatchObject({
    ...{ states: 4880, errors: 1, exhaustive: true },
    complaint: 'pan:1: assertion violated 0 (at depth 12)',
  });
});

test('a search that ran out of memory is no proof', () => {
  expect(readPan(CUT_SHORT)).toMatchObject({
    ...{ states: 10_512_000, errors: 0, exhaustive: false },
    complaint: 'pan: reached -DMEMLIM bound',
  });
});

test.each(['', 'Segmentation fault', 'depth reached 12'])(
  'what is no report is not read as one: %j',
  (text) => {
    expect(readPan(text)).toBeUndefined();
  },
);

test('a trail is the story up to where the invariant breaks', () => {
  expect(readTrail(TRAIL)).toEqual({
    story: [
      'operator: locks machine 0 to park it',
      'match 1: begins, and sees what is ready and what is asked for',
      'operator: commits the intent',
    ],
    broken: 'I3',
    steps: 13,
  });
});

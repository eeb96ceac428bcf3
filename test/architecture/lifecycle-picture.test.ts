import { expect, test } from 'vitest';
import { NEXT } from '../../src/fleet/lifecycle.ts';
import { readArchitecture, renderLifecycle, withPicture } from './lifecycle-picture.ts';

test('ARCHITECTURE.md shows the lifecycle as the code has it; lifecycle-picture.ts --write refreshes it', async () => {
  const document = await readArchitecture();
  expect(document).toBe(withPicture(document, renderLifecycle(NEXT)));
});

test('the picture has an arrow for every move of the table and for nothing else', () => {
  const arrows = renderLifecycle(NEXT).match(/^ {2}[a-z]+ --> [a-z]+$/gm) ?? [];
  const moves = Object.entries(NEXT).flatMap(([from, tos]) => tos.map((to) => `  ${from} --> ${to}`));
  expect(arrows.toSorted()).toEqual(moves.toSorted());
});

test('a move that the table gains or loses changes the picture', () => {
  const picture = renderLifecycle(NEXT);
  expect(renderLifecycle({ ...NEXT, leased: ['stopping', 'deleting'] })).not.toBe(picture);
  expect(renderLifecycle({ ...NEXT, parked: ['resetting', 'deleting'] })).not.toBe(picture);
});

const begin = '<!-- lifecycle:begin -->';
const end = '<!-- lifecycle:end -->';

test('writing the picture changes what is between the markers alone', () => {
  const document = `above\n${begin}\nold\n${end}\nbelow\n`;
  expect(withPicture(document, 'new')).toBe(`above\n${begin}\n\nnew\n\n${end}\nbelow\n`);
});

test.each(['no markers', `${begin} alone`, `${end} before ${begin}`, `${begin}${end}${begin}${end}`])(
  'a document without one place for the picture is refused: %s',
  (document) => {
    expect(() => withPicture(document, 'new')).toThrow(/each once/);
  },
);

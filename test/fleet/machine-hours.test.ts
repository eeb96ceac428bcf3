import { expect, test } from 'vitest';
import { dayOf, hoursOf, purgeableBefore } from '../../src/fleet/machine-hours.ts';

const at = (time: string): Date => new Date(`2030-03-31T${time}Z`);

test('a day is from midnight to midnight UTC, wherever this runs', () => {
  for (const time of ['00:00:00.000', '01:30:00.000', '23:59:59.999']) {
    expect(dayOf(at(time))).toEqual({ begin: at('00:00:00'), end: new Date('2030-04-01T00:00:00Z') });
  }
});

test.each([
  ['that is there', { from: at('08:00:00'), until: null }, 2],
  ['that is gone', { from: at('08:00:00'), until: at('08:30:00') }, 0.5],
  ['from yesterday', { from: new Date('2030-03-30T12:00:00Z'), until: at('01:00:00') }, 1],
  ['that was gone yesterday', { from: new Date(0), until: new Date('2030-03-30T23:00:00Z') }, 0],
  ['that comes later, by another clock', { from: at('10:00:01'), until: null }, 0],
  ['that goes later, by another clock', { from: at('09:00:00'), until: at('11:00:00') }, 1],
])('an instance %s counts with its time of today', (_, life, hours) => {
  expect(hoursOf(life, at('10:00:00'))).toBe(hours);
});

test('nothing is purged that still counts', () => {
  const now = at('10:00:00');
  expect(purgeableBefore({ before: at('09:00:00'), now })).toEqual(at('00:00:00'));
  expect(purgeableBefore({ before: new Date(0), now })).toEqual(new Date(0));
});

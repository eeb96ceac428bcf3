import { FREEZABLE, type Freeze, type FreezeActs } from '../../fleet/brakes.ts';
import { atomic, type Memory } from './memory.ts';
import type { Tables } from './tables.ts';

export function createFreezeActs(memory: Memory): FreezeActs {
  return {
    freezes: () => Promise.resolve(freezes(memory.tables)),
    setFreeze: atomic(memory, setFreeze),
  };
}

function freezes(tables: Tables): readonly Freeze[] {
  return FREEZABLE.flatMap((verb) => tables.freezes.get(verb) ?? []).map(({ verb, since, by }) => ({
    ...{ verb, since, by },
  }));
}

function setFreeze(
  { tables }: Memory,
  { verbs, frozen, by, now }: Parameters<FreezeActs['setFreeze']>[0],
): readonly Freeze[] {
  for (const verb of verbs) {
    if (!frozen) tables.freezes.drop(verb);
    else if (tables.freezes.get(verb) === undefined) tables.freezes.put({ id: verb, verb, since: now, by });
  }
  return freezes(tables);
}

import { BATCH_RULES } from './batch-rules.ts';
import { BRAKE_GUARDS } from './brakes.ts';
import { CLAIMS } from './claims.ts';
import { DATABASE } from './database.ts';
import type { Mutant } from './mutant.ts';
import { STATE_RULES } from './state-rules.ts';

/** Every fence and every rule that something rests on, each taken out once. */
export const MUTANTS: readonly Mutant[] = [
  ...CLAIMS,
  ...DATABASE,
  ...BATCH_RULES,
  ...STATE_RULES,
  ...BRAKE_GUARDS,
];

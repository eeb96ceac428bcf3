import { BATCH_RULES } from './batch-rules.ts';
import { BRAKE_GUARDS } from './brakes.ts';
import { CLAIMS } from './claims.ts';
import { DATABASE } from './database.ts';
import type { Mutant } from './mutant.ts';
import { STATE_RULES } from './state-rules.ts';

/** What the promise rests on. */
export const FENCES: readonly Mutant[] = [...CLAIMS, ...DATABASE, ...BATCH_RULES, ...STATE_RULES];

/** Every fence and every rule that something rests on, each taken out once. */
export const MUTANTS: readonly Mutant[] = [...FENCES, ...BRAKE_GUARDS];

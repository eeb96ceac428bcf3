import type { Replacement } from './mutant.ts';

const TABLES = 'src/storage/migrations/0001-tables.ts';
const FENCES = 'src/storage/migrations/0001-fences.ts';

/** The trigger that refuses moves which the lifecycle does not have. */
export const MOVES_OUT: Replacement = {
  file: FENCES,
  find: 'create trigger machine_moves before update on machine for each row\n    when (',
  replace: 'create trigger machine_moves before update on machine for each row\n    when (false and ',
};

/** The foreign key by which a lease keeps its machine in the states of a hold. */
export const SLOT_OUT: Replacement = {
  file: TABLES,
  find: 'unique references machine (slot),',
  replace: 'unique,',
};

/** The CHECK that a machine names a lease only in the states of a hold. */
export const LEASE_CHECK_OUT: Replacement = {
  file: TABLES,
  find: 'check (lease_id is null or state in (${lifecycleDdl.heldStates})),',
  replace: '',
};

/** The trigger by which a condemned instance stays condemned, and an adopted one keeps its machine. */
export const CONDEMNED_OUT: Replacement = {
  file: FENCES,
  find: 'create trigger instance_condemned before update on instance for each row\n    when (',
  replace: 'create trigger instance_condemned before update on instance for each row\n    when (false and ',
};

/** The trigger by which a machine keeps its instance, and the index by which no two have the same. */
export const ONE_INSTANCE_OUT: readonly Replacement[] = [
  { file: TABLES, find: 'instance_id text unique,', replace: 'instance_id text,' },
];

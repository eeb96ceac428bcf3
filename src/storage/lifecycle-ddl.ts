import {
  BATCHED_STATES,
  HELD_STATES,
  INTENT_KINDS,
  LEASE_NEXT,
  LEASE_STATES,
  MACHINE_STATES,
  NEXT,
  OWED,
} from '../fleet/lifecycle.ts';

/** The parts of the schema that are written from the lifecycle table, so that code and database cannot disagree. */
export const lifecycleDdl = {
  machineStates: list(MACHINE_STATES),
  heldStates: list(HELD_STATES),
  batchedStates: list(BATCHED_STATES),
  leaseStates: list(LEASE_STATES),
  intentKinds: list(INTENT_KINDS),
  owed: owedExpression(),
  machineMoves: pairs(NEXT),
  leaseMoves: pairs(LEASE_NEXT),
};

function list(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(', ');
}

function pairs(next: Record<string, readonly string[]>): string {
  return Object.entries(next)
    .flatMap(([from, tos]) => tos.map((to) => `('${from}', '${to}')`))
    .join(', ');
}

function owedExpression(): string {
  const branches = MACHINE_STATES.flatMap((state) =>
    Object.entries(OWED[state]).map(
      ([kind, step]) => `when state = '${state}' and intent_kind = '${kind}' then '${step}'`,
    ),
  );
  return `case ${branches.join(' ')} end`;
}

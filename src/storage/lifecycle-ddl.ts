import {
  BATCHED_STATES,
  HELD_STATES,
  INTENT_KINDS,
  LEASE_NEXT,
  LEASE_STATES,
  MACHINE_STATES,
  NEXT,
  OWED,
  type Step,
  STEPS,
} from '../fleet/lifecycle.ts';

/** The parts of the schema that are written from the lifecycle table, so that code and database cannot disagree. */
export const lifecycleDdl = {
  machineStates: list(MACHINE_STATES),
  heldStates: list(HELD_STATES),
  batchedStates: list(BATCHED_STATES),
  leaseStates: list(LEASE_STATES),
  intentKinds: list(INTENT_KINDS),
  owed: owedExpression(),
  machineMoves: moves(NEXT),
  leaseMoves: moves(LEASE_NEXT),
};

function list(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(', ');
}

/** As words, `from/to`: every statement reads triggers and expressions anew, and pairs are long to read. */
function moves(next: Record<string, readonly string[]>): string {
  return list(Object.entries(next).flatMap(([from, tos]) => tos.map((to) => `${from}/${to}`)));
}

/** The step of each `state/kind` that owes one. */
function owedExpression(): string {
  const owing = (step: Step): string[] =>
    MACHINE_STATES.flatMap((state) =>
      INTENT_KINDS.filter((kind) => OWED[state][kind] === step).map((kind) => `${state}/${kind}`),
    );
  const branches = STEPS.map(
    (step) => `when state || '/' || intent_kind in (${list(owing(step))}) then '${step}'`,
  );
  return `case ${branches.join(' ')} end`;
}

/** One run of the model checker: a model as it is, or with something taken out. */
export interface Check {
  /** Unique among all checks: what `--only` names. */
  name: string;
  /** The model's file, without its ending. */
  model: string;
  /** What the preprocessor is told: `WITHOUT_RULE_5`. */
  switches: readonly string[];
  /** Undefined where the model is to be verified. */
  mutant?: Mutant;
}

export interface Mutant {
  /** The rule of DESIGN 3.1, or the fence of section 3, that is taken out. */
  rule: string;
  takesOut: string;
  /** The invariant that breaks; null where what remains keeps the promise without it. */
  breaks: string | null;
  /** Where the code is tested without the same rule: a file and a title's beginning. */
  test: { file: string; title: string };
}

export interface CheckResult {
  check: Check;
  /** True where a model was verified, or a mutant did what its row says. */
  asExpected: boolean;
  /** The whole state space was searched. */
  exhaustive: boolean;
  states: number;
  /** Of the search; of a mutant, the steps of its counterexample. */
  depth: number;
  seconds: number;
  /** The invariant that broke, null where none did. */
  broken: string | null;
  /** The counterexample as a story, one line a step. */
  trail: readonly string[];
  /** What went wrong with the run itself; empty where nothing did. */
  problem: string;
}

/** An exact piece of a source file that stands there once, and what stands there instead. */
export interface Replacement {
  /** From the checkout's root. */
  file: string;
  find: string;
  replace: string;
}

/** The test that must fail once a fence is gone; in its own file it is known by its whole name. */
export interface Killer {
  file: string;
  /** The titles of its groups and its own, with ` > ` between. */
  title: string;
}

/** The program with one fence taken out. */
export interface Mutant {
  /** Unique, in a few words. */
  name: string;
  /** Where DESIGN asks for the fence, and the decision that says how it is built. */
  rule: string;
  /** For people: what this program does not do any more. */
  takesOut: string;
  without: readonly Replacement[];
  /** Other guards that would stop the same mistake. With these alone out the killer must pass: the fence stands by itself. */
  bypassed?: readonly Replacement[];
  killer: Killer;
}

/** What the model checker's program says of its search. */
export interface PanReport {
  states: number;
  depth: number;
  seconds: number;
  errors: number;
  /** False where it stopped for want of memory or depth: then nothing is proved. */
  exhaustive: boolean;
  /** Its own words for what it found, or for why it stopped; null where all is well. */
  complaint: string | null;
}

const STOPPED = /out of memory|MEMLIM|max search depth too small|hashtable is full|VECTORSZ/;

/** Reads the output of a search; undefined where it is not the output of one that came to its end. */
export function readPan(text: string): PanReport | undefined {
  const depth = /depth reached (\d+), errors: (\d+)/.exec(text);
  const states = /^\s*(\d+(?:\.\d+)?(?:e\+?\d+)?) states, stored/m.exec(text);
  if (depth === null || states === null) return undefined;
  const seconds = /elapsed time (\d+(?:\.\d+)?)/.exec(text);
  const errors = Number(depth[2]);
  const complaint = text
    .split('\n')
    .find((line) => /^(?:pan:\d+:|pan: reached|pan: out of memory|error: )/.test(line));
  return {
    states: Number(states[1]),
    depth: Number(depth[1]),
    seconds: Number(seconds?.[1] ?? 0),
    errors,
    exhaustive: !STOPPED.test(text) && (errors > 0 || !text.includes('Search not completed')),
    complaint: complaint ?? null,
  };
}

/** What a replayed trail tells, from the lines that the model itself prints. */
export interface Trail {
  story: readonly string[];
  /** The invariant that the model named when it broke. */
  broken: string | null;
  /** Steps of the counterexample as the checker counts them. */
  steps: number;
}

/** Reads a replayed trail (`spin -t`): lines that begin with SAY are the model's own words. */
export function readTrail(text: string): Trail {
  const said = text.split('\n').flatMap((line) => {
    const words = /^\s*SAY (.+)$/.exec(line)?.[1];
    return words === undefined ? [] : [words.trim()];
  });
  const last = said.findIndex((line) => line.startsWith('BREAKS '));
  const broken = said[last]?.slice('BREAKS '.length) ?? null;
  const steps = Number(/trail ends after (\d+) steps/.exec(text)?.[1] ?? 0);
  // The step it breaks in is replayed to its end: what it says after that is no part of the story.
  return { story: last < 0 ? said : said.slice(0, last), broken, steps };
}

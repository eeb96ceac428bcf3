/** Tells a person what set-up is doing, on stderr so that a command's own output stays clean. */
export function say(text) {
  process.stderr.write(`drover: ${text}\n`);
}

/** An error whose message already says what to do: it is shown without a stack. */
export class SetupError extends Error {}

/** What scripts can tell apart. A command run under a lease passes on its own code, or 128 + the signal's number. */
export const EXIT = {
  ok: 0,
  /** The fleet refused, or an answer says no. */
  failed: 1,
  /** The command line or the settings are wrong; nothing was asked. */
  usage: 2,
  /** The fleet cannot be reached, or it had no machine in time. */
  unavailable: 69,
  /** The lease was lost while its command ran. */
  leaseLost: 75,
  /** The token is not valid. */
  noPermission: 77,
  cannotRun: 126,
  notFound: 127,
} as const;

const SIGNALS_FROM = 128;

/** The shell's way to say that a signal ended a command. */
export function exitCodeOfSignal(number: number): number {
  return SIGNALS_FROM + number;
}

/** The variables a program was started with. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The variables this program was started with: the only place that reads them. */
export function readEnvironment(): Environment {
  return { ...process.env };
}

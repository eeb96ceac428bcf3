/** A row of the table in spec/README.md: what is taken out of which model, and where the code is tested without it. */
export interface ModelMutant {
  model: string;
  switches: readonly string[];
  rule: string;
  takesOut: string;
  breaks: string | null;
  /** The test's file, and how its title begins. */
  test: readonly [file: string, title: string];
}

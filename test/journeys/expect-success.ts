import { expect } from 'vitest';
import type { Command } from './checkout-copy.ts';

const SUCCESS = 'exit code 0';

/** Waits for a command's end; one that fails is shown with all that it said. */
export async function expectSuccess(run: Command): Promise<void> {
  const code = await run.exited;
  expect(code === 0 ? SUCCESS : `exit code ${code}, having said:\n${run.said()}`).toBe(SUCCESS);
}

/** What one emulated cloud holds and has done. */
export interface EmulatorState {
  launched: number;
  deleted: number;
  alive: string[];
  resources: { disks: string[]; networkCards: string[]; addresses: string[] };
  resets: number;
  calls: Record<string, number>;
  throttled: number;
  faults: Record<string, number>;
}

export type EmulatorStates = Record<'aws' | 'azure', EmulatorState>;

const TIMEOUT_MS = 10_000;

/** Reads the emulated clouds from outside of drover: what the report counts, it counts here. */
export async function readEmulators(control: string): Promise<EmulatorStates> {
  const response = await fetch(`${control}/state`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  // Our own process answers in the shape that its README gives.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (await response.json()) as EmulatorStates;
}

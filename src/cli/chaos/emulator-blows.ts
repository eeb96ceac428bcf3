import type { Randomness } from '../../explore/randomness.ts';
import { readEmulators } from '../start/emulator-control.ts';
import { CALL_FAULTS, type CallFault, type CallFaultName } from './cloud-faults.ts';

/** What goes wrong in the emulated clouds. */
export interface EmulatorBlows {
  callFault(name: CallFaultName, fault: CallFault): Promise<void>;
  /** False where there was no instance to take. */
  takeBack(mode: 'evict' | 'vanish'): Promise<boolean>;
  /** Leaves room for a few more instances than there are; `freeCapacity` takes it back. */
  limitCapacity(): Promise<void>;
  freeCapacity(): Promise<void>;
  clearFaults(): Promise<void>;
}

const TIMEOUT_MS = 10_000;
const ROOM = 3;
const PLENTY = 100_000;
/** An instance may be gone by the time it is to be taken back. */
const TRIES = 5;

export function createEmulatorBlows(from: {
  control: string;
  draw: Randomness;
  instanceType: string;
  zone: string;
}): EmulatorBlows {
  const { control, draw, instanceType, zone } = from;
  const ask = async (method: 'POST' | 'DELETE', path: string, body?: object): Promise<Response> =>
    fetch(`${control}${path}`, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const tell = async (method: 'POST' | 'DELETE', path: string, body?: object): Promise<void> => {
    const response = await ask(method, path, body);
    const said = await response.text();
    if (!response.ok) throw new Error(`the emulators refused ${method} ${path}: ${said}`);
  };
  const capacity = (atMost: number): Promise<void> =>
    tell('POST', '/capacity', { cloud: 'aws', instanceType, zone, atMost });

  return {
    callFault: (name, fault) => tell('POST', '/faults', { kind: CALL_FAULTS[name], times: 1, ...fault }),
    async takeBack(mode) {
      for (let attempt = 0; attempt < TRIES; attempt += 1) {
        const states = await readEmulators(control);
        const clouds = mode === 'vanish' ? (['aws'] as const) : (['aws', 'azure'] as const);
        const alive = clouds.flatMap((cloud) => states[cloud].alive.map((instance) => ({ cloud, instance })));
        const victim = draw.pick(alive);
        if (victim === undefined) return false;
        const response = await ask('POST', '/evict', { ...victim, mode });
        await response.text();
        if (response.ok) return true;
      }
      return false;
    },
    async limitCapacity() {
      const { aws } = await readEmulators(control);
      await capacity(aws.alive.length + ROOM);
    },
    freeCapacity: () => capacity(PLENTY),
    clearFaults: () => tell('DELETE', '/faults'),
  };
}

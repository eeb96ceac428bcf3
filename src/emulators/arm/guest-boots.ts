import type { Guests } from '../guests.ts';
import type { Agenda } from './agenda.ts';
import type { Instance } from './scale-set.ts';

/** A guest answers from the end of its boot until its machine halts. */
export interface GuestBoots {
  begin(instance: Instance): void;
  halt(instance: Instance): void;
}

/** A guest that cannot listen is an unhandled rejection on purpose: the emulator is of no use then. */
export function createGuestBoots(deps: {
  agenda: Agenda;
  guests: Pick<Guests, 'open' | 'close'>;
  /** Cloud milliseconds from running to an answering guest; drawn anew for each boot. */
  bootMs: () => number;
}): GuestBoots {
  const booting = new Map<string, () => void>();
  return {
    begin(instance) {
      instance.boots += 1;
      const cancel = deps.agenda.after(deps.bootMs(), () => {
        booting.delete(instance.key);
        void deps.guests.open(instance.address, { instance: instance.key, boots: instance.boots });
      });
      booting.set(instance.key, cancel);
    },
    halt(instance) {
      booting.get(instance.key)?.();
      booting.delete(instance.key);
      void deps.guests.close(instance.address);
    },
  };
}

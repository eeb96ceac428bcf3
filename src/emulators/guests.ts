import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';

/** Who answers at an address. */
export interface GuestIdentity {
  /** The cloud's id of the instance. */
  instance: string;
  /** How often this instance has booted, the present boot included. */
  boots: number;
}

/** The guests of all emulated machines: a real listener for each one that has booted. */
export interface Guests {
  /** Starts answering at `address`; where a guest answers there already, only its identity is replaced. */
  open(address: string, identity: GuestIdentity): Promise<void>;
  /** Stops answering at `address` and cuts its connections; closing what is not open is fine. */
  close(address: string): Promise<void>;
  closeAll(): Promise<void>;
}

export interface GuestsSettings {
  /** The TCP port at which every guest answers, each at its own loopback address. */
  port: number;
  /** Called with a line for people when a guest begins or ends. */
  log?: (line: string) => void;
}

interface Guest {
  identity: GuestIdentity;
  server: Server;
}

/** Guests answer every HTTP request with 200 and their identity as JSON. Rejects where an address cannot be listened at. */
export function createGuests({ port, log = () => undefined }: GuestsSettings): Guests {
  const guests = new Map<string, Guest>();
  const queues = new Map<string, Promise<void>>();

  // A machine may be reset faster than its listener closes: what is asked of one address happens in the order asked.
  const inTurn = (address: string, act: () => Promise<void>): Promise<void> => {
    const turn = (queues.get(address) ?? Promise.resolve()).then(act);
    const settled = turn.catch(() => undefined);
    queues.set(address, settled);
    void settled.then(() => queues.get(address) === settled && queues.delete(address));
    return turn;
  };

  const close = (address: string): Promise<void> =>
    inTurn(address, async () => {
      const guest = guests.get(address);
      if (guest === undefined) return;
      guests.delete(address);
      await stopListening(guest.server);
      log(`${guest.identity.instance} no longer answers at ${address}:${port}`);
    });

  return {
    open: (address, identity) =>
      inTurn(address, async () => {
        const present = guests.get(address);
        if (present !== undefined) {
          present.identity = identity;
          return;
        }
        const guest: Guest = { identity, server: createServer() };
        guest.server.on('request', (request, response) => {
          request.resume();
          response.setHeader('content-type', 'application/json');
          response.end(JSON.stringify(guest.identity));
        });
        await startListening(guest.server, { address, port });
        guests.set(address, guest);
        log(`${identity.instance} answers at ${address}:${port}`);
      }),
    close,
    async closeAll() {
      const addresses = new Set([...guests.keys(), ...queues.keys()]);
      await Promise.all([...addresses].map(close));
    },
  };
}

export interface ReservedPort {
  port: number;
  release(): Promise<void>;
}

/**
 * Reserves the guests' port for one emulator process by listening at `gateway`, an address that no machine gets:
 * two processes would otherwise give their machines the same addresses and ports. Port 0 means any free one.
 * Rejects where another process holds the port.
 */
export async function reserveGuestPort(gateway: string, wanted: number): Promise<ReservedPort> {
  const server = createTcpServer((socket) => socket.destroy());
  try {
    await startListening(server, { address: gateway, port: wanted });
  } catch (cause) {
    const advice = 'Is another emulator running? Choose another --guest-port, or 0 for a free one.';
    throw new Error(`The guests' port ${wanted} cannot be used at ${gateway}. ${advice}`, { cause });
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The guests have no TCP port.');
  return {
    port: address.port,
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function startListening(
  server: ReturnType<typeof createTcpServer>,
  at: { address: string; port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

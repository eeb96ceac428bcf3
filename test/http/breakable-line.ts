import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface BreakableLine {
  /** The same server, reached over this line. */
  url: string;
  /** Breaks every connection and refuses new ones until `mend`. */
  cut(): void;
  /** Takes what is sent and passes nothing on, in either direction, until `mend`. */
  freeze(): void;
  mend(): void;
  close(): Promise<void>;
}

/** A TCP line to a server that can be cut and mended like a real one. */
export async function createBreakableLine(target: string): Promise<BreakableLine> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let state: 'whole' | 'cut' | 'frozen' = 'whole';
  const server = createServer((near) => {
    if (state === 'cut') return void near.destroy();
    const far = connect(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('data', (data) => void (state === 'whole' && to.write(data)));
    }
    return undefined;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(typeof address === 'object' && address !== null ? address.port : '');
  const breakAll = () => sockets.forEach((socket) => socket.destroy());
  return {
    url: url.href,
    cut() {
      state = 'cut';
      breakAll();
    },
    freeze: () => void (state = 'frozen'),
    mend() {
      // What was swallowed is missing from its stream: such a connection is of no use to anybody.
      if (state === 'frozen') breakAll();
      state = 'whole';
    },
    async close() {
      breakAll();
      server.close();
      await once(server, 'close');
    },
  };
}

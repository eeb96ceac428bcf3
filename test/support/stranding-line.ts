import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface StrandingLine {
  url: string;
  /** Nothing passes any more over what is connected, and nobody is told; new connections are whole. */
  strand(): void;
}

/** A line to Redis as over a host that vanishes: its connections stay open at our end, without an answer ever. Closed with its test. */
export async function openStrandingLine(target: string): Promise<StrandingLine> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const stranded = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.on('data', (data) => void (!stranded.has(from) && to.write(data)));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(typeof address === 'object' && address !== null ? address.port : '');
  return { url: url.href, strand: () => sockets.forEach((socket) => stranded.add(socket)) };
}

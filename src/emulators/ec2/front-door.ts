import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { CallLog } from '../call-log.ts';
import type { ScaledClock } from '../scaled-clock.ts';
import type { RawRequest, Reply } from './respond.ts';

export interface FrontDoor {
  /** Listens at loopback; port 0 means any free one. Resolves with the origin. */
  listen(port: number): Promise<string>;
  close(): Promise<void>;
}

export interface FrontDoorDeps {
  clock: ScaledClock;
  log: CallLog;
  respond: (request: RawRequest) => Reply;
}

const MAX_BODY_BYTES = 1_048_576;

/** The HTTP side of the emulated EC2: one POST, one decision, one log record, one answer. */
export function createFrontDoor(deps: FrontDoorDeps): FrontDoor {
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => serve(deps, { request, response, body }),
      () => request.socket.destroy(),
    );
  });
  // Clients keep connections open between calls; the server must not be the first to drop them.
  server.keepAliveTimeout = 60_000;
  return {
    listen: (port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => {
          server.off('error', reject);
          const address = server.address();
          if (address === null || typeof address === 'string')
            throw new Error('The emulator has no TCP port.');
          resolve(`http://127.0.0.1:${address.port}`);
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  body: string;
}

function serve({ clock, log, respond }: FrontDoorDeps, { request, response, body }: Exchange): void {
  const at = clock.realMs();
  const requestId = randomUUID();
  if (request.method !== 'POST' || request.url !== '/') {
    response.writeHead(404).end();
    return;
  }
  const reply = respond({ requestId, authorization: request.headers.authorization, body });
  // Written before anything takes effect: in the log a cause always stands above its effect.
  log.call({ type: 'call', cloud: 'aws', at, requestId, ...reply.record });
  reply.apply();
  if (reply.isLost) {
    request.socket.destroy();
    return;
  }
  response.writeHead(reply.status, {
    'content-type': 'text/xml;charset=UTF-8',
    'x-amzn-requestid': requestId,
  });
  response.end(reply.document);
}

/** Rejects where the client goes away, or sends more than any request can need. */
async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) throw new Error(`A request is larger than ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

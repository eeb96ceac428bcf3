import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';

import type { ServerCertificate } from './certificates.ts';
import type { Reply } from './reply.ts';

export interface RawRequest {
  method: string;
  /** Path and query as they came. */
  target: string;
  headers: Readonly<Record<string, string | undefined>>;
  body: string;
}

export interface HttpsServer {
  /** Binds 127.0.0.1 only; answers the port. */
  listen(port: number): Promise<number>;
  close(): Promise<void>;
}

/** Serves JSON over TLS. Where `answer` gives 'hang-up' the connection is cut instead of answered. */
export function createHttpsServer(
  certificate: ServerCertificate,
  answer: (request: RawRequest) => Reply | 'hang-up',
): HttpsServer {
  const server = createServer(
    { key: certificate.keyPem, cert: certificate.certificatePem },
    (request, response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_BODY_BYTES) request.destroy();
        else chunks.push(chunk);
      });
      request.on('end', () => send(answer(toRaw(request, Buffer.concat(chunks).toString('utf8'))), response));
    },
  );
  // Clients keep connections open between polls; the server must not be the first to drop them.
  server.keepAliveTimeout = 60_000;
  return {
    listen: (port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => {
          server.removeListener('error', reject);
          const address = server.address();
          if (typeof address === 'object' && address !== null) resolve(address.port);
          else reject(new Error('The emulator does not listen on a TCP port.'));
        });
      }),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}

const MAX_BODY_BYTES = 4 * 1024 * 1024;

function toRaw(request: IncomingMessage, body: string): RawRequest {
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return { method: request.method ?? 'GET', target: request.url ?? '/', headers, body };
}

function send(reply: Reply | 'hang-up', response: ServerResponse): void {
  if (reply === 'hang-up') {
    response.socket?.destroy();
    return;
  }
  const text = reply.body === undefined ? '' : JSON.stringify(reply.body);
  const headers: Record<string, string> = { ...reply.headers };
  if (text !== '') headers['content-type'] = 'application/json; charset=utf-8';
  if (reply.status !== 204) headers['content-length'] = String(Buffer.byteLength(text));
  response.writeHead(reply.status, headers).end(text);
}

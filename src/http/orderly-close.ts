import type { Socket } from 'node:net';
import type { Log } from '../fleet/ports.ts';
import type { App } from './app.ts';

/** Closes once what is under way has ended; cuts off what has not by then. */
export type OrderlyClose = () => Promise<void>;

/**
 * Fastify's own close waits for connections: for some that nothing will ever come on, and not for work whose
 * connection is gone. This one makes up for both. Routes that are added before are not waited for.
 */
export function createOrderlyClose(app: App, options: { timeoutMs: number; log: Log }): OrderlyClose {
  const closeUnused = watchConnections(app);
  const handled = watchHandlers(app);
  return async () => {
    const late = Promise.withResolvers<void>();
    const cutOff = setTimeout(() => {
      options.log.warn({ stopTimeoutMs: options.timeoutMs }, 'requests still under way are cut off');
      app.server.closeAllConnections();
      late.resolve();
    }, options.timeoutMs);
    try {
      closeUnused();
      await app.close();
      await Promise.race([handled(), late.promise]);
    } finally {
      clearTimeout(cutOff);
    }
  };
}

/** Browsers and Node's fetch open connections in advance; Node takes one that nothing has come on yet for a busy one. */
function watchConnections(app: App): () => void {
  const open = new Set<Socket>();
  app.server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return () => {
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
  };
}

/** A client that goes away takes its connection with it; its handler goes on, and must not find the store closed. */
function watchHandlers(app: App): () => Promise<unknown> {
  const running = new Set<Promise<unknown>>();
  app.addHook('onRoute', (route) => {
    const { handler } = route;
    route.handler = function (request, reply) {
      const handling: unknown = handler.call(this, request, reply);
      if (handling instanceof Promise) {
        const ended = (): void => void running.delete(handling);
        running.add(handling);
        handling.then(ended, ended);
      }
      return handling;
    };
  });
  return () => Promise.allSettled(running);
}

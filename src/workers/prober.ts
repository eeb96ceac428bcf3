import { request } from 'node:http';
import { connect } from 'node:net';
import type { Prober } from '../fleet/ports.ts';

/** Asks guests over TCP or HTTP whether they are ready; each try has a deadline. */
export function createProber(options: { timeoutMs: number }): Prober {
  return {
    async probe(address, probe, signal) {
      if (probe.kind === 'none') return true;
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]);
      return probe.kind === 'tcp'
        ? answersTcp(address, probe.port, bounded)
        : answersHttp({ address, port: probe.port, path: probe.path }, bounded);
    },
  };
}

function answersTcp(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (answers: boolean): void => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      resolve(answers);
    };
    const abort = (): void => settle(false);
    signal.addEventListener('abort', abort, { once: true });
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
    if (signal.aborted) settle(false);
  });
}

/** Any answer below 400 means that the guest serves. */
function answersHttp(
  to: { address: string; port: number; path: string },
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(
      { host: to.address, port: to.port, path: to.path, signal, agent: false },
      (response) => {
        response.resume();
        resolve((response.statusCode ?? 500) < 400);
      },
    );
    asked.once('error', () => resolve(false));
    asked.end();
  });
}

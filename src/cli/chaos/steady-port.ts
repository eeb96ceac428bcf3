import { once } from 'node:events';
import { createServer } from 'node:net';
import { LOOPBACK } from '../../embedded/free-port.ts';
import { SetupError } from '../../embedded/setup-error.ts';
import type { Randomness } from '../../explore/randomness.ts';

/** Below those that connections get for themselves: nobody takes it while its server is away. */
const LEAST = 15_000;
const MOST = 31_999;
const TRIES = 100;

/** A free port of the loopback address that stays free while its server is being restarted. */
export async function findSteadyPort(draw: Randomness): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = draw.between(LEAST, MOST);
    if (await isFree(port)) return port;
  }
  throw new SetupError(`no free port from ${LEAST} to ${MOST} was found in ${TRIES} tries`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, LOOPBACK);
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

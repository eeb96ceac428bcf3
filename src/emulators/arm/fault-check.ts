import type { Fault } from '../faults.ts';
import type { Route } from './routes.ts';

/** Throws where no call could ever be hit by this fault, or not in this way. */
export function checkFault(routes: readonly Route[], { kind, operation }: Fault): void {
  const route = routes.find((each) => each.operation === operation);
  if (route === undefined) {
    const names = routes.map((each) => each.operation).join(', ');
    throw new Error(`There is no ARM operation ${operation}; known are ${names}.`);
  }
  if (kind === 'operation-failed' && route.write === undefined) {
    throw new Error(`The fault operation-failed cannot hit ${operation}: it begins nothing that could fail.`);
  }
  if (kind === 'late-effect' && route.method === 'GET') {
    throw new Error(`The fault late-effect cannot hit ${operation}: it has no effect.`);
  }
}

import { Ec2Error, invalidValue } from './ec2-error.ts';

/** What one client token stood for. `scope` is the action, and the zone where the vendor's token is zonal. */
export interface TokenUse {
  scope: string;
  token: string | undefined;
  /** The request's other parameters; a replay must have the same ones. */
  fingerprint: string;
}

/** Remembers what each client token made, for as long as the emulator runs. */
export interface ClientTokens<T> {
  /** What this token made before; throws IdempotentParameterMismatch where it was used with other parameters. */
  find(use: TokenUse): T | undefined;
  remember(use: TokenUse, made: T): void;
}

const MAX_LENGTH = 64;

export function createClientTokens<T>(): ClientTokens<T> {
  const uses = new Map<string, { fingerprint: string; made: T }>();
  const keyOf = (use: TokenUse): string => `${use.scope} ${use.token ?? ''}`;
  return {
    find(use) {
      if (use.token === undefined) return undefined;
      checkToken(use.token);
      const past = uses.get(keyOf(use));
      if (past === undefined) return undefined;
      if (past.fingerprint !== use.fingerprint) {
        throw new Ec2Error(
          'IdempotentParameterMismatch',
          'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
        );
      }
      return past.made;
    },
    remember(use, made) {
      if (use.token !== undefined) uses.set(keyOf(use), { fingerprint: use.fingerprint, made });
    },
  };
}

function checkToken(token: string): void {
  if (token.length > MAX_LENGTH || !/^[\u0020-\u007e]+$/.test(token)) {
    throw invalidValue('ClientToken', token, `It must be at most ${MAX_LENGTH} ASCII characters long.`);
  }
}

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

interface Access {
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
}

export interface SentinelAddress extends Access {
  readonly kind: 'sentinel';
  readonly sentinels: readonly RedisNode[];
  /** What the sentinels call the master. */
  readonly name: string;
  readonly db: number;
  /** Where the sentinels, too, ask who is there. */
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
}

export interface ClusterAddress extends Access {
  readonly kind: 'cluster';
  /** Some of its nodes; they tell of the others. */
  readonly nodes: readonly RedisNode[];
}

/** Where Redis is; one server's address stays as it was written. */
export type RedisAddress =
  | { readonly kind: 'single'; readonly url: string }
  | SentinelAddress
  | ClusterAddress;

/** An address of Redis that is none: the rule it breaks and what to do about it, with nothing of the address. */
export class RedisAddressError extends Error {
  readonly rule: string;
  readonly fix: string;

  constructor(rule: string, fix: string) {
    super(`the address of Redis ${rule}; ${fix}`);
    this.name = 'RedisAddressError';
    this.rule = rule;
    this.fix = fix;
  }
}

const SCHEME = /^(rediss?)\+(sentinel|cluster):\/\//;
const SINGLE = ['redis:', 'rediss:'];
const SENTINEL_PORT = 26_379;
const PORT = 6379;

/**
 * Reads `redis://...`, `redis+sentinel://USER:PASSWORD@HOST,HOST/MASTER?db=0` or `redis+cluster://USER:PASSWORD@HOST,HOST`,
 * each with `rediss` for TLS. Throws a RedisAddressError for the first mistake.
 */
export function parseRedisAddress(text: string): RedisAddress {
  const scheme = SCHEME.exec(text);
  if (scheme === null) return readSingle(text);
  const parts = split(text.slice(scheme[0].length));
  const access = { tls: scheme[1] === 'rediss', ...readAccess(parts.user) };
  return scheme[2] === 'sentinel' ? readSentinel(parts, access) : readCluster(parts, access);
}

function readSingle(text: string): RedisAddress {
  if (URL.canParse(text) && SINGLE.includes(new URL(text).protocol)) return { kind: 'single', url: text };
  throw new RedisAddressError(
    'must be an address that begins with redis:// or rediss://, or for several servers with redis+sentinel://, redis+cluster:// or the same with rediss+, but is something else (not shown: it may be a secret)',
    'write for example "redis://USER:PASSWORD@HOST:6379", "redis+sentinel://USER:PASSWORD@HOST1:26379,HOST2:26379/MASTER" or "redis+cluster://USER:PASSWORD@HOST1:7000,HOST2:7001"',
  );
}

interface Parts {
  user: string | undefined;
  hosts: string;
  path: string;
  query: string;
}

/** No URL of the standard names several hosts, so they are taken apart here. */
function split(rest: string): Parts {
  const [, authority = '', path = '', query = ''] = /^([^/?]*)(\/[^?]*)?(?:\?(.*))?$/s.exec(rest) ?? [];
  const at = authority.lastIndexOf('@');
  const user = at < 0 ? undefined : authority.slice(0, at);
  return { user, hosts: authority.slice(at + 1), path: path.replace(/^\//, ''), query };
}

function readAccess(user: string | undefined): { username?: string; password?: string } {
  if (user === undefined) return {};
  const colon = user.indexOf(':');
  const [name, password] = colon < 0 ? [user, ''] : [user.slice(0, colon), user.slice(colon + 1)];
  if (password === '') {
    throw new RedisAddressError(
      'has no password before its @',
      'write USER:PASSWORD@ before the hosts, :PASSWORD@ where there is no user, or nothing',
    );
  }
  return { ...(name === '' ? {} : { username: decode(name) }), password: decode(password) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause;
    throw new RedisAddressError(
      'has a % in it that begins no encoded character',
      'write each character of a user or password that is no letter or digit as % and two hexadecimal digits (% itself is %25)',
    );
  }
}

const HOST = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(.*))?$/;

function readNodes(hosts: string, usualPort: number): RedisNode[] {
  const encode = 'a / ? , or @ in a user or password is written as %2F %3F %2C or %40';
  if (hosts === '')
    throw new RedisAddressError('names no host', 'write HOST:PORT, with commas between several');
  return hosts.split(',').map((each) => {
    const [, host, port = String(usualPort)] = HOST.exec(each) ?? [];
    if (host === undefined) {
      throw new RedisAddressError(
        'has something between its commas that is no HOST:PORT',
        `write HOST:PORT,HOST:PORT without spaces; ${encode}`,
      );
    }
    if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
      throw new RedisAddressError(
        'has a port that is no whole number from 1 to 65535',
        `write HOST:PORT,HOST:PORT; ${encode}`,
      );
    }
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
  });
}

function readSentinel(parts: Parts, access: Access): SentinelAddress {
  const sentinels = readNodes(parts.hosts, SENTINEL_PORT);
  const name = decode(parts.path);
  if (!/^[A-Za-z0-9._-]+$/.test(name)) {
    throw new RedisAddressError(
      name === '' ? 'names no master after the sentinels' : 'names a master that no sentinel can have',
      'write what the sentinels call it after their hosts, as in .../mymaster',
    );
  }
  const options = readOptions(parts.query, ['db', 'sentinelUsername', 'sentinelPassword']);
  const db = options.get('db') ?? '0';
  if (!/^\d{1,5}$/.test(db)) {
    throw new RedisAddressError(
      'has a db that is no whole number',
      'write the number of a database, as in ?db=0',
    );
  }
  const sentinelUsername = options.get('sentinelUsername');
  const sentinelPassword = options.get('sentinelPassword');
  return {
    ...{ kind: 'sentinel', sentinels, name, db: Number(db), ...access },
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
  };
}

function readCluster(parts: Parts, access: Access): ClusterAddress {
  const nodes = readNodes(parts.hosts, PORT);
  const db = readOptions(parts.query, ['db']).get('db') ?? '0';
  if ((parts.path !== '' && parts.path !== '0') || db !== '0') {
    throw new RedisAddressError(
      'names a database, of which a cluster has but one',
      'remove everything after the hosts',
    );
  }
  return { kind: 'cluster', nodes, ...access };
}

function readOptions(query: string, known: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.includes(name)) {
      throw new RedisAddressError(
        'has an option after its ? that is not known',
        `remove it; known are ${known.join(', ')}`,
      );
    }
    if (value === '' || options.has(name)) {
      throw new RedisAddressError(
        `has the option ${name} ${value === '' ? 'without a value' : 'twice'}`,
        'write it once, with a value, or not at all',
      );
    }
    options.set(name, value);
  }
  return options;
}

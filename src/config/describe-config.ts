import { isSecretName } from './explain.ts';
import { type Json, toJson } from './json.ts';
import { parseRedisAddress } from './redis-address.ts';
import type { Config } from './settings.ts';

const HIDDEN = '***';

/** The configuration as it may be shown: tokens, passwords and whatever is named like a secret are hidden. */
export function describeConfig(config: Config): Json {
  const { databaseUrl, databaseDirectUrl, redisUrl, client, tokens, providers, pools, ...plain } = config;
  return toJson({
    ...plain,
    ...(databaseUrl === undefined ? {} : { databaseUrl: hidePassword(databaseUrl) }),
    ...(databaseDirectUrl === undefined ? {} : { databaseDirectUrl: hidePassword(databaseDirectUrl) }),
    ...(redisUrl === undefined ? {} : { redisUrl: hideRedisPassword(redisUrl) }),
    client: { url: hidePassword(client.url), ...(client.token === undefined ? {} : { token: HIDDEN }) },
    tokens: tokens.map(({ owner, operator }) => ({ owner, operator, sha256: HIDDEN })),
    providers: hideSecrets(toJson(providers)),
    ...(pools === undefined ? {} : { pools: hideSecrets(toJson(pools)) }),
  });
}

/** The address without its password, and without what its query names like a secret. */
function hidePassword(address: string): string {
  if (!URL.canParse(address)) return HIDDEN;
  const url = new URL(address);
  if (url.password !== '') url.password = HIDDEN;
  for (const name of new Set(url.searchParams.keys())) {
    if (isSecretName(name)) url.searchParams.set(name, HIDDEN);
  }
  return url.href;
}

/** An address of several hosts is no URL: what may be shown of it is written anew. */
function hideRedisPassword(text: string): string {
  const address = parseRedisAddress(text);
  if (address.kind === 'single') return hidePassword(address.url);
  const { tls, username = '', password } = address;
  const user = password === undefined ? '' : `${encodeURIComponent(username)}:${HIDDEN}@`;
  const [nodes, end] =
    address.kind === 'cluster'
      ? [address.nodes, '']
      : [address.sentinels, `/${address.name}?db=${address.db}`];
  const hosts = nodes.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
  return `redis${tls ? 's' : ''}+${address.kind}://${user}${hosts.join(',')}${end}`;
}

/** Whatever stands below a key that is named like a secret goes with it. */
function hideSecrets(value: Json): Json {
  if (Array.isArray(value)) return value.map(hideSecrets);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(
    ([key, field]) => [key, isSecretName(key) ? HIDDEN : hideSecrets(field)] as const,
  );
  return Object.fromEntries(entries);
}

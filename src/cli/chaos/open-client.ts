import { type Client, createClient } from '../../client/client.ts';

/** A client that asks several API processes in turn: where one is away, its next try reaches another. */
export function openClient({ urls, token }: { urls: readonly string[]; token: string }): Client {
  let turn = 0;
  const fetchInTurn: typeof fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    turn += 1;
    url.host = new URL(urls[turn % urls.length] ?? url).host;
    return fetch(url, init);
  };
  return createClient({ url: urls[0] ?? '', token, fetch: fetchInTurn });
}

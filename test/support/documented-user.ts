import { readFile } from 'node:fs/promises';

/** The arguments of ACL that make the user docs/redis.md tells operators to make, word by word. */
export async function documentedUser(tag: string, password: string): Promise<string[]> {
  const text = await readFile(new URL('../../docs/redis.md', import.meta.url), 'utf8');
  const [, rules] = /^ACL (SETUSER drover .*)$/m.exec(text) ?? [];
  if (rules === undefined) throw new Error('docs/redis.md shows no ACL SETUSER drover');
  return rules
    .split(' ')
    .map((word) => word.replace('{INSTALLATION}', tag).replace('>PASSWORD', `>${password}`));
}

import { invalidParameter } from './arm-error.ts';
import type { ArmCall } from './arm-call.ts';
import type { Reply } from './reply.ts';

/**
 * One page of a list, with a nextLink of the emulator's own origin where there is more. The link names the last item
 * shown, not a position, so that what is deleted meanwhile makes nobody disappear from the rest.
 */
export function page(
  call: ArmCall,
  list: { items: readonly { key: string; view: () => unknown }[]; size: number },
): Reply {
  const token = call.query.get('$skiptoken');
  const after = token === undefined ? undefined : Buffer.from(token, 'base64url').toString('utf8');
  if (after === '') throw invalidParameter('The $skiptoken is not valid.', '$skiptoken');
  const sorted = list.items.toSorted((one, other) => compare(one.key, other.key));
  const rest = after === undefined ? sorted : sorted.filter((item) => compare(item.key, after) > 0);
  const shown = rest.slice(0, list.size);
  const body: Record<string, unknown> = { value: shown.map((item) => item.view()) };
  const last = shown.at(-1);
  if (last !== undefined && rest.length > shown.length) body['nextLink'] = nextLink(call, last.key);
  return { status: 200, body };
}

function nextLink(call: ArmCall, key: string): string {
  const link = new URL(call.url.href);
  link.searchParams.set('$skiptoken', Buffer.from(key).toString('base64url'));
  return link.href;
}

function compare(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}

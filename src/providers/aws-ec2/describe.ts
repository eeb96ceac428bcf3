import type { Filter, Instance, Tag } from '@aws-sdk/client-ec2';
import { FleetError } from '../../fleet/errors.ts';
import type { Placement } from '../../fleet/provider.ts';
import { chunksOf } from './chunks-of.ts';
import type { Sender } from './client.ts';
import { unreadable } from './failures.ts';
import type { Site } from './placement.ts';
import { TAGS, toSighting } from './translate.ts';
import type { Sighting } from './translate.ts';

export interface Asking {
  sender: Sender;
  site: Site;
  signal: AbortSignal;
}

/** The most values that all filters of one call may have together. */
const FILTER_VALUES = 200;
const IDS_PER_CALL = 1000;
export const PAGE = 1000;
/** More pages than any account fills; a next-page token that never ends must not keep us for ever. */
const MOST_PAGES = 1000;
const TASKS_PER_CALL = 50;

/** What EC2 lists of these instances, by id; one that it does not list is not in the answer. */
export async function describeInstances(
  asking: Asking,
  ids: readonly string[],
): Promise<Map<string, Sighting>> {
  const sightings: Sighting[] = [];
  for (const chunk of chunksOf(ids, IDS_PER_CALL)) sightings.push(...(await describeChunk(asking, chunk)));
  return new Map(sightings.map((sighting) => [sighting.instance, sighting]));
}

/**
 * Named ids fit a thousand to a call, but one that cannot be seen fails them all; as a filter's values it is merely
 * left out. So few ids go as filters at once, many only when naming them has failed.
 */
async function describeChunk(asking: Asking, ids: readonly string[]): Promise<Sighting[]> {
  if (ids.length > FILTER_VALUES) {
    try {
      return await pageInstances(asking, { InstanceIds: [...ids] });
    } catch (error) {
      if (!(error instanceof FleetError) || error.code !== 'not-found') throw error;
    }
  }
  return byFilter(asking, 'instance-id', ids);
}

/** What EC2 lists of the launches under these client tokens. */
export function describeLaunches(asking: Asking, tokens: readonly string[]): Promise<Sighting[]> {
  return byFilter(asking, 'client-token', tokens);
}

async function byFilter(asking: Asking, name: string, values: readonly string[]): Promise<Sighting[]> {
  const sightings: Sighting[] = [];
  for (const chunk of chunksOf(values, FILTER_VALUES)) {
    sightings.push(...(await pageInstances(asking, { Filters: [{ Name: name, Values: chunk }] })));
  }
  return sightings;
}

/** Whose things, and where. */
export interface Owner {
  installation: string;
  placement: Placement;
}

/** Everything of this owner, instances lately deleted included; whole or not at all. */
export function describeTagged(asking: Asking, owner: Owner): Promise<Sighting[]> {
  return pageInstances(asking, { Filters: tagFilters(owner) }, (instance) => isOf(owner, instance.Tags));
}

/** The states of these root volume tasks, by task; `instances` are the ones that they belong to. */
export async function describeTasks(
  asking: Asking,
  tasks: readonly { task: string; instance: string }[],
): Promise<Map<string, string>> {
  const states = new Map<string, string>();
  for (const chunk of chunksOf(tasks, TASKS_PER_CALL)) {
    for (const [task, state] of await describeTaskChunk(asking, chunk)) states.set(task, state);
  }
  return states;
}

/** As with instances: a task that cannot be seen yet fails a call that names it, but not one that filters. */
async function describeTaskChunk(
  asking: Asking,
  chunk: readonly { task: string; instance: string }[],
): Promise<Map<string, string>> {
  try {
    return await pageTasks(asking, { ReplaceRootVolumeTaskIds: chunk.map(({ task }) => task) });
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== 'not-found') throw error;
    const Values = [...new Set(chunk.map(({ instance }) => instance))];
    return pageTasks(asking, { Filters: [{ Name: 'instance-id', Values }] });
  }
}

async function pageTasks(
  asking: Asking,
  which: { ReplaceRootVolumeTaskIds: string[] } | { Filters: Filter[] },
): Promise<Map<string, string>> {
  const action = 'DescribeReplaceRootVolumeTasks';
  const found = await pages(async (NextToken) => {
    const page = await asking.sender.send(action, { ...which, NextToken }, asking);
    return {
      items: needed(page.ReplaceRootVolumeTasks, action, 'replaceRootVolumeTaskSet'),
      next: page.NextToken,
    };
  });
  return new Map(
    found.map((task) => [
      needed(task.ReplaceRootVolumeTaskId, action, 'replaceRootVolumeTaskId'),
      needed(task.TaskState, action, 'taskState'),
    ]),
  );
}

async function pageInstances(
  asking: Asking,
  which: { InstanceIds: string[] } | { Filters: Filter[] },
  belongs: (instance: Instance) => boolean = () => true,
): Promise<Sighting[]> {
  const size = 'Filters' in which ? { MaxResults: PAGE } : {};
  const reservations = await pages(async (NextToken) => {
    const page = await asking.sender.send('DescribeInstances', { ...which, ...size, NextToken }, asking);
    return { items: needed(page.Reservations, 'DescribeInstances', 'reservationSet'), next: page.NextToken };
  });
  return reservations
    .flatMap((each) => needed(each.Instances, 'DescribeInstances', 'instancesSet'))
    .filter(belongs)
    .map((instance) => needed(toSighting(instance), 'DescribeInstances', 'instanceId'));
}

export async function pages<Item>(
  read: (token: string | undefined) => Promise<{ items: readonly Item[]; next: string | undefined }>,
): Promise<Item[]> {
  const items: Item[] = [];
  let token: string | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { items: more, next } = await read(token);
    items.push(...more);
    if (next === undefined || next === '') return items;
    token = next;
  }
  throw unreadable({ action: 'a listing', mutating: false }, `it has more than ${MOST_PAGES} pages`);
}

/** Where a field is missing the document was not EC2's: an empty listing would say that everything is gone. */
export function needed<Value>(value: Value | undefined, action: string, field: string): Value {
  if (value !== undefined) return value;
  throw unreadable({ action, mutating: false }, `${field} is missing`);
}

export function tagFilters(owner: Owner): Filter[] {
  return tagsOf(owner).map(([key, value]) => ({ Name: `tag:${key}`, Values: [literally(value)] }));
}

/** Compared once more on our side: what a filter lets pass too much, a sweep would delete. */
export function isOf(owner: Owner, tags: readonly Tag[] | undefined): boolean {
  const found = new Map(tags?.map((tag) => [tag.Key, tag.Value]));
  return tagsOf(owner).every(([key, value]) => found.get(key) === value);
}

function tagsOf({ installation, placement }: Owner): [string, string][] {
  return [
    [TAGS.installation, installation],
    [TAGS.pool, placement.pool],
    [TAGS.placement, placement.name],
  ];
}

/** In a filter's value * and ? stand for anything, unless a backslash takes that from them. */
function literally(value: string): string {
  return value.replaceAll(/[\\*?]/g, String.raw`\$&`);
}

import { defineAction } from './action.ts';
import { Ec2Error } from './ec2-error.ts';
import type { Estate, Tags } from './estate.ts';
import { anyText, flag, group, list, needed, neededList, oneOf, text } from './parameters.ts';

const tag = group({ Key: needed(text), Value: anyText });

export interface TagInput {
  Key: string;
  Value: string | undefined;
}

/** The `TagSpecification.N` parameter of an action that creates resources of these kinds. */
export function tagSpecifications<const T extends string>(...resourceTypes: T[]) {
  return list(group({ ResourceType: needed(oneOf(...resourceTypes)), Tag: neededList(tag) }));
}

/** The tags of one kind of resource; refuses what EC2 refuses of tags. */
export function tagsFor<T extends string>(
  specifications: readonly { ResourceType: T; Tag: readonly TagInput[] }[],
  resourceType: T,
): Tags {
  const matching = specifications.filter((each) => each.ResourceType === resourceType);
  if (matching.length > 1) {
    throw new Ec2Error(
      'InvalidParameterValue',
      `There is more than one TagSpecification for ${resourceType}.`,
    );
  }
  return readTags(matching.flatMap((each) => each.Tag));
}

/** The form in which every answer holds tags. */
export function tagSet(tags: Tags): { key: string; value: string }[] {
  return [...tags].map(([key, value]) => ({ key, value }));
}

/** CreateTags: adds tags to resources, or replaces their values; one unknown resource and none is changed. */
export const createTags = defineAction({
  mutating: true,
  fields: { ResourceId: neededList(text), Tag: neededList(tag), DryRun: flag },
  names: ({ ResourceId }) => ResourceId.filter((id) => id.startsWith('i-')),
  handle({ estate, visibility }, { parameters }) {
    const added = readTags(parameters.Tag);
    visibility.find(parameters.ResourceId.filter((id) => id.startsWith('i-')));
    const targets = parameters.ResourceId.map((id) => tagsOf(estate, id));
    for (const target of targets) checkCount(new Map([...target, ...added]));
    return {
      answer: { return: true },
      apply: () => targets.forEach((target) => added.forEach((value, key) => target.set(key, value))),
    };
  },
});

const MAX_TAGS = 50;
const MAX_KEY = 128;
const MAX_VALUE = 256;

function readTags(input: readonly TagInput[]): Tags {
  const tags: Tags = new Map();
  for (const { Key: key, Value: value = '' } of input) {
    checkTag(key, value);
    if (tags.has(key)) throw new Ec2Error('InvalidParameterValue', `Duplicate tag key '${key}' specified.`);
    tags.set(key, value);
  }
  checkCount(tags);
  return tags;
}

function checkTag(key: string, value: string): void {
  if (key.startsWith('aws:')) {
    throw new Ec2Error(
      'InvalidParameterValue',
      `Tag keys starting with 'aws:' are reserved for internal use`,
    );
  }
  if (key.length > MAX_KEY) {
    throw new Ec2Error(
      'InvalidParameterValue',
      `Tag key exceeds the maximum length of ${MAX_KEY} characters`,
    );
  }
  if (value.length > MAX_VALUE) {
    throw new Ec2Error(
      'InvalidParameterValue',
      `Tag value exceeds the maximum length of ${MAX_VALUE} characters`,
    );
  }
}

function checkCount(tags: Tags): void {
  if (tags.size > MAX_TAGS)
    throw new Ec2Error('TagLimitExceeded', `The maximum number of tags is ${MAX_TAGS}.`);
}

function tagsOf(estate: Estate, id: string): Tags {
  const holder =
    estate.instances.get(id) ??
    estate.disks.get(id) ??
    estate.cards.get(id) ??
    estate.tasks.get(id) ??
    undefined;
  if (holder !== undefined) return holder.tags;
  const code = NOT_FOUND_CODES.find(([prefix]) => id.startsWith(prefix))?.[1] ?? 'InvalidID';
  throw new Ec2Error(code, `The ID '${id}' does not exist`);
}

const NOT_FOUND_CODES = [
  ['i-', 'InvalidInstanceID.NotFound'],
  ['vol-', 'InvalidVolume.NotFound'],
  ['eni-', 'InvalidNetworkInterfaceID.NotFound'],
] as const;

import type { Action } from './action.ts';
import { describeInstances, describeInstanceStatus } from './describe-instances.ts';
import { deleteVolume, describeVolumes } from './disks.ts';
import {
  modifyInstanceAttribute,
  startInstances,
  stopInstances,
  terminateInstances,
} from './instance-actions.ts';
import {
  describeAvailabilityZones,
  describeImages,
  describeInstanceTypes,
  describeSubnets,
} from './lookups.ts';
import { deleteNetworkInterface, describeNetworkInterfaces } from './network-cards.ts';
import { createReplaceRootVolumeTask, describeReplaceRootVolumeTasks } from './replace-root.ts';
import { runInstances } from './run-instances.ts';
import { describeSpotInstanceRequests } from './spot-requests.ts';
import { createTags } from './tags.ts';

/** Every action that the emulator knows, by its name on the wire. */
export const actions: ReadonlyMap<string, Action> = new Map([
  ['RunInstances', runInstances],
  ['StartInstances', startInstances],
  ['StopInstances', stopInstances],
  ['TerminateInstances', terminateInstances],
  ['ModifyInstanceAttribute', modifyInstanceAttribute],
  ['CreateReplaceRootVolumeTask', createReplaceRootVolumeTask],
  ['CreateTags', createTags],
  ['DeleteVolume', deleteVolume],
  ['DeleteNetworkInterface', deleteNetworkInterface],
  ['DescribeInstances', describeInstances],
  ['DescribeInstanceStatus', describeInstanceStatus],
  ['DescribeVolumes', describeVolumes],
  ['DescribeNetworkInterfaces', describeNetworkInterfaces],
  ['DescribeReplaceRootVolumeTasks', describeReplaceRootVolumeTasks],
  ['DescribeSpotInstanceRequests', describeSpotInstanceRequests],
  ['DescribeSubnets', describeSubnets],
  ['DescribeImages', describeImages],
  ['DescribeAvailabilityZones', describeAvailabilityZones],
  ['DescribeInstanceTypes', describeInstanceTypes],
]);

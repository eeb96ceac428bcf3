import { defineAction } from './action.ts';
import { Ec2Error } from './ec2-error.ts';
import type { Disk, Estate } from './estate.ts';
import { compileFilters, filterList, type FilterTable } from './filters.ts';
import { zoneId } from './instance-answer.ts';
import { cutPage, pagingFields, refusePagedIds } from './paging.ts';
import { flag, list, needed, text } from './parameters.ts';
import { tagSet } from './tags.ts';
import type { XmlFields } from './xml.ts';

/** DescribeVolumes, with ids or with filters and pages. */
export const describeVolumes = defineAction({
  mutating: false,
  fields: { VolumeId: list(text), Filter: filterList, ...pagingFields, DryRun: flag },
  handle({ estate }, { parameters }) {
    const { VolumeId: ids } = parameters;
    refusePagedIds(parameters, ids, 'volumeSet');
    const passes = compileFilters(parameters.Filter, filterTable);
    const found = ids.length > 0 ? ids.map((id) => findDisk(estate, id)) : [...estate.disks.values()];
    const page = cutPage(found.filter(passes), parameters);
    return {
      answer: {
        volumeSet: page.items.map((disk) => diskFields(estate, disk)),
        nextToken: page.nextToken,
      },
    };
  },
});

/** DeleteVolume: refused (VolumeInUse) while the disk is attached. */
export const deleteVolume = defineAction({
  mutating: true,
  fields: { VolumeId: needed(text), DryRun: flag },
  handle({ estate }, { parameters }) {
    const disk = findDisk(estate, parameters.VolumeId);
    if (disk.attachment !== undefined) {
      throw new Ec2Error(
        'VolumeInUse',
        `Volume ${disk.id} is currently attached to ${disk.attachment.instance}`,
      );
    }
    return { answer: { return: true }, apply: () => void estate.disks.delete(disk.id) };
  },
});

const filterTable: FilterTable<Disk> = {
  'attachment.delete-on-termination': ({ attachment }) => [
    attachment === undefined ? undefined : String(attachment.deleteWithInstance),
  ],
  'attachment.device': ({ attachment }) => [attachment?.device],
  'attachment.instance-id': ({ attachment }) => [attachment?.instance],
  'availability-zone': ({ zone }) => [zone],
  size: ({ sizeGib }) => [String(sizeGib)],
  'snapshot-id': ({ snapshotId }) => [snapshotId],
  status: (disk) => [statusOf(disk)],
  'volume-id': ({ id }) => [id],
  'volume-type': ({ type }) => [type],
};

function findDisk(estate: Estate, id: string): Disk {
  const disk = estate.disks.get(id);
  if (disk === undefined) throw new Ec2Error('InvalidVolume.NotFound', `The volume '${id}' does not exist.`);
  return disk;
}

function statusOf({ attachment }: Disk): string {
  return attachment === undefined ? 'available' : 'in-use';
}

function diskFields({ catalogue }: Estate, disk: Disk): XmlFields {
  const { attachment } = disk;
  return {
    volumeId: disk.id,
    size: disk.sizeGib,
    snapshotId: disk.snapshotId ?? '',
    availabilityZone: disk.zone,
    availabilityZoneId: zoneId(catalogue, disk.zone),
    status: statusOf(disk),
    createTime: new Date(disk.createdAtMs),
    volumeType: disk.type,
    encrypted: false,
    multiAttachEnabled: false,
    tagSet: tagSet(disk.tags),
    attachmentSet:
      attachment === undefined
        ? []
        : [
            {
              volumeId: disk.id,
              instanceId: attachment.instance,
              device: attachment.device,
              status: 'attached',
              attachTime: new Date(attachment.attachedAtMs),
              deleteOnTermination: attachment.deleteWithInstance,
            },
          ],
  };
}

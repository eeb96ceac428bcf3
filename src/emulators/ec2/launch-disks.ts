import type { Image } from './catalogue.ts';
import { Ec2Error } from './ec2-error.ts';
import type { DiskParameters } from './launch-parameters.ts';

/** A disk that each launched instance gets. */
export interface DiskPlan {
  device: string;
  sizeGib: number;
  type: string;
  snapshotId: string | undefined;
  deleteWithInstance: boolean;
}

/** The root disk first, then the others; refuses (InvalidBlockDeviceMapping) what cannot be attached. */
export function planDisks(image: Image, mappings: readonly DiskParameters[]): readonly DiskPlan[] {
  const devices = new Set(mappings.map(({ DeviceName }) => DeviceName));
  if (devices.size !== mappings.length) throw refusal('A device is mapped more than once.');
  const root = mappings.find(({ DeviceName }) => DeviceName === image.rootDevice);
  const others = mappings.filter((mapping) => mapping !== root && mapping.NoDevice === undefined);
  return [planRoot(image, root), ...others.map(planDataDisk)];
}

function planRoot(image: Image, mapping: DiskParameters | undefined): DiskPlan {
  if (mapping?.NoDevice !== undefined) throw refusal('The root device cannot be left out.');
  const plan: DiskPlan = {
    device: image.rootDevice,
    sizeGib: image.rootSizeGib,
    type: 'gp3',
    snapshotId: image.snapshotId,
    deleteWithInstance: true,
  };
  return mapping?.Ebs === undefined ? plan : changeRoot(plan, mapping.Ebs);
}

function changeRoot(plan: DiskPlan, disk: NonNullable<DiskParameters['Ebs']>): DiskPlan {
  if (disk.SnapshotId !== undefined && disk.SnapshotId !== plan.snapshotId) {
    throw refusal(`Snapshot '${disk.SnapshotId}' is not the image's root snapshot, '${plan.snapshotId}'.`);
  }
  const sizeGib = disk.VolumeSize ?? plan.sizeGib;
  if (sizeGib < plan.sizeGib) {
    throw refusal(
      `Volume of size ${sizeGib}GB is smaller than snapshot '${plan.snapshotId}', expect size >= ${plan.sizeGib}GB`,
    );
  }
  return {
    ...plan,
    sizeGib,
    type: disk.VolumeType ?? plan.type,
    deleteWithInstance: disk.DeleteOnTermination ?? plan.deleteWithInstance,
  };
}

function planDataDisk({ DeviceName: device, Ebs: disk }: DiskParameters): DiskPlan {
  if (disk === undefined) throw refusal(`The device ${device} needs an Ebs mapping.`);
  if (disk.SnapshotId !== undefined) {
    throw new Ec2Error('InvalidSnapshot.NotFound', `The snapshot '${disk.SnapshotId}' does not exist.`);
  }
  if (disk.VolumeSize === undefined) {
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter size or snapshotId');
  }
  if (disk.VolumeSize < 1) throw refusal(`Volume of ${disk.VolumeSize}GB is too small.`);
  return {
    device,
    sizeGib: disk.VolumeSize,
    type: disk.VolumeType ?? 'gp3',
    snapshotId: undefined,
    // EC2 keeps a disk that was added at launch unless it is told otherwise: the classic leak.
    deleteWithInstance: disk.DeleteOnTermination ?? false,
  };
}

function refusal(message: string): Ec2Error {
  return new Ec2Error('InvalidBlockDeviceMapping', message);
}

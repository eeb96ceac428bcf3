import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EmulatedClouds } from '../../embedded/emulators.ts';
import type { Environment } from '../../config.ts';

/** The troubles of the example: named in its table, so that every promise is put to the test. */
export const TROUBLES = [
  {
    cloud: 'aws',
    kind: 'throttled',
    operation: 'RunInstances',
    times: 1,
    skip: 1,
    tells: 'EC2 throttles a launch',
  },
  {
    cloud: 'aws',
    kind: 'lost-reply',
    operation: 'RunInstances',
    times: 1,
    skip: 3,
    tells: 'the reply to an EC2 launch is lost',
  },
  {
    ...{
      cloud: 'aws',
      kind: 'refused',
      operation: 'TerminateInstances',
      code: 'OperationNotPermitted',
      times: 1,
    },
    ...{ skip: 1, tells: 'EC2 refuses a deletion' },
  },
  {
    ...{ cloud: 'azure', kind: 'throttled', operation: 'VirtualMachineScaleSets_Reimage', times: 1, skip: 1 },
    ...{ tells: 'Azure throttles a reset' },
  },
  {
    ...{ cloud: 'azure', kind: 'lost-reply', operation: 'VirtualMachineScaleSets_Update', times: 1 },
    ...{ tells: 'the reply to an Azure launch is lost' },
  },
] as const;

/** The pools of the example, in the order of its pools file: what a task file may name. */
export const EXAMPLE_POOLS = ['aws-detonation', 'azure-ci'] as const;

/** Writes the troubles for the emulators to read; answers the file. */
export async function writeTroubles(dir: string): Promise<string> {
  const file = join(dir, 'troubles.json');
  await writeFile(file, JSON.stringify(TROUBLES.map(({ tells: _tells, ...fault }) => fault)));
  return file;
}

/**
 * The configuration of the example: two pools, one on each emulated cloud. Its clouds are configured as real ones
 * would be: by endpoint and credentials in the vendors' own variables. Answers the variables for drover's processes.
 */
export async function writeExample(on: {
  dir: string;
  clouds: EmulatedClouds;
  speed: number;
}): Promise<Environment> {
  const { dir, clouds, speed } = on;
  const config = join(dir, 'drover.yaml');
  const pools = join(dir, 'pools.yaml');
  await writeFile(pools, JSON.stringify(examplePools(clouds), null, 2));
  await writeFile(config, JSON.stringify(exampleConfig(clouds, speed), null, 2));
  return {
    DROVER_CONFIG: config,
    DROVER_POOLS: pools,
    AWS_ACCESS_KEY_ID: clouds.ec2.accessKeyId,
    AWS_SECRET_ACCESS_KEY: clouds.ec2.secretAccessKey,
    AZURE_TENANT_ID: clouds.arm.tenantId,
    AZURE_CLIENT_ID: clouds.arm.clientId,
    AZURE_CLIENT_SECRET: clouds.arm.clientSecret,
  };
}

/** JSON is YAML. Looks and budgets keep pace with clouds that run many times faster than real ones. */
function exampleConfig({ ec2, arm }: EmulatedClouds, speed: number): object {
  return {
    work: { reconcile: '2s', sweep: '6s', sweepGrace: '5s' },
    providers: {
      'aws-ec2': { endpoint: ec2.endpoint, refillFactor: speed, lookEveryMs: 200, visibilityDelayMs: 1000 },
      'azure-scale-set': {
        ...{ endpoint: arm.endpoint, authorityHost: arm.authorityHost, caFile: arm.caFile },
        ...{ disableInstanceDiscovery: true, refillFactor: speed },
      },
    },
  };
}

function examplePools({ ec2, arm, guestPort }: EmulatedClouds): object[] {
  const shared = {
    arch: 'x64',
    max: 40,
    idleTimeout: '3s',
    probe: { kind: 'tcp', port: guestPort, interval: '0.2s' },
  };
  const [aws, azure] = EXAMPLE_POOLS;
  const [zone = '', subnetId = ''] = Object.entries(ec2.subnets)[0] ?? [];
  return [
    {
      ...{ name: aws, platform: 'windows', ...shared, recycle: 'delete', halt: 'power-off' },
      placements: [
        {
          ...{ name: zone, provider: 'aws-ec2', region: ec2.region, subnetId, address: 'private' },
          securityGroupIds: Object.values(ec2.securityGroups).slice(0, 1),
          ...{ imageId: Object.values(ec2.images)[0] ?? '', instanceType: 'm7i.large' },
        },
      ],
    },
    {
      ...{ name: azure, platform: 'linux', ...shared, recycle: 'reset', halt: 'none' },
      placements: [
        {
          ...{ name: arm.location, provider: 'azure-scale-set', location: arm.location },
          ...{
            subscriptionId: arm.subscriptionId,
            resourceGroup: arm.resourceGroup,
            scaleSet: arm.scaleSets[0] ?? '',
          },
        },
      ],
    },
  ];
}

import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { FleetError } from '../../fleet/errors.ts';
import type { Placement } from '../../fleet/provider.ts';

/** Where and what EC2 launches: a placement's `spec`. */
export const awsPlacementSchema = Type.Object(
  {
    account: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "A label for the AWS account, 'default' without it. Calls of different accounts are paced apart, and a profile may be set for each.",
      }),
    ),
    region: Type.String({ minLength: 1, description: 'For example eu-west-1.' }),
    zone: Type.Optional(
      Type.String({ minLength: 1, description: "The availability zone; the subnet's own without it." }),
    ),
    subnetId: Type.String({ pattern: '^subnet-', description: 'The subnet that the machines stand in.' }),
    securityGroupIds: Type.Array(Type.String({ pattern: '^sg-' }), {
      minItems: 1,
      description: 'The security groups of each machine.',
    }),
    imageId: Type.String({ pattern: '^ami-', description: 'The image that machines start from.' }),
    instanceType: Type.String({ minLength: 1, description: 'For example m7i.large.' }),
    keyName: Type.Optional(Type.String({ minLength: 1, description: 'The key pair for logging in.' })),
    userData: Type.Optional(
      Type.String({
        maxLength: 16_384,
        description: 'Handed to the guest at its first boot, as plain text.',
      }),
    ),
    iamInstanceProfile: Type.Optional(
      Type.String({ minLength: 1, description: 'Name or ARN of the instance profile.' }),
    ),
    address: Type.Union([Type.Literal('private'), Type.Literal('public')], {
      description: 'Which address machines are reached at; with public, each is given one while it runs.',
    }),
    volumeSizeGiB: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: "The size of the root volume, where it is not the image's; needs rootDeviceName.",
      }),
    ),
    rootDeviceName: Type.Optional(
      Type.String({
        pattern: '^/dev/',
        description: "The image's own root device name, for example /dev/sda1; needed with volumeSizeGiB.",
      }),
    ),
    spot: Type.Optional(
      Type.Boolean({
        description: 'One-time spot instances. EC2 can take them back, and cannot stop and start them.',
      }),
    ),
    tags: Type.Optional(
      Type.Record(Type.String({ pattern: '^(?!aws:|drover:).{1,128}$' }), Type.String({ maxLength: 256 }), {
        additionalProperties: false,
        maxProperties: 40,
        description: 'Further tags for instances, volumes and network interfaces.',
      }),
    ),
  },
  { additionalProperties: false, description: 'Amazon EC2 instances.' },
);
export type AwsPlacement = Static<typeof awsPlacementSchema>;

/** The provider's own section of the configuration. */
export const awsOptionsSchema = Type.Object(
  {
    endpoint: Type.Optional(
      Type.String({ minLength: 1, description: "Where EC2 is called, instead of the region's own address." }),
    ),
    profiles: Type.Optional(
      Type.Record(Type.String(), Type.String({ minLength: 1 }), {
        description: 'Account label to the profile in the shared AWS configuration that it is called with.',
      }),
    ),
    requestTimeoutMs: Type.Optional(
      Type.Integer({ minimum: 1, description: 'How long one call may take; 60000 by default.' }),
    ),
    lookEveryMs: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Pause between two looks at a running call; 2000 by default.',
      }),
    ),
    visibilityDelayMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'How long something may exist that EC2 does not list yet; 180000 by default. Only after it does absence mean gone.',
      }),
    ),
    refillFactor: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        description: "How many times faster than published the account's call budgets refill; 1 by default.",
      }),
    ),
  },
  { additionalProperties: false, description: 'How EC2 is called.' },
);
export type AwsOptions = Static<typeof awsOptionsSchema>;

/** The account and region that a call goes to. */
export interface Site {
  account: string;
  region: string;
}

/** A placement's spec, checked; throws FleetError `invalid` for one that is not EC2's. */
export function specOf(placement: Placement): AwsPlacement {
  if (!Value.Check(awsPlacementSchema, placement.spec)) {
    const [first] = Value.Errors(awsPlacementSchema, placement.spec);
    throw invalid(placement, `${first?.instancePath ?? ''} ${first?.message ?? 'is not valid'}`.trim());
  }
  if (placement.spec.volumeSizeGiB !== undefined && placement.spec.rootDeviceName === undefined) {
    throw invalid(placement, 'volumeSizeGiB needs rootDeviceName, or EC2 would add a second volume');
  }
  return placement.spec;
}

export function siteOf(placement: Placement): Site {
  const { account = 'default', region } = specOf(placement);
  return { account, region };
}

function invalid(placement: Placement, why: string): FleetError {
  return new FleetError(`Placement ${placement.name} of pool ${placement.pool} cannot be used: ${why}.`, {
    code: 'invalid',
    remedy: 'give-up',
  });
}

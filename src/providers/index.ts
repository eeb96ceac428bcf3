import { awsEc2 } from './aws-ec2/provider.ts';
import { azureScaleSet } from './azure-scale-set/provider.ts';
import { memory } from './memory/provider.ts';
import type { ProviderModule } from './provider-module.ts';

/** Every cloud that machines can come from: one line each. */
export const PROVIDERS: readonly ProviderModule[] = [awsEc2, azureScaleSet, memory];

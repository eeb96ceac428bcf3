import { readFile } from 'node:fs/promises';
import { ComputeManagementClient } from '@azure/arm-compute';
import { ClientSecretCredential } from '@azure/identity';
import type { EmulatedClouds } from '../../src/embedded/emulators.ts';

/** Makes further empty scale sets like the one that the emulated Azure begins with, as an operator would. */
export async function copyScaleSet({ arm }: EmulatedClouds, names: readonly string[]): Promise<void> {
  const tlsOptions = { ca: await readFile(arm.caFile, 'utf8') };
  const credential = new ClientSecretCredential(arm.tenantId, arm.clientId, arm.clientSecret, {
    ...{ authorityHost: arm.authorityHost, disableInstanceDiscovery: true, tlsOptions },
  });
  const { virtualMachineScaleSets: sets } = new ComputeManagementClient(credential, arm.subscriptionId, {
    ...{ endpoint: arm.endpoint, credentials: { scopes: [`${arm.endpoint}/.default`] }, tlsOptions },
  });
  const { location, sku, overprovision, ...like } = await sets.get(arm.resourceGroup, arm.scaleSets[0] ?? '');
  const { orchestrationMode, singlePlacementGroup, upgradePolicy, virtualMachineProfile } = like;
  const model = { orchestrationMode, singlePlacementGroup, upgradePolicy, virtualMachineProfile };
  for (const name of names) {
    const made = { location, sku: { ...sku, capacity: 0 }, overprovision: overprovision ?? false, ...model };
    await sets.createOrUpdate(arm.resourceGroup, name, made as Parameters<typeof sets.createOrUpdate>[2], {
      updateIntervalInMs: 20,
    });
  }
}

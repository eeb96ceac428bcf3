import { readFile } from 'node:fs/promises';
import type { ComputeManagementClient } from '@azure/arm-compute';
import type { createComputeManagement } from '@azure/arm-compute/api';
import type { NetworkManagementClient } from '@azure/arm-network';
import type { DefaultAzureCredential, DefaultAzureCredentialOptions } from '@azure/identity';
import { Type, type Static } from 'typebox';

/** The provider's section of the configuration. */
export const azureOptionsSchema = Type.Object(
  {
    endpoint: Type.Optional(
      Type.String({
        description:
          'The Resource Manager endpoint; https://management.azure.com where absent. Sovereign clouds have their own.',
        pattern: '^https://',
      }),
    ),
    authorityHost: Type.Optional(
      Type.String({
        description: 'The authority that hands out tokens; the public cloud’s where absent.',
        pattern: '^https://',
      }),
    ),
    tenantId: Type.Optional(Type.String({ description: 'The tenant of drover’s identity.' })),
    clientId: Type.Optional(Type.String({ description: 'The application id of drover’s identity.' })),
    caFile: Type.Optional(
      Type.String({
        description: 'A PEM file with certificate authorities to trust for endpoint and authority.',
      }),
    ),
    disableInstanceDiscovery: Type.Optional(
      Type.Boolean({ description: 'True where the authority cannot be validated against the public cloud.' }),
    ),
    refillFactor: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        description:
          "How many times faster than published the subscription's call budgets refill; 1 by default.",
      }),
    ),
  },
  { additionalProperties: false, description: 'Azure virtual machine scale sets.' },
);

export type AzureOptions = Static<typeof azureOptionsSchema>;

export interface Connection {
  compute: ComputeManagementClient;
  network: NetworkManagementClient;
  /** The same pipeline for URLs that Azure hands out. */
  raw: ReturnType<typeof createComputeManagement>;
  /** The origin that such URLs must have: a token is sent along. */
  origin: string;
}

/**
 * Connects to one subscription. The SDKs cost a second and 100 MB, so they are imported here and not at start.
 * `credentials` may hold AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; without a secret the vendor's
 * usual chain is asked. The SDK never retries: the lanes do.
 */
export async function connect(
  options: AzureOptions,
  credentials: Readonly<Record<string, string>>,
  subscriptionId: string,
): Promise<Connection> {
  const [{ ComputeManagementClient }, { createComputeManagement }, { NetworkManagementClient }] =
    await Promise.all([
      import('@azure/arm-compute'),
      import('@azure/arm-compute/api'),
      import('@azure/arm-network'),
    ]);
  const endpoint = (options.endpoint ?? 'https://management.azure.com').replace(/\/+$/, '');
  const wire = {
    retryOptions: { maxRetries: 0 },
    ...(options.caFile === undefined ? {} : { tlsOptions: { ca: await readFile(options.caFile, 'utf8') } }),
  };
  const credential = await toCredential(options, credentials, wire);
  const settings = { ...wire, endpoint, credentials: { scopes: [`${endpoint}/.default`] } };
  const compute = new ComputeManagementClient(credential, subscriptionId, settings);
  const network = new NetworkManagementClient(credential, subscriptionId, settings);
  for (const { pipeline } of [compute, network]) pipeline.addPolicy(limitTime);
  const raw = createComputeManagement(credential, subscriptionId, {
    ...settings,
    pipeline: compute.pipeline,
  });
  return { compute, network, raw, origin: new URL(endpoint).origin };
}

const REQUEST_TIMEOUT_MS = 30_000;

/** The further pages of a listing take no options of their own, so the limit is set here for every request. */
const limitTime: Parameters<ComputeManagementClient['pipeline']['addPolicy']>[0] = {
  name: 'limitTime',
  sendRequest(request, next) {
    request.timeout = REQUEST_TIMEOUT_MS;
    return next(request);
  },
};

async function toCredential(
  options: AzureOptions,
  credentials: Readonly<Record<string, string>>,
  wire: Pick<DefaultAzureCredentialOptions, 'retryOptions' | 'tlsOptions'>,
): Promise<Pick<DefaultAzureCredential, 'getToken'>> {
  const { ClientSecretCredential, DefaultAzureCredential } = await import('@azure/identity');
  const tenantId = options.tenantId ?? credentials['AZURE_TENANT_ID'];
  const clientId = options.clientId ?? credentials['AZURE_CLIENT_ID'];
  const secret = credentials['AZURE_CLIENT_SECRET'];
  const settings = {
    ...wire,
    disableInstanceDiscovery: options.disableInstanceDiscovery ?? false,
    ...(options.authorityHost === undefined ? {} : { authorityHost: options.authorityHost }),
  };
  if (tenantId !== undefined && clientId !== undefined && secret !== undefined) {
    return new ClientSecretCredential(tenantId, clientId, secret, settings);
  }
  return new DefaultAzureCredential({
    ...settings,
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(clientId === undefined
      ? {}
      : { managedIdentityClientId: clientId, workloadIdentityClientId: clientId }),
  });
}

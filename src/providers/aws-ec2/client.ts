import type * as Sdk from '@aws-sdk/client-ec2';
import { FleetError } from '../../fleet/errors.ts';
import { toFleetError } from './failures.ts';
import type { Rates } from './rates.ts';
import type { AwsOptions, Site } from './placement.ts';

/** The actions of EC2 that are used, with what goes in and what comes out. */
interface Exchanges {
  RunInstances: { input: Sdk.RunInstancesCommandInput; output: Sdk.RunInstancesCommandOutput };
  StartInstances: { input: Sdk.StartInstancesCommandInput; output: Sdk.StartInstancesCommandOutput };
  StopInstances: { input: Sdk.StopInstancesCommandInput; output: Sdk.StopInstancesCommandOutput };
  TerminateInstances: {
    input: Sdk.TerminateInstancesCommandInput;
    output: Sdk.TerminateInstancesCommandOutput;
  };
  CreateReplaceRootVolumeTask: {
    input: Sdk.CreateReplaceRootVolumeTaskCommandInput;
    output: Sdk.CreateReplaceRootVolumeTaskCommandOutput;
  };
  DescribeReplaceRootVolumeTasks: {
    input: Sdk.DescribeReplaceRootVolumeTasksCommandInput;
    output: Sdk.DescribeReplaceRootVolumeTasksCommandOutput;
  };
  DeleteVolume: { input: Sdk.DeleteVolumeCommandInput; output: Sdk.DeleteVolumeCommandOutput };
  DeleteNetworkInterface: {
    input: Sdk.DeleteNetworkInterfaceCommandInput;
    output: Sdk.DeleteNetworkInterfaceCommandOutput;
  };
  DescribeInstances: { input: Sdk.DescribeInstancesCommandInput; output: Sdk.DescribeInstancesCommandOutput };
  DescribeSpotInstanceRequests: {
    input: Sdk.DescribeSpotInstanceRequestsCommandInput;
    output: Sdk.DescribeSpotInstanceRequestsCommandOutput;
  };
  DescribeVolumes: { input: Sdk.DescribeVolumesCommandInput; output: Sdk.DescribeVolumesCommandOutput };
  DescribeNetworkInterfaces: {
    input: Sdk.DescribeNetworkInterfacesCommandInput;
    output: Sdk.DescribeNetworkInterfacesCommandOutput;
  };
}
type Action = keyof Exchanges;

/** Fixed credentials; the vendor's own chain is asked where there are none. */
export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface Sender {
  /** Sends one call, once, within the budgets. Throws FleetError alone. */
  send<A extends Action>(
    action: A,
    input: Exchanges[A]['input'],
    to: { site: Site; signal: AbortSignal },
  ): Promise<Exchanges[A]['output']>;
  close(): Promise<void>;
}

type Senders = {
  [A in Action]: (
    client: Sdk.EC2Client,
    input: Exchanges[A]['input'],
    signal: AbortSignal,
  ) => Promise<Exchanges[A]['output']>;
};

const CONNECT_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 60_000;

/** Calls EC2 through the vendor's SDK, which is loaded with the first call; one connection pool per account and region. */
export function createSender(deps: {
  rates: Rates;
  options: AwsOptions;
  credentials?: AwsCredentials;
}): Sender {
  const clients = new Map<string, Promise<{ client: Sdk.EC2Client; senders: Senders }>>();
  const clientFor = (site: Site): Promise<{ client: Sdk.EC2Client; senders: Senders }> => {
    const key = `${site.account} ${site.region}`;
    const known = clients.get(key);
    if (known !== undefined) return known;
    const connecting = connect(site, deps);
    clients.set(key, connecting);
    // A failed start is not remembered: the next call tries again.
    connecting.catch(() => clients.delete(key));
    return connecting;
  };
  return {
    async send(action, input, { site, signal }) {
      const asked = { action, mutating: !action.startsWith('Describe') };
      guardAgainstAll(action, input);
      if (signal.aborted) throw calledOff(action, signal);
      const paced = { ...asked, site, instances: instanceCount(input) };
      await deps.rates.enter(paced);
      try {
        const { client, senders } = await clientFor(site);
        return await senders[action](client, input, signal);
      } catch (error) {
        const failure = toFleetError(error, asked);
        throw failure.code === 'throttled' ? await deps.rates.refused(paced, failure) : failure;
      }
    },
    async close() {
      const open = await Promise.allSettled(clients.values());
      clients.clear();
      for (const each of open) if (each.status === 'fulfilled') each.value.client.destroy();
    },
  };
}

async function connect(
  site: Site,
  { options, credentials }: { options: AwsOptions; credentials?: AwsCredentials },
): Promise<{ client: Sdk.EC2Client; senders: Senders }> {
  // The SDK takes 0.3 s and 100 MB: whoever never calls EC2 never pays for it.
  const sdk = await import('@aws-sdk/client-ec2');
  const profile = options.profiles?.[site.account];
  const client = new sdk.EC2Client({
    region: site.region,
    // The queue owns the back-off. The SDK would send a refused RunInstances three times within 90 ms.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(credentials !== undefined && { credentials }),
    ...(profile !== undefined && { profile }),
  });
  return { client, senders: createSenders(sdk) };
}

function createSenders(sdk: typeof Sdk): Senders {
  return {
    RunInstances: (client, input, abortSignal) =>
      client.send(new sdk.RunInstancesCommand(input), { abortSignal }),
    StartInstances: (client, input, abortSignal) =>
      client.send(new sdk.StartInstancesCommand(input), { abortSignal }),
    StopInstances: (client, input, abortSignal) =>
      client.send(new sdk.StopInstancesCommand(input), { abortSignal }),
    TerminateInstances: (client, input, abortSignal) =>
      client.send(new sdk.TerminateInstancesCommand(input), { abortSignal }),
    CreateReplaceRootVolumeTask: (client, input, abortSignal) =>
      client.send(new sdk.CreateReplaceRootVolumeTaskCommand(input), { abortSignal }),
    DescribeReplaceRootVolumeTasks: (client, input, abortSignal) =>
      client.send(new sdk.DescribeReplaceRootVolumeTasksCommand(input), { abortSignal }),
    DeleteVolume: (client, input, abortSignal) =>
      client.send(new sdk.DeleteVolumeCommand(input), { abortSignal }),
    DeleteNetworkInterface: (client, input, abortSignal) =>
      client.send(new sdk.DeleteNetworkInterfaceCommand(input), { abortSignal }),
    DescribeInstances: (client, input, abortSignal) =>
      client.send(new sdk.DescribeInstancesCommand(input), { abortSignal }),
    DescribeSpotInstanceRequests: (client, input, abortSignal) =>
      client.send(new sdk.DescribeSpotInstanceRequestsCommand(input), { abortSignal }),
    DescribeVolumes: (client, input, abortSignal) =>
      client.send(new sdk.DescribeVolumesCommand(input), { abortSignal }),
    DescribeNetworkInterfaces: (client, input, abortSignal) =>
      client.send(new sdk.DescribeNetworkInterfacesCommand(input), { abortSignal }),
  };
}

type AnyInput = Exchanges[Action]['input'];

/** Those without a list: what they act on is a required field. */
const NAMES_ITS_OWN: ReadonlySet<Action> = new Set<Action>([
  'RunInstances',
  'CreateReplaceRootVolumeTask',
  'DeleteVolume',
  'DeleteNetworkInterface',
]);

/** The last fence before the wire: where a list of instances or filters is empty, EC2 takes it for "all". */
function guardAgainstAll(action: Action, input: AnyInput): void {
  const lists: unknown[] = [];
  if ('InstanceIds' in input) lists.push(input.InstanceIds);
  if ('Filters' in input) lists.push(input.Filters);
  if ('ReplaceRootVolumeTaskIds' in input) lists.push(input.ReplaceRootVolumeTaskIds);
  if (
    NAMES_ITS_OWN.has(action) ||
    (lists.length > 0 && lists.every((list) => Array.isArray(list) && list.length > 0))
  )
    return;
  throw new FleetError(`${action} without any instance is never sent.`, {
    code: 'invalid',
    remedy: 'give-up',
  });
}

function instanceCount(input: AnyInput): number {
  if ('MaxCount' in input) return input.MaxCount ?? 0;
  return 'InstanceIds' in input ? (input.InstanceIds?.length ?? 0) : 0;
}

function calledOff(action: string, signal: AbortSignal): FleetError {
  return new FleetError(`${action} was called off before it was sent.`, {
    code: 'unavailable',
    remedy: 'retry',
    cause: signal.reason,
  });
}

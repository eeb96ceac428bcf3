import { createServer } from 'node:http';
import { once } from 'node:events';
import type { Provider } from '../../../src/fleet/provider.ts';
import { createAwsEc2Provider } from '../../../src/providers/aws-ec2/provider.ts';
import type { AwsOptions } from '../../../src/providers/aws-ec2/placement.ts';
import { createInMemoryBudgets } from '../in-memory-budgets.ts';

/** What a scripted server does with a request: an HTTP answer, or none. */
export type Scripted = { status: number; body: string } | 'cut' | 'silence';

export interface ScriptedEc2 {
  provider: Provider;
  /** The requests that arrived: Action and parameters as they were sent. */
  requests: readonly Record<string, string>[];
  close(): Promise<void>;
}

export const PLACEMENT = {
  pool: 'linux',
  name: 'ireland',
  provider: 'aws-ec2',
  spec: {
    region: 'eu-west-1',
    subnetId: 'subnet-1',
    securityGroupIds: ['sg-1'],
    imageId: 'ami-1',
    instanceType: 'm7i.large',
    address: 'private',
  },
};

/** A server that answers as a test says, for what no well-behaved EC2 would answer, and a provider that calls it. */
export async function createScriptedEc2(
  script: (parameters: Record<string, string>) => Scripted,
  options: AwsOptions = {},
): Promise<ScriptedEc2> {
  const requests: Record<string, string>[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const parameters = Object.fromEntries(new URLSearchParams(body));
      requests.push(parameters);
      const answer = script(parameters);
      if (answer === 'silence') return;
      if (answer === 'cut') request.socket.destroy();
      else response.writeHead(answer.status, { 'content-type': 'text/xml' }).end(answer.body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port to be called at.');
  const provider = createAwsEc2Provider({
    installation: 'ours',
    budgets: createInMemoryBudgets(() => 0),
    clock: { now: () => new Date(0) },
    credentials: { accessKeyId: 'AKIA', secretAccessKey: 'not-a-secret' },
    options: { endpoint: `http://127.0.0.1:${address.port}`, ...options },
  });
  return {
    provider,
    requests,
    async close() {
      await provider.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** EC2's answer with this content. */
export function answer(action: string, content: string): Scripted {
  return { status: 200, body: `<${action}Response><requestId>r</requestId>${content}</${action}Response>` };
}

/** EC2's refusal. */
export function refuse(code: string, message: string, status = 400): Scripted {
  const errors = `<Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors>`;
  return { status, body: `<Response>${errors}<RequestID>r</RequestID></Response>` };
}

/** One instance as EC2 lists it. */
export function instanceXml(id: string, state: string, address = '10.0.0.1'): string {
  const name = `<instanceState><name>${state}</name></instanceState>`;
  return `<item><instanceId>${id}</instanceId>${name}<privateIpAddress>${address}</privateIpAddress></item>`;
}

/** A listing of these instances. */
export function listing(...instances: string[]): Scripted {
  const set = `<instancesSet>${instances.join('')}</instancesSet>`;
  return answer('DescribeInstances', `<reservationSet><item>${set}</item></reservationSet>`);
}

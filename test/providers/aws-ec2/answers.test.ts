import { afterEach, describe, expect, it } from 'vitest';
import { callFor, deadlineSignal, launchCall, only, refusalOf, send } from '../contract-driver.ts';
import { PLACEMENT, answer, createScriptedEc2, instanceXml, listing, refuse } from './scripted-ec2.ts';
import type { Scripted, ScriptedEc2 } from './scripted-ec2.ts';

let open: ScriptedEc2 | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function scripted(...script: Parameters<typeof createScriptedEc2>): Promise<ScriptedEc2> {
  open = await createScriptedEc2(...script);
  return open;
}

const under = { placement: PLACEMENT };
const html = '<html><head><meta charset="utf-8"><body>Bad gateway</html>';

const tag = (key: string, value: string): string =>
  `<item><key>drover:${key}</key><value>${value}</value></item>`;
const tags = (installation: string): string =>
  `<tagSet>${tag('installation', installation)}${tag('pool', 'linux')}${tag('placement', 'ireland')}</tagSet>`;
const tagged = (id: string, installation: string): string =>
  instanceXml(id, 'running').replace('</item>', `${tags(installation)}</item>`);

const NO_DOCUMENT: [string, Scripted][] = [
  ['an error page', { status: 502, body: html }],
  ['an error page of well-formed HTML', { status: 500, body: '<html><body>no</body></html>' }],
  ['a page instead of a document', { status: 200, body: '<html><body>hello</body></html>' }],
  ['half a document', { status: 200, body: '<RunInstancesResponse><instancesSet><item><instanceId>i-' }],
  ['an empty answer', { status: 200, body: '' }],
];
const UNREADABLE: [string, Scripted][] = [
  ...NO_DOCUMENT,
  ['an answer without instances', answer('RunInstances', '<instancesSet/>')],
  [
    'an instance without an id',
    answer('RunInstances', '<instancesSet><item><imageId>ami-1</imageId></item></instancesSet>'),
  ],
];

describe('an answer that EC2 would not give', () => {
  it.each(UNREADABLE)('%s to a launch has the launch replayed', async (_, reply) => {
    const { provider, requests } = await scripted(() => reply);
    const open = { remedy: 'retry', maybeExecuted: true } as const;
    const error = await refusalOf(send({ provider }, launchCall(under, 2)), open);
    expect(error.message).toContain('RunInstances');
    expect(requests).toHaveLength(1);
  });

  it.each(NO_DOCUMENT)('%s to a delete has the delete replayed', async (_, reply) => {
    const { provider } = await scripted(() => reply);
    const error = await refusalOf(send({ provider }, callFor(under, 'delete', ['i-1'])));
    expect(error).toMatchObject({ remedy: 'retry', maybeExecuted: true });
  });

  it.each(NO_DOCUMENT)('%s to a listing is no empty inventory', async (_, reply) => {
    const { provider } = await scripted(() => reply);
    const refusal = { code: 'unknown-reply', remedy: 'retry', maybeExecuted: false } as const;
    const error = await refusalOf(provider.inventory(PLACEMENT, deadlineSignal()), refusal);
    expect(error.message).toContain('DescribeInstances');
  });

  it.each(NO_DOCUMENT)('%s to a look says nothing of anybody', async (_, reply) => {
    const { provider } = await scripted(({ Action }) =>
      Action === 'TerminateInstances' ? answer('TerminateInstances', '<instancesSet/>') : reply,
    );
    const call = callFor(under, 'delete', ['i-1']);
    const { handle } = await send({ provider }, call);
    const error = await refusalOf(provider.poll([{ ...call, handle }], deadlineSignal()));
    expect(error.maybeExecuted).toBe(false);
  });
});

describe('a connection that breaks', () => {
  it('before the answer leaves open whether a launch was executed', async () => {
    const { provider } = await scripted(() => 'cut');
    const error = await refusalOf(send({ provider }, launchCall(under, 1)));
    expect(error).toMatchObject({ code: 'unknown-reply', remedy: 'retry', maybeExecuted: true });
  });

  it('by silence does so after the time that a request may take', async () => {
    const { provider } = await scripted(() => 'silence', { requestTimeoutMs: 50 });
    const error = await refusalOf(send({ provider }, launchCall(under, 1)));
    expect(error).toMatchObject({ code: 'unknown-reply', remedy: 'retry', maybeExecuted: true });
  });

  it('by being called off does so too', async () => {
    const controller = new AbortController();
    const { provider } = await scripted(() => {
      controller.abort();
      return 'silence';
    });
    const error = await refusalOf(provider.launch(launchCall(under, 1), controller.signal));
    expect(error).toMatchObject({ remedy: 'retry', maybeExecuted: true });
  });

  it('by never being made leaves nothing open', async () => {
    const { provider } = await scripted(() => 'cut', { endpoint: 'http://127.0.0.1:1' });
    const error = await refusalOf(send({ provider }, launchCall(under, 1)));
    expect(error).toMatchObject({ code: 'unavailable', remedy: 'retry', maybeExecuted: false });
  });
});

describe('a refusal', () => {
  it('is one call: the SDK does not repeat it', async () => {
    const { provider, requests } = await scripted(() =>
      refuse('InsufficientInstanceCapacity', 'none left', 500),
    );
    await refusalOf(send({ provider }, launchCall(under, 3)), { code: 'capacity', maybeExecuted: false });
    expect(requests).toHaveLength(1);
  });

  it('for the rate closes the way for everybody in this account and region', async () => {
    const { provider, requests } = await scripted(() => refuse('RequestLimitExceeded', 'slow down', 503));
    const first = await refusalOf(send({ provider }, launchCall(under, 1)), { code: 'throttled' });
    expect(first).toMatchObject({ vendorCode: 'RequestLimitExceeded', maybeExecuted: false });
    await refusalOf(send({ provider }, launchCall(under, 1)), { code: 'throttled' });
    expect(requests).toHaveLength(1);
  });

  it('of a reset for its rate, after a task was made, has the whole batch replayed', async () => {
    let tasks = 0;
    const { provider } = await scripted(() => {
      tasks += 1;
      const id = `<replaceRootVolumeTaskId>replacevol-${tasks}</replaceRootVolumeTaskId>`;
      const task = `<replaceRootVolumeTask>${id}</replaceRootVolumeTask>`;
      if (tasks === 1) return answer('CreateReplaceRootVolumeTask', task);
      return refuse('RequestLimitExceeded', 'slow down', 503);
    });
    const error = await refusalOf(send({ provider }, callFor(under, 'reset', ['i-1', 'i-2'])));
    expect(error).toMatchObject({ code: 'throttled', remedy: 'retry-later', maybeExecuted: true });
    expect(error.retryAfterMs).toBeGreaterThan(0);
  });
});

describe('an EC2 that knows less than the real one', () => {
  it('and launches fewer than asked for is taken at its word', async () => {
    const { provider } = await scripted(() =>
      answer('RunInstances', `<instancesSet>${instanceXml('i-1', 'running')}</instancesSet>`),
    );
    const look = await send({ provider }, launchCall(under, 3));
    expect(look.launched).toEqual([{ instance: 'i-1', state: 'running', address: '10.0.0.1' }]);
    expect(look.error).toMatchObject({ code: 'capacity', remedy: 'retry-elsewhere' });
  });

  it('and launches more than asked for has all of them told', async () => {
    const instances = ['i-1', 'i-2', 'i-3'].map((id) => instanceXml(id, 'pending'));
    const { provider } = await scripted(() =>
      answer('RunInstances', `<instancesSet>${instances.join('')}</instancesSet>`),
    );
    const look = await send({ provider }, launchCall(under, 2));
    expect(look.launched.map((each) => each.instance)).toEqual(['i-1', 'i-2', 'i-3']);
    expect(look.error).toBeUndefined();
  });

  it('and has no filter for client tokens still serves every look at a launch that was answered', async () => {
    const { provider } = await scripted((parameters) => {
      if (parameters['Filter.1.Name'] === 'client-token') return { status: 500, body: html };
      if (parameters['Action'] === 'DescribeInstances') return listing(instanceXml('i-1', 'running'));
      return answer('RunInstances', `<instancesSet>${instanceXml('i-1', 'pending')}</instancesSet>`);
    });
    const call = launchCall(under, 1);
    const { handle } = await send({ provider }, call);
    const look = only(await provider.poll([{ ...call, handle }], deadlineSignal()));
    expect(look.launched).toEqual([{ instance: 'i-1', state: 'running', address: '10.0.0.1' }]);
  });

  it('and ignores filters shows no strangers in an inventory', async () => {
    const old = '<createTime>1960-01-01T00:00:00.000Z</createTime>';
    const { provider } = await scripted(({ Action = '' }) => {
      if (Action === 'DescribeInstances') return listing(tagged('i-1', 'ours'), tagged('i-2', 'theirs'));
      const disk = (id: string, owner: string, status = 'available'): string =>
        `<item><volumeId>${id}</volumeId><status>${status}</status>${old}${tags(owner)}</item>`;
      const card = (id: string, owner: string, status = 'available'): string =>
        `<item><networkInterfaceId>${id}</networkInterfaceId><status>${status}</status>${tags(owner)}</item>`;
      const disks = [disk('vol-1', 'ours'), disk('vol-2', 'theirs'), disk('vol-3', 'ours', 'in-use')];
      const cards = [card('eni-1', 'ours'), card('eni-2', 'theirs'), card('eni-3', 'ours', 'in-use')];
      const body = `<volumeSet>${disks.join('')}</volumeSet><networkInterfaceSet>${cards.join('')}</networkInterfaceSet>`;
      return answer(Action, body);
    });
    const inventory = await provider.inventory(PLACEMENT, deadlineSignal());
    expect(inventory.instances.map((item) => item.instance)).toEqual(['i-1']);
    expect(inventory.leftOvers).toEqual([
      { kind: 'disk', id: 'vol-1' },
      { kind: 'network-card', id: 'eni-1' },
    ]);
  });

  it('and ignores filters announces the end of no instance but those it names as marked', async () => {
    const request = (instance: string, code: string): string =>
      `<item><instanceId>${instance}</instanceId><status><code>${code}</code></status></item>`;
    const { provider } = await scripted(({ Action = '' }) => {
      if (Action === 'DescribeInstances') return listing(tagged('i-1', 'ours'), tagged('i-2', 'ours'));
      const requests = [request('i-1', 'fulfilled'), request('i-2', 'marked-for-termination')];
      const nothing = '<volumeSet/><networkInterfaceSet/>';
      return answer(
        Action,
        `${nothing}<spotInstanceRequestSet>${requests.join('')}</spotInstanceRequestSet>`,
      );
    });
    const placement = { ...PLACEMENT, spec: { ...(PLACEMENT.spec as object), spot: true } };
    const { instances } = await provider.inventory(placement, deadlineSignal());
    const interrupted = instances.map((item) => [item.instance, item.interrupted]);
    expect(interrupted).toEqual([
      ['i-1', false],
      ['i-2', true],
    ]);
  });

  it('and pages for ever is given up', async () => {
    const { provider, requests } = await scripted(() =>
      answer('DescribeInstances', '<reservationSet/><nextToken>again</nextToken>'),
    );
    const error = await refusalOf(provider.inventory(PLACEMENT, deadlineSignal()));
    expect(['throttled', 'unknown-reply']).toContain(error.code);
    expect(requests.length).toBeLessThanOrEqual(1000);
  });
});

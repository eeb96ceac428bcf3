import { createServer, type IncomingMessage } from 'node:http';
import type { CallLog } from './call-log.ts';
import type { Fault, FaultKind, Faults } from './faults.ts';

export type CloudName = 'aws' | 'azure';

/** One emulated cloud as the control endpoint sees it. */
export interface ControlledCloud {
  log: CallLog;
  faults: Faults;
  state: () => unknown;
  /** Throws where this cloud cannot have such a fault. */
  checkFault?: (fault: Fault) => void;
  /** The cloud takes an instance back; false where there is none. */
  evict: (instance: string) => boolean;
  /** The same at once and without a trace, in a cloud that knows it. */
  vanish?: (instance: string) => boolean;
  /** The cloud announces that it takes an instance back, in a cloud that does; false where there is none to be announced. */
  announce?: (instance: string) => boolean;
  /** Sets how many instances of a type a zone can run, in a cloud that knows it. */
  limitCapacity?: (limit: { instanceType: string; zone: string; atMost: number }) => void;
}

export interface Control {
  /** Listens at loopback; port 0 means any free one. Resolves with the origin. */
  listen(port: number): Promise<string>;
  close(): Promise<void>;
}

/** A fault and the cloud that it is for. */
export interface Injection {
  cloud: CloudName;
  fault: Fault;
}

/**
 * The control endpoint of the emulators: GET /state, GET /log?cloud=, POST and DELETE /faults, POST /evict,
 * POST /capacity. Answers JSON; a request that cannot be understood gets 400 and says why.
 */
export function createControl(clouds: Record<CloudName, ControlledCloud>): Control {
  const routes = createRoutes(clouds);
  const server = createServer((request, response) => {
    void answer(routes, request).then(({ status, type, text }) =>
      response.writeHead(status, { 'content-type': type }).end(text),
    );
  });
  return {
    listen: (port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => {
          server.off('error', reject);
          const address = server.address();
          if (address === null || typeof address === 'string') throw new Error('Control has no TCP port.');
          resolve(`http://127.0.0.1:${address.port}`);
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Reads `{cloud, ...fault}`; throws a ControlError that says what is wrong with it. */
export function readInjection(value: unknown): Injection {
  const fields = readObject(value, [
    'cloud',
    'kind',
    'operation',
    'times',
    'skip',
    'chance',
    'instance',
    'code',
    'delayMs',
  ]);
  const kind = FAULT_KINDS.find((each) => each === fields['kind']);
  if (kind === undefined) throw new ControlError(`kind must be one of ${FAULT_KINDS.join(', ')}.`);
  const fault: Fault = {
    kind,
    operation: readText(fields, 'operation'),
    times: readNumber(fields, { name: 'times', least: 1, whole: true }),
  };
  if (fields['skip'] !== undefined) fault.skip = readNumber(fields, { name: 'skip', least: 0, whole: true });
  if (fields['chance'] !== undefined)
    fault.chance = readNumber(fields, { name: 'chance', least: 0, most: 1 });
  if (fields['instance'] !== undefined) fault.instance = readText(fields, 'instance');
  if (fields['code'] !== undefined) fault.code = readText(fields, 'code');
  if (fields['delayMs'] !== undefined) fault.delayMs = readNumber(fields, { name: 'delayMs', least: 0 });
  return { cloud: readCloud(fields['cloud']), fault };
}

/** What is wrong with a control request. */
export class ControlError extends Error {
  readonly status: number;

  constructor(message: string, status = 400) {
    super(message);
    this.name = 'ControlError';
    this.status = status;
  }
}

type Route = (request: { url: URL; body: string }) => Answer;

interface Answer {
  status: number;
  type: string;
  text: string;
}

function createRoutes(clouds: Record<CloudName, ControlledCloud>): ReadonlyMap<string, Route> {
  return new Map<string, Route>([
    ['GET /state', () => json({ aws: clouds.aws.state(), azure: clouds.azure.state() })],
    ['GET /log', ({ url }) => lines(clouds[readCloud(url.searchParams.get('cloud'))].log.records())],
    [
      'POST /faults',
      ({ body }) => {
        const { cloud, fault } = readInjection(parse(body));
        injectFault(clouds[cloud], fault);
        return json({ added: true });
      },
    ],
    [
      'DELETE /faults',
      () => {
        for (const cloud of Object.values(clouds)) cloud.faults.clear();
        return json({ cleared: true });
      },
    ],
    ['POST /evict', ({ body }) => evict(clouds, body)],
    ['POST /capacity', ({ body }) => limitCapacity(clouds, body)],
  ]);
}

/** Adds a fault to a cloud; throws a ControlError where that cloud cannot have it. */
export function injectFault(cloud: ControlledCloud, fault: Fault): void {
  try {
    cloud.checkFault?.(fault);
  } catch (cause) {
    throw new ControlError(cause instanceof Error ? cause.message : String(cause));
  }
  cloud.faults.add(fault);
}

async function answer(routes: ReadonlyMap<string, Route>, request: IncomingMessage): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const route = routes.get(`${request.method} ${url.pathname}`);
  try {
    if (route === undefined) throw new ControlError(`There is no ${request.method} ${url.pathname}.`, 404);
    return route({ url, body: await readBody(request) });
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    return json({ error: error.message }, error.status);
  }
}

function json(value: unknown, status = 200): Answer {
  return { status, type: 'application/json', text: JSON.stringify(value) };
}

function lines(records: readonly unknown[]): Answer {
  const text = records.map((record) => `${JSON.stringify(record)}\n`).join('');
  return { status: 200, type: 'application/x-ndjson', text };
}

function evict(clouds: Record<CloudName, ControlledCloud>, body: string): Answer {
  const fields = readObject(parse(body), ['cloud', 'instance', 'mode']);
  const name = readCloud(fields['cloud']);
  const instance = readText(fields, 'instance');
  const mode = fields['mode'] ?? 'evict';
  if (mode !== 'evict' && mode !== 'announce' && mode !== 'vanish')
    throw new ControlError('mode must be evict, announce or vanish.');
  const act = clouds[name][mode];
  if (act === undefined) throw new ControlError(`${name} knows no mode ${mode}.`);
  if (!act(instance))
    throw new ControlError(`${name} has no instance ${instance} that could be taken back.`, 404);
  return json({ evicted: instance });
}

function limitCapacity(clouds: Record<CloudName, ControlledCloud>, body: string): Answer {
  const fields = readObject(parse(body), ['cloud', 'instanceType', 'zone', 'atMost']);
  const name = readCloud(fields['cloud']);
  const limit = {
    instanceType: readText(fields, 'instanceType'),
    zone: readText(fields, 'zone'),
    atMost: readNumber(fields, { name: 'atMost', least: 0, whole: true }),
  };
  const { limitCapacity: apply } = clouds[name];
  if (apply === undefined) throw new ControlError(`${name} knows no capacity limits.`);
  apply(limit);
  return json({ limited: true });
}

const FAULT_KINDS: readonly FaultKind[] = [
  'throttled',
  'refused',
  'lost-reply',
  'operation-failed',
  'late-effect',
];

function readCloud(value: unknown): CloudName {
  if (value !== 'aws' && value !== 'azure') throw new ControlError('cloud must be aws or azure.');
  return value;
}

function readObject(value: unknown, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new ControlError('Expecting a JSON object.');
  const fields: Record<string, unknown> = { ...value };
  const unknown = Object.keys(fields).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new ControlError(`Unknown field ${unknown}; known are ${names.join(', ')}.`);
  return fields;
}

function readText(fields: Record<string, unknown>, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string' || value === '') throw new ControlError(`${name} must be a text.`);
  return value;
}

function readNumber(
  fields: Record<string, unknown>,
  {
    name,
    least,
    most = Number.MAX_SAFE_INTEGER,
    whole = false,
  }: { name: string; least: number; most?: number; whole?: boolean },
): number {
  const value = fields[name];
  const fits =
    typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value));
  if (!fits)
    throw new ControlError(`${name} must be a ${whole ? 'whole ' : ''}number from ${least} to ${most}.`);
  return value;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new ControlError(`The body is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

const MAX_BODY_BYTES = 65_536;

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) throw new ControlError('The body is too large.', 413);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

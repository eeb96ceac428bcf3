import { request } from 'node:https';

import { ComputeManagementClient } from '@azure/arm-compute';
import type { VirtualMachineScaleSetVM } from '@azure/arm-compute';
import type { NetworkManagementClient } from '@azure/arm-network';

import type { ArmAddress, ArmEmulator } from '../../../src/emulators/arm/emulator.ts';
import { createArmEmulator } from '../../../src/emulators/arm/emulator.ts';
import type { ArmOptions } from '../../../src/emulators/arm/arm-options.ts';
import { createServerCertificate } from '../../../src/emulators/arm/certificates.ts';
import { createCallLog } from '../../../src/emulators/call-log.ts';
import type { CallLog, CallRecord } from '../../../src/emulators/call-log.ts';
import { createFaults } from '../../../src/emulators/faults.ts';
import type { Faults } from '../../../src/emulators/faults.ts';
import type { Guests } from '../../../src/emulators/guests.ts';
import { createRandomness } from '../../../src/emulators/randomness.ts';
import { createScaledClock } from '../../../src/emulators/scaled-clock.ts';

/** A running emulator with the vendor's clients pointed at it. */
export interface ArmBench {
  emulator: ArmEmulator;
  address: ArmAddress;
  log: CallLog;
  faults: Faults;
  compute: ComputeManagementClient;
  /** Imported when asked for: most tests need no addresses. */
  network(): Promise<NetworkManagementClient>;
  /** A bearer token, of one credential that keeps it. */
  token(): Promise<string>;
  /** Guests that answer now: address -> how often they have booted. */
  answering: Map<string, number>;
  /** Sets the capacity under the set's present ETag and waits for the end. */
  scaleTo(capacity: number): Promise<void>;
  list(): Promise<VirtualMachineScaleSetVM[]>;
  /** Instance ids that exist, from the emulator's own count. */
  aliveIds(): string[];
  /** Moves the clock forward by so much cloud time; what is under way does not move with it. */
  skip(cloudMs: number): void;
  close(): Promise<void>;
}

export const SET = 'sandboxes';
export const GROUP = 'drover';
export const SPEED = 1000;

/** Takes so long in cloud time that no test sees the end of it. */
export const AGES_MS = 10_000_000;

/** Polling as tight as the emulator's Retry-After of 0 allows. */
export const FAST = { updateIntervalInMs: 1 };

const certificate = await createServerCertificate(Date.now());

/** Starts an emulator that has one empty scale set; nothing is throttled and no list lags unless the options say so. */
export async function startArmBench(
  options: Partial<ArmOptions> = {},
  guests?: Pick<Guests, 'open' | 'close'>,
): Promise<ArmBench> {
  const { speed = SPEED } = options;
  const randomness = createRandomness(7);
  const log = createCallLog();
  const faults = createFaults(randomness);
  const answering = new Map<string, number>();
  let skippedMs = 0;
  const emulator = createArmEmulator({
    clock: createScaledClock(speed, () => Date.now() + skippedMs),
    randomness,
    log,
    faults,
    guests: guests ?? recordingGuests(answering),
    options: {
      speed,
      certificate,
      throttling: false,
      listLag: { share: 0, ms: 0 },
      scaleSets: [{ name: SET, vmSize: 'Standard_D2ds_v5', ephemeralOsDisk: true }],
      ...options,
    },
  });
  const address = await emulator.listen(0);
  const clients = createClients(address);
  const list = async (): Promise<VirtualMachineScaleSetVM[]> => {
    const pages = clients.compute.virtualMachineScaleSetVMs.list(GROUP, SET, { expand: 'instanceView' });
    return await Array.fromAsync(pages);
  };
  return {
    emulator,
    address,
    log,
    faults,
    ...clients,
    answering,
    async scaleTo(capacity) {
      const sets = clients.compute.virtualMachineScaleSets;
      const { etag } = await sets.get(GROUP, SET);
      await sets.update(
        GROUP,
        SET,
        { sku: { name: 'Standard_D2ds_v5', capacity } },
        { ...FAST, ifMatch: etag ?? '' },
      );
    },
    list,
    aliveIds: () => emulator.state().alive.map((id) => id.split('/').at(-1) ?? ''),
    skip: (cloudMs) => void (skippedMs += cloudMs / speed),
    close: () => emulator.close(),
  };
}

function createClients(address: ArmAddress): Pick<ArmBench, 'compute' | 'network' | 'token'> {
  let kept: Promise<string> | undefined;
  const token = (): Promise<string> => (kept ??= fetchToken(address));
  const credential = {
    getToken: async () => ({ token: await token(), expiresOnTimestamp: Date.now() + 3_600_000 }),
  };
  return {
    compute: createCompute(address, credential),
    async network() {
      const { NetworkManagementClient: Client } = await import('@azure/arm-network');
      return new Client(credential, address.subscriptionId, clientOptions(address));
    },
    token,
  };
}

/** The vendor's compute client for this emulator, with any credential. */
export function createCompute(
  address: ArmAddress,
  credential: ConstructorParameters<typeof ComputeManagementClient>[0],
): ComputeManagementClient {
  return new ComputeManagementClient(credential, address.subscriptionId, clientOptions(address));
}

function clientOptions({ endpoint, caPem }: ArmAddress) {
  return { endpoint, tlsOptions: { ca: caPem }, retryOptions: { maxRetries: 0 } };
}

// Importing the vendor's credentials takes a third of a second: only the tests of the authority itself do.
async function fetchToken(address: ArmAddress): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: address.clientId,
    client_secret: address.clientSecret,
    scope: 'https://management.azure.com/.default',
  });
  const { body } = await send(address, `/${address.tenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    text: form.toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  return String(body['access_token']);
}

/** The set's resource id in lower case, as the call log writes its instances. */
export function instanceKey(bench: ArmBench, id: string): string {
  return `/subscriptions/${bench.address.subscriptionId}/resourcegroups/${GROUP}/providers/microsoft.compute/virtualmachinescalesets/${SET}/virtualmachines/${id}`;
}

/** The effects that the log holds for one instance, in order. */
export function effectsOf(bench: ArmBench, id: string): string[] {
  return bench.log
    .records()
    .flatMap((record) =>
      record.type === 'effect' && record.instance === instanceKey(bench, id) ? [record.effect] : [],
    );
}

export function callsOf(bench: ArmBench, operation: string): CallRecord[] {
  return bench.log
    .records()
    .filter((record): record is CallRecord => record.type === 'call' && record.operation === operation);
}

/** What the vendor's client throws for a refusal, reduced to what a provider reads. */
export async function refusalOf(promise: PromiseLike<unknown>): Promise<{
  code: string | undefined;
  status: number | undefined;
  message: string;
  retryAfter: string | undefined;
}> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const rest = error as Error & {
      code?: string;
      statusCode?: number;
      response?: { headers: { get(name: string): string | undefined } };
    };
    return {
      code: rest.code,
      status: rest.statusCode,
      message: rest.message,
      retryAfter: rest.response?.headers.get('retry-after'),
    };
  }
  throw new Error('It was not refused.');
}

interface RawReply {
  status: number;
  headers: Headers;
  body: Record<string, unknown> & { error?: { code?: string } };
}

/** A request without any SDK, for what the SDKs cannot be made to send. */
export async function rawRequest(
  bench: ArmBench,
  path: string,
  init: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<RawReply> {
  return await send(bench.address, path, {
    method: init.method ?? 'GET',
    text: init.body === undefined ? '' : JSON.stringify(init.body),
    headers: {
      authorization: `Bearer ${await bench.token()}`,
      'content-type': 'application/json',
      ...init.headers,
    },
  });
}

function send(
  address: ArmAddress,
  path: string,
  { method, text, headers }: { method: string; text: string; headers: Record<string, string> },
): Promise<RawReply> {
  return new Promise((resolve, reject) => {
    const options = { method, ca: address.caPem, agent: false, headers };
    const call = request(new URL(path, address.endpoint), options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const answer = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode ?? 0,
          headers: new Headers(response.headers as Record<string, string>),
          body: answer === '' ? {} : JSON.parse(answer),
        });
      });
    });
    call.on('error', reject);
    call.end(text);
  });
}

export function setPath(bench: ArmBench, suffix: string): string {
  return `/subscriptions/${bench.address.subscriptionId}/resourceGroups/${GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/${SET}${suffix}`;
}

/** Looks again every few milliseconds until `condition` holds; fails after two seconds. */
export async function eventually(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 2000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Did not come true in time: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function recordingGuests(answering: Map<string, number>): Pick<Guests, 'open' | 'close'> {
  return {
    open: async (address, identity) => void answering.set(address, identity.boots),
    close: async (address) => void answering.delete(address),
  };
}

import { writeFile } from 'node:fs/promises';

import type { CallLog } from '../call-log.ts';
import type { Fault, Faults } from '../faults.ts';
import type { Guests } from '../guests.ts';
import type { Randomness } from '../randomness.ts';
import type { ScaledClock } from '../scaled-clock.ts';
import { createAddresses } from './addresses.ts';
import { createAgenda } from './agenda.ts';
import type { Agenda } from './agenda.ts';
import { armSettings } from './arm-options.ts';
import type { ArmOptions, ArmSettings } from './arm-options.ts';
import { createAsyncOperations } from './async-operations.ts';
import { createServerCertificate } from './certificates.ts';
import { createDispatch } from './dispatch.ts';
import type { Dispatch } from './dispatch.ts';
import { createEvictions } from './eviction.ts';
import type { Evictions } from './eviction.ts';
import { checkFault } from './fault-check.ts';
import { createGuestBoots } from './guest-boots.ts';
import { createHttpsServer } from './https-server.ts';
import type { HttpsServer, RawRequest } from './https-server.ts';
import { createInstanceActions } from './instance-actions.ts';
import { createInstanceEffects } from './instance-effects.ts';
import type { InstanceEffects } from './instance-effects.ts';
import { createPace } from './pace.ts';
import { createQuotas } from './quota.ts';
import { createReads } from './reads.ts';
import type { Reply } from './reply.ts';
import { createRouter } from './router.ts';
import { armRoutes } from './routes.ts';
import type { Route } from './routes.ts';
import { createScaleSetStore } from './scale-set-store.ts';
import type { ScaleSetStore } from './scale-set-store.ts';
import { diskId, networkCardId } from './scale-set-view.ts';
import { createScaleSetWrites } from './scale-set-writes.ts';
import type { ScaleSetWrites } from './scale-set-writes.ts';
import { createScaling } from './scaling.ts';
import { createThrottles } from './throttles.ts';
import { createTokenAuthority } from './token-authority.ts';
import type { TokenAuthority } from './token-authority.ts';
import { createWriteLanes } from './write-lanes.ts';

interface ArmEmulatorDeps {
  clock: ScaledClock;
  randomness: Randomness;
  log: CallLog;
  faults: Faults;
  guests: Pick<Guests, 'open' | 'close'>;
  options: ArmOptions;
}

/** What a client needs to know; the credentials are the emulator's own. */
export interface ArmAddress {
  endpoint: string;
  /** The token authority lives on the same origin. */
  authorityHost: string;
  caPem: string;
  /** Where the authority's certificate was written; empty where the options named no file. */
  caFile: string;
  tenantId: string;
  clientId: string;
  clientSecret: string;
  subscriptionId: string;
  resourceGroup: string;
  location: string;
  /** Names of the sets that exist from the start. */
  scaleSets: string[];
}

interface ArmState {
  launched: number;
  deleted: number;
  /** Full lower-case resource ids. */
  alive: string[];
  resources: { disks: string[]; networkCards: string[]; addresses: string[] };
  resets: number;
  calls: Record<string, number>;
  throttled: number;
  faults: Record<string, number>;
}

export interface ArmEmulator {
  /** Binds 127.0.0.1; port 0 means any free one. Creates the scale sets of the options. */
  listen(port: number): Promise<ArmAddress>;
  close(): Promise<void>;
  state(): ArmState;
  /** The platform takes this instance away, now, as its policy says or altogether. False: there is none. */
  evict(instance: string, mode?: 'evict' | 'vanish'): boolean;
  /** Throws where no call could ever be hit by this fault. */
  checkFault(fault: Fault): void;
}

/** Azure Resource Manager for uniform scale sets, with a token authority of its own. */
export function createArmEmulator(deps: ArmEmulatorDeps): ArmEmulator {
  const settings = armSettings(deps.options);
  let origin = '';
  const parts = assemble(deps, settings, () => origin);
  let server: HttpsServer | undefined;
  return {
    async listen(port) {
      const certificate = deps.options.certificate ?? (await createServerCertificate(deps.clock.realMs()));
      const { caFile } = deps.options;
      if (caFile !== undefined) await writeFile(caFile, certificate.caPem);
      server = createHttpsServer(certificate, (request) => answer(parts, origin, request));
      origin = `https://127.0.0.1:${await server.listen(port)}`;
      for (const set of settings.scaleSets) parts.writes.createInitial(set);
      return { ...addressOf(settings, origin), caPem: certificate.caPem, caFile: caFile ?? '' };
    },
    async close() {
      parts.agenda.clear();
      await server?.close();
      await Promise.all(parts.store.instances().map((instance) => deps.guests.close(instance.address)));
    },
    state: () => stateOf(parts, deps.faults),
    evict: (instance, mode = 'evict') => parts.evictions.evict(instance, mode),
    checkFault: (fault) => checkFault(parts.routes, fault),
  };
}

interface Parts {
  agenda: Agenda;
  store: ScaleSetStore;
  effects: InstanceEffects;
  writes: ScaleSetWrites;
  evictions: Evictions;
  authority: TokenAuthority;
  dispatch: Dispatch;
  routes: readonly Route[];
}

function assemble(deps: ArmEmulatorDeps, settings: ArmSettings, origin: () => string): Parts {
  const { clock, randomness, log, faults, guests } = deps;
  const agenda = createAgenda(clock);
  const pace = createPace(settings.durationsMs, randomness);
  const store = createScaleSetStore({ clock, settings, addresses: createAddresses() });
  const operations = createAsyncOperations({ clock, agenda, randomness, settings });
  const boots = createGuestBoots({ agenda, guests, bootMs: () => pace('boot') });
  const effects = createInstanceEffects({ clock, log, store, boots });
  const quotas = createQuotas(store, settings);
  const scaling = createScaling({
    clock,
    agenda,
    randomness,
    settings,
    store,
    effects,
    operations,
    quotas,
    pace,
  });
  const lanes = createWriteLanes(operations, settings);
  const shared = { store, effects, operations, lanes, scaling, pace };
  const writes = createScaleSetWrites({ ...shared, settings });
  const evictions = createEvictions({ agenda, store, effects, pace });
  const authority = createTokenAuthority({ ...settings, origin, now: () => clock.realMs() });
  const reads = createReads({ clock, settings, store, operations, quotas });
  const routes = armRoutes({ reads, actions: createInstanceActions(shared), writes, evictions });
  const dispatch = createDispatch({
    clock,
    agenda,
    log,
    faults,
    settings,
    store,
    operations,
    origin,
    throttles: createThrottles(clock, settings),
    route: createRouter(routes),
    authenticate: (authorization) => authority.check(authorization),
  });
  return { agenda, store, effects, writes, evictions, authority, dispatch, routes };
}

function answer(parts: Parts, origin: string, request: RawRequest): Reply | 'hang-up' {
  const { method, target, body } = request;
  if (!URL.canParse(target, origin)) return { status: 400 };
  const token = parts.authority.answer({ method, url: new URL(target, origin), body });
  return token ?? parts.dispatch.answer(request);
}

function addressOf(settings: ArmSettings, origin: string): Omit<ArmAddress, 'caPem' | 'caFile'> {
  const { tenantId, clientId, clientSecret, subscriptionId, resourceGroup, location } = settings;
  return {
    endpoint: origin,
    authorityHost: origin,
    tenantId,
    clientId,
    clientSecret,
    subscriptionId,
    resourceGroup,
    location,
    scaleSets: settings.scaleSets.map((set) => set.name),
  };
}

function stateOf(parts: Parts, faults: Faults): ArmState {
  const instances = parts.store.instances();
  return {
    ...parts.effects.counters(),
    ...parts.dispatch.counters(),
    alive: instances.map((instance) => instance.key),
    resources: {
      disks: instances.flatMap((instance) => diskId(instance)?.toLowerCase() ?? []),
      networkCards: instances.map((instance) => networkCardId(instance).toLowerCase()),
      addresses: instances.map((instance) => instance.address),
    },
    faults: faults.hits(),
  };
}

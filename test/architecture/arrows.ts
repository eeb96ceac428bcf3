/** A part of src: a folder, or the file of that name beside it. */
export interface Part {
  /** Parts of ours that it may import, besides itself. */
  mayImport: readonly string[] | 'everything';
  why: string;
}

export const PARTS: Readonly<Record<string, Part>> = {
  fleet: { mayImport: [], why: 'the domain is pure' },
  config: { mayImport: [], why: 'settings know nothing of what they configure' },
  emulators: { mayImport: [], why: 'an emulator that shares our code shares our mistakes' },
  audit: { mayImport: [], why: 'the auditor shares no code with what it judges' },
  client: { mayImport: [], why: 'a client knows the API alone' },
  dashboard: { mayImport: [], why: 'the page runs in a browser' },
  workers: { mayImport: ['fleet'], why: 'workers know the domain and get ports' },
  http: { mayImport: ['fleet'], why: 'routes know the domain and get ports' },
  storage: { mayImport: ['fleet'], why: 'storage implements ports of the domain' },
  queues: { mayImport: ['fleet'], why: 'queues implement ports of the domain' },
  providers: { mayImport: ['fleet'], why: 'providers implement ports of the domain' },
  explore: { mayImport: ['fleet', 'workers'], why: 'the explorer drives workers over ports of its own' },
  spec: {
    mayImport: ['src/embedded/find-program.ts'],
    why: 'the checker runs models, which share no code with what they describe',
  },
  whatif: { mayImport: ['fleet'], why: 'a simulation runs the planners' },
  // The emulators' entry is the one file of theirs that may be named.
  embedded: {
    mayImport: ['src/emulators/main.ts'],
    why: 'embedded servers are used by others, not the other way round',
  },
  cli: {
    mayImport: ['main', 'client', 'audit', 'explore', 'whatif', 'spec', 'config', 'embedded'],
    why: 'commands call what main composes',
  },
  main: { mayImport: 'everything', why: 'the composition root constructs all' },
};

/** A package that only some places may name. */
export interface PackageRule {
  /** Names, or a scope that ends in `/`. */
  packages: readonly string[];
  /** Folders that end in `/`, or files. */
  onlyIn: readonly string[];
  /** Types and `import()` only: loading it costs time and memory. */
  lazily?: boolean;
}

export const PACKAGE_RULES: readonly PackageRule[] = [
  { packages: ['bullmq'], onlyIn: ['src/queues/', 'src/workers/worker-host.ts', 'src/http/board.ts'] },
  { packages: ['@azure/', '@aws-sdk/'], onlyIn: ['src/providers/'], lazily: true },
  { packages: ['@mikro-orm/'], onlyIn: ['src/storage/'] },
  { packages: ['pg'], onlyIn: ['src/storage/', 'src/embedded/'] },
  { packages: ['fastify', '@fastify/', '@bull-board/', 'prom-client'], onlyIn: ['src/http/'] },
];

/** Parts that name no package at all, node's own included. */
export const WITHOUT_PACKAGES: readonly string[] = ['fleet'];

export const READS_ENVIRONMENT = 'src/config/environment.ts';

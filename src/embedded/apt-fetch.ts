import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runBound, type BoundResult } from './bound-command.ts';
import { findProgram } from './find-program.ts';
import { SetupError } from './setup-error.ts';

export interface AptFetch {
  /** What is fetched, for people. */
  title: string;
  packageName: string;
  /** What to do where it cannot be fetched. */
  remedy: string;
  /** An existing folder that the packages are unpacked into. */
  into: string;
  searchPath: string;
  onProgress: (line: string) => void;
  signal: AbortSignal | undefined;
}

const UPDATE_WITHIN_MS = 180_000;
const DOWNLOAD_WITHIN_MS = 180_000;

interface Apt {
  /** What is told where something went wrong. */
  failed: (what: string, result: BoundResult) => SetupError;
  /** Runs a program in the working folder. */
  run: (words: readonly string[], timeoutMs: number) => Promise<BoundResult>;
  /** `apt-get` with settings that keep it to the working folder. */
  get: readonly string[];
  dpkg: string;
  work: string;
}

/**
 * Downloads a Debian package with those of its libraries that this machine lacks, and unpacks them into a folder.
 * Nothing is installed and no root is needed: apt's lists and caches are private and removed again.
 */
export async function fetchWithApt(fetch: AptFetch): Promise<void> {
  const work = await mkdtemp(join(fetch.into, 'apt-'));
  try {
    const apt = await prepare(fetch, work);
    fetch.onProgress(`${fetch.title} is not installed here: looking for it with apt-get`);
    const update = await apt.run([...apt.get, 'update'], UPDATE_WITHIN_MS);
    fetch.signal?.throwIfAborted();
    const names = await missingPackages(apt, fetch.packageName, update);
    fetch.onProgress(`fetching ${fetch.title} (${names.length} Debian packages) into a private cache`);
    const download = await apt.run([...apt.get, 'download', ...names], DOWNLOAD_WITHIN_MS);
    fetch.signal?.throwIfAborted();
    if (!download.isOk) throw apt.failed('apt-get download', download);
    await unpack(apt, fetch.into);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function prepare(fetch: AptFetch, work: string): Promise<Apt> {
  const [aptGet, dpkg] = await Promise.all(
    ['apt-get', 'dpkg'].map((name) => findProgram(name, fetch.searchPath)),
  );
  if (aptGet === undefined || dpkg === undefined) {
    throw new SetupError(
      `${fetch.title} is not installed and there is no apt-get to fetch it with: ${fetch.remedy}`,
    );
  }
  await Promise.all(
    ['lists/partial', 'cache/archives/partial'].map((name) => mkdir(join(work, name), { recursive: true })),
  );
  const settings = join(work, 'apt.conf');
  await writeFile(settings, settingsFor(work));
  const run: Apt['run'] = (words, timeoutMs) => {
    const { searchPath, signal } = fetch;
    const env = { LC_ALL: 'C', PATH: searchPath, DEBIAN_FRONTEND: 'noninteractive' };
    return runBound(words, { dieWith: 'TERM', searchPath, cwd: work, env, timeoutMs, signal });
  };
  const failed: Apt['failed'] = (what, { said }) =>
    new SetupError(
      `${fetch.title} is not installed and could not be fetched (${what} failed): ${fetch.remedy}`,
      { log: said },
    );
  return { failed, run, get: [aptGet, '-qq', `-c=${settings}`], dpkg, work };
}

/** The system's sources, keys and proxies are used as they are; its hooks are not, they change the system. */
function settingsFor(work: string): string {
  return `
    Dir::State::Lists "${work}/lists";
    Dir::Cache "${work}/cache";
    APT::Sandbox::User "root";
    APT::Architectures { "${process.arch === 'arm64' ? 'arm64' : 'amd64'}"; };
    Acquire::Languages "none";
    Acquire::Retries "2";
    Acquire::http::Timeout "20";
    Acquire::https::Timeout "20";
    Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
    Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
    #clear APT::Update::Pre-Invoke;
    #clear APT::Update::Post-Invoke;
    #clear APT::Update::Post-Invoke-Success;
  `;
}

/** One source that cannot be reached does no harm while the package is found in another. */
async function missingPackages(apt: Apt, packageName: string, update: BoundResult): Promise<string[]> {
  const plan = await apt.run(
    [...apt.get, '--simulate', 'install', '--no-install-recommends', packageName],
    60_000,
  );
  if (!plan.isOk) {
    // An unreachable source is no failure to apt-get update; why nothing was found is in its warnings.
    const said = [...update.said, ...plan.said].filter((line) => /^(E|W|Err)\b/.test(line));
    throw apt.failed('apt-get update', { ...plan, said });
  }
  const planned = [...plan.stdout.matchAll(/^Inst (\S+) /gm)].map(([, name = '']) => name);
  return [...new Set([packageName, ...planned])];
}

async function unpack(apt: Apt, into: string): Promise<void> {
  const archives = (await readdir(apt.work)).filter((name) => name.endsWith('.deb'));
  for (const archive of archives) {
    const result = await apt.run([apt.dpkg, '-x', join(apt.work, archive), into], 60_000);
    if (!result.isOk) throw apt.failed(`dpkg -x ${archive}`, result);
  }
}

/** What a program unpacked there needs in its environment to find the libraries that came with it. */
export function environmentIn(folder: string): Record<string, string> {
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const libraries = ['usr/lib', 'lib'].flatMap((base) => [join(folder, base, triplet), join(folder, base)]);
  return { LD_LIBRARY_PATH: libraries.join(':') };
}

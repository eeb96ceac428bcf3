import { readdir, readFile, readlink } from 'node:fs/promises';

/** A TCP socket that waits for connections; its inode tells it from a later one at the same port. */
export interface ListeningSocket {
  inode: string;
  /** As the kernel writes it: address and port in hexadecimal. */
  address: string;
}

/** The sockets at which these processes listen. */
export async function findListening(pids: readonly number[]): Promise<ListeningSocket[]> {
  const held = new Set((await Promise.all(pids.map(socketsOf))).flat());
  return (await allListening()).filter(({ inode }) => held.has(inode));
}

/** Which of these sockets are still open, whoever has them now. */
export async function stillListening(sockets: readonly ListeningSocket[]): Promise<ListeningSocket[]> {
  const open = new Set((await allListening()).map(({ inode }) => inode));
  return sockets.filter(({ inode }) => open.has(inode));
}

async function socketsOf(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  // A process that has gone meanwhile holds nothing.
  const names = await readdir(folder).catch((): string[] => []);
  const links = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}

const LISTEN = '0A';

async function allListening(): Promise<ListeningSocket[]> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  return tables.flatMap((table) =>
    table.split('\n').flatMap((line) => {
      const [, address, , state, , , , , , inode] = line.trim().split(/\s+/);
      return state === LISTEN && address !== undefined && inode !== undefined ? [{ inode, address }] : [];
    }),
  );
}

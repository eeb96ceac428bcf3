import type { Command } from 'commander';
import { ClientError } from '../client/client-error.ts';
import type { Client } from '../client/client.ts';
import type { Lease, Machine, Pool, TimelineEntry } from '../client/shapes.ts';
import type { CliContext } from './cli-context.ts';
import { freezeLine, hoursLines } from './brake-commands.ts';
import { connect } from './connection.ts';
import { toInteger } from './option-values.ts';
import { fields, print, table } from './print.ts';

/** Adds `pools`, `machines` and `show`. */
export function addFleetCommands(program: Command, context: CliContext): void {
  addPools(program, context);

  program
    .command('machines')
    .description('list machines')
    .option('--pool <name>', 'of this pool')
    .option('--state <state>', 'in this state; deleted ones show only so')
    .option('--set-aside', 'whose cloud refuses to delete them')
    .option('--limit <count>', 'at most this many', toInteger, MACHINES_LIMIT)
    .option('--json', 'print JSON')
    .action(
      async ({
        json,
        limit,
        ...filter
      }: {
        json?: boolean;
        limit: number;
        pool?: string;
        state?: string;
        setAside?: true;
      }) => {
        const listed = await listMachines(await connect(context), filter, limit);
        print(context, { value: listed, json, lines: machineLines });
      },
    );

  program
    .command('show')
    .description('show a machine with its timeline, or a lease')
    .argument('<id>', 'the id of a machine or a lease')
    .option('--json', 'print JSON')
    .action(async (id: string, { json }: { json?: boolean }) => {
      const found = await find(await connect(context), id);
      print(context, { value: found, json, lines: detailLines });
    });
}

function addPools(program: Command, context: CliContext): void {
  program
    .command('pools')
    .description('list pools with their machines and waiting requests')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const client = await connect(context);
      const [pools, machineHours, freezes] = await Promise.all([
        client.pools(),
        client.machineHours(),
        client.freezes(),
      ]);
      const lines = () => [
        ...poolLines(pools),
        ...hoursLines(pools, machineHours),
        ...freezes.map(freezeLine),
      ];
      print(context, { value: { pools, machineHours, freezes }, json, lines });
    });
}

const MACHINES_LIMIT = 1000;
const PAGE_LIMIT = 200;

function poolLines(pools: readonly Pool[]): string[] {
  if (pools.length === 0) return ['No pools.'];
  const lines = table(
    ['POOL', 'PLATFORM', 'ARCH', 'READY', 'LEASED', 'THERE', 'MAX', 'WAITING', ''],
    pools.map((pool) => [
      pool.name,
      pool.platform,
      pool.arch,
      String(pool.machines['ready'] ?? 0),
      String(pool.machines['leased'] ?? 0),
      String(machinesThere(pool)),
      String(pool.max),
      String(pool.leases['pending'] ?? 0),
      pool.draining ? 'draining' : '',
    ]),
  );
  return [...lines, ...pools.flatMap(haltLines), ...pools.flatMap(leftOverLines)];
}

function haltLines({ name, haltedSweeps }: Pool): string[] {
  return haltedSweeps.map(
    ({ placement, since, why, count }) =>
      `The sweep of ${name}/${placement} has halted since ${since}: it ${why}. Where that is right: drover confirm-sweep ${name} ${placement} --count ${count}`,
  );
}

function leftOverLines({ name, leftOvers }: Pool): string[] {
  return leftOvers.map(({ placement, kind, id, since, tries, failure }) => {
    const why = failure === null ? '' : `, the last time in vain: ${failure}`;
    return `Since ${since} ${kind} ${id} of ${name}/${placement} is being deleted, which no instance has. Asked for ${tries} times${why}`;
  });
}

function machinesThere(pool: Pool): number {
  const there = Object.entries(pool.machines).filter(([state]) => state !== 'deleted');
  return there.reduce((sum, [, count]) => sum + count, 0);
}

interface Machines {
  machines: Machine[];
  /** True where the limit left some out. */
  more: boolean;
}

async function listMachines(
  client: Client,
  filter: { pool?: string; state?: string; setAside?: true },
  limit: number,
): Promise<Machines> {
  const machines: Machine[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null && machines.length < limit) {
    const left = Math.min(PAGE_LIMIT, limit - machines.length);
    const page = await client.machines({ ...filter, limit: left, ...(cursor !== undefined && { cursor }) });
    machines.push(...page.machines);
    cursor = page.next;
  }
  return { machines, more: cursor !== null };
}

function machineLines({ machines, more }: Machines): string[] {
  if (machines.length === 0) return ['No machines.'];
  const rows = machines.map((machine) => [
    machine.id,
    machine.pool,
    machine.state,
    machine.stateSince,
    machine.intent?.kind ?? '-',
    machine.address ?? '-',
    troubleOf(machine),
  ]);
  const lines = table(['MACHINE', 'POOL', 'STATE', 'SINCE', 'INTENT', 'ADDRESS', 'TROUBLE'], rows);
  return more ? [...lines, 'There are more: raise --limit.'] : lines;
}

function troubleOf({ setAside, failure }: Machine): string {
  if (setAside === null) return failure ?? '';
  const { since, refusals, reason, nextTryAt } = setAside;
  const next = nextTryAt === null ? 'is being tried again' : `is tried again at ${nextTryAt}`;
  const times = refusals === 1 ? 'once' : `${refusals} times`;
  return `set aside since ${since}: its deletion was refused ${times}, ${next}; ${reason}`;
}

type Detail = (Machine & { timeline: TimelineEntry[] }) | Lease;

async function find(client: Client, id: string): Promise<Detail> {
  try {
    return await client.machine(id);
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'no_such_machine') throw error;
  }
  try {
    return await client.lease(id);
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'no_such_lease') throw error;
    throw new ClientError(`There is neither a machine nor a lease of yours with the id ${id}.`, {
      code: 'not_found',
      status: error.status,
      hint: '`drover machines` lists the machines; ended ones are kept for a while only.',
    });
  }
}

function detailLines(found: Detail): string[] {
  if (!('timeline' in found)) return fields(found);
  const { timeline, setAside, ...machine } = found;
  const rows = timeline.map((entry) => [entry.at, entry.from ?? '-', entry.to, entry.by, entry.reason ?? '']);
  const trouble = setAside === null ? {} : { trouble: troubleOf(found) };
  return [...fields({ ...machine, ...trouble }), '', ...table(['AT', 'FROM', 'TO', 'BY', 'WHY'], rows)];
}

import { Option, type Command } from 'commander';
import type { LeaseRequest, LeaseState } from '../client/shapes.ts';
import type { CliContext } from './cli-context.ts';
import { connect } from './connection.ts';
import { runUnderLease } from './lease-run.ts';
import { collect, toInteger, toSeconds } from './option-values.ts';
import { fields, print, table } from './print.ts';
import { createRunHost } from './run-host.ts';

/** Adds `lease run | request | list | show | heartbeat | lost | complete | cancel`. */
export function addLeaseCommands(program: Command, context: CliContext): void {
  const lease = program.command('lease').description('request, use and end leases on machines');
  lease.enablePositionalOptions();
  addRun(lease, context);
  addRequest(lease, context);
  addList(lease, context);
  addActs(lease, context);
}

interface Selection {
  pool?: string;
  platform?: string;
  arch?: string;
  tag?: string[];
  priority?: number;
  waitTimeout: number;
  heartbeatTimeout?: number;
  maxDuration?: number;
  onLost?: 'fail' | 'retry';
  maxRetries?: number;
  json?: boolean;
}

const WAIT_TIMEOUT_SECONDS = 15 * 60;

function addSelection(command: Command): Command {
  return command
    .option('--pool <name>', 'a pool by name')
    .option('--platform <name>', 'any pool of this platform')
    .option('--arch <name>', 'and of this architecture')
    .option('--tag <tag>', 'and with this tag; may be given several times', collect)
    .option('--priority <number>', 'higher goes first', toInteger)
    .addOption(
      new Option('--wait-timeout <duration>', 'how long it may wait for a machine')
        .argParser(toSeconds)
        .default(WAIT_TIMEOUT_SECONDS, '15m'),
    )
    .option('--heartbeat-timeout <duration>', 'how long it lives without a heartbeat', toSeconds)
    .option('--max-duration <duration>', 'how long it may be active at most', toSeconds)
    .option('--json', 'print JSON');
}

function toRequest(selection: Selection): LeaseRequest {
  const { pool, platform, arch, tag, priority, heartbeatTimeout, maxDuration, onLost, maxRetries } =
    selection;
  return {
    ...(pool !== undefined && { pool }),
    ...(platform !== undefined && { platform }),
    ...(arch !== undefined && { arch }),
    ...(tag !== undefined && { tags: tag }),
    ...(priority !== undefined && { priority }),
    waitTimeoutSeconds: selection.waitTimeout,
    ...(heartbeatTimeout !== undefined && { heartbeatTimeoutSeconds: heartbeatTimeout }),
    ...(maxDuration !== undefined && { maxDurationSeconds: maxDuration }),
    ...(onLost !== undefined && { onLost }),
    ...(maxRetries !== undefined && { maxRetries }),
  };
}

function addRun(lease: Command, context: CliContext): void {
  addSelection(lease.command('run'))
    .description('lease a machine, run a command for as long, end the lease with how it went')
    .argument('<command...>', 'what to run; put -- before it')
    .passThroughOptions()
    .addHelpText('after', RUN_HELP)
    .action(async (command: string[], selection: Selection) => {
      const client = await connect(context);
      const host = createRunHost(context, { json: selection.json === true });
      const request = toRequest(selection);
      try {
        context.exitCode = await runUnderLease({ client, host, request, command });
      } finally {
        host.close();
      }
    });
}

const RUN_HELP = `
The command finds DROVER_MACHINE_ADDRESS, DROVER_MACHINE_ID and DROVER_LEASE_ID in its environment. The lease is
completed when it exits with 0 and failed otherwise. Ctrl-C before there is a machine cancels the lease.

Exit codes: the command's own, or 128 + the number of the signal that ended it
   2  wrong arguments or settings     69  no machine in time, or no fleet     75  the lease was lost
  77  the token is not valid         126  the command cannot be run          127  there is no such command`;

/** Retries are asked for here alone: `lease run` ends with its lease, and nobody would use the next one. */
function addRequest(lease: Command, context: CliContext): void {
  addSelection(lease.command('request'))
    .description('request a lease and print it')
    .addOption(
      new Option(
        '--on-lost <what>',
        'what follows where its machine is lost: nothing, or another machine',
      ).choices(['fail', 'retry']),
    )
    .option('--max-retries <number>', 'how often at most, with --on-lost retry', toInteger)
    .option('--idempotency-key <key>', 'the same key gives the same lease again')
    .option('--wait', 'wait until it has a machine or has ended')
    .action(async (selection: Selection & { idempotencyKey?: string; wait?: boolean }) => {
      const client = await connect(context);
      const { idempotencyKey, json } = selection;
      const requested = await client.requestLease(toRequest(selection), {
        ...(idempotencyKey !== undefined && { idempotencyKey }),
      });
      const timeoutMs = (selection.waitTimeout + LATE_SECONDS) * 1000;
      const value =
        selection.wait === true ? await client.waitForLease(requested.id, { timeoutMs }) : requested;
      print(context, { value, json, lines: fields });
    });
}

/** The fleet ends a lease that waited too long within a round of its own after that. */
const LATE_SECONDS = 60;

function addList(lease: Command, context: CliContext): void {
  lease
    .command('list')
    .description('list your leases, the newest first')
    .option('--state <state>', 'in this state')
    .option('--pool <name>', 'of this pool')
    .option('--limit <count>', 'at most this many, up to 200', toInteger, 50)
    .option('--json', 'print JSON')
    .action(async (options: { state?: LeaseState; pool?: string; limit: number; json?: boolean }) => {
      const { json, ...filter } = options;
      const value = await (await connect(context)).leases(filter);
      const rows = value.leases.map((each) => [
        each.id,
        each.state,
        each.requestedAt,
        each.pool ?? each.pools.join(','),
        each.machine ?? '-',
        each.reason ?? '',
      ]);
      const lines = () => table(['LEASE', 'STATE', 'REQUESTED', 'POOL', 'MACHINE', 'WHY'], rows);
      print(context, { value, json, lines });
    });
}

function addActs(lease: Command, context: CliContext): void {
  const add = (name: string, description: string) =>
    lease.command(name).description(description).argument('<id>', 'the lease').option('--json', 'print JSON');

  add('show', 'show a lease').action(async (id: string, { json }: { json?: boolean }) => {
    print(context, { value: await (await connect(context)).lease(id), json, lines: fields });
  });
  add('heartbeat', 'keep a lease').action(async (id: string, { json }: { json?: boolean }) => {
    print(context, { value: await (await connect(context)).heartbeat(id), json, lines: fields });
  });
  add('cancel', 'withdraw a lease').action(async (id: string, { json }: { json?: boolean }) => {
    print(context, { value: await (await connect(context)).cancel(id), json, lines: fields });
  });
  add('lost', 'tell that the cloud takes its machine away').action(
    async (id: string, { json }: { json?: boolean }) => {
      print(context, { value: await (await connect(context)).lose(id), json, lines: fields });
    },
  );
  add('complete', 'end a lease')
    .option('--failed', 'its work failed')
    .action(async (id: string, { json, failed }: { json?: boolean; failed?: boolean }) => {
      const outcome = failed === true ? 'failed' : 'completed';
      print(context, { value: await (await connect(context)).complete(id, outcome), json, lines: fields });
    });
}

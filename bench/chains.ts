import { Redis } from 'ioredis';
import { CATALOGUE } from '../src/queues/catalogue.ts';
import { createBareSide, type Side } from './bare-chains.ts';
import type { BenchOptions, Benchmark } from './benchmark.ts';
import { createFleetSide } from './fleet-chains.ts';
import { type Cost, type Meter, openMeter } from './meter.ts';
import type { Measured } from './report.ts';
import { median, spread } from './statistics.ts';

interface Round {
  perSecond: number;
  cost: Cost;
}
type Pair = Record<'ours' | 'bare', Round>;

/**
 * Stop, release and delete with every fence on, against the same chains of jobs in BullMQ that do nothing: in pairs
 * one right after the other, because a shared machine is never equally fast for long.
 */
export const chains: Benchmark = async (servers, options) => {
  const watcher = new Redis(servers.redisUrl, { maxRetriesPerRequest: null });
  const meter = await openMeter({ ...servers, ignored: new Set([watcher]) });
  const ours = await createFleetSide({ ...servers, watcher });
  const bare = await createBareSide({ ...servers, prefix: `${servers.prefix}_bare`, watcher });
  try {
    await runPair({ ours, bare, meter, options, index: 0 });
    const pairs: Pair[] = [];
    for (let index = 0; index < options.pairs; index += 1) {
      const pair = await runPair({ ours, bare, meter, options, index });
      pairs.push(pair);
      options.say(`pair ${index + 1} of ${options.pairs}: ${sayPair(pair)}`);
    }
    return toMeasured(pairs, options);
  } finally {
    await ours.close();
    await bare.close();
    await meter.close();
    watcher.disconnect();
  }
};

async function runPair(on: {
  ours: Side;
  bare: Side;
  meter: Meter;
  options: BenchOptions;
  index: number;
}): Promise<Pair> {
  const { ours, bare, meter, options } = on;
  await ours.prepare(options.size);
  const round = (side: Side): Promise<Round> => runRound(side, meter, options.size);
  if (on.index % 2 === 0) return { bare: await round(bare), ours: await round(ours) };
  return { ours: await round(ours), bare: await round(bare) };
}

async function runRound(side: Side, meter: Meter, size: number): Promise<Round> {
  let seconds = 0;
  const cost = await meter.measure(async () => {
    const startedMs = performance.now();
    await side.run(size);
    seconds = (performance.now() - startedMs) / 1000;
  });
  return { perSecond: size / seconds, cost };
}

function sayPair({ ours, bare }: Pair): string {
  const rates = `${ours.perSecond.toFixed(0)} chains/s, bare BullMQ ${bare.perSecond.toFixed(0)}`;
  return `${rates}, ratio ${(ours.perSecond / bare.perSecond).toFixed(3)}`;
}

function toMeasured(pairs: readonly Pair[], options: BenchOptions): Measured {
  const ratios = pairs.map(({ ours, bare }) => ours.perSecond / bare.perSecond);
  return {
    ratio: { bullmq: median(ratios) },
    figures: {
      pairs: pairs.length,
      chainsPerRound: options.size,
      concurrency: CATALOGUE.stop.concurrency,
      ratioMin: Math.min(...ratios),
      ratioMax: Math.max(...ratios),
      ...sideFigures(
        'ours',
        pairs.map(({ ours }) => ours),
        options.size,
      ),
      ...sideFigures(
        'bare',
        pairs.map(({ bare }) => bare),
        options.size,
      ),
    },
  };
}

/** What is counted per chain, and the name it is reported under. */
const COSTS = {
  statements: ['StatementsPerChain', 1],
  commands: ['CommandsPerChain', 1],
  commandsExecuted: ['CommandsExecutedPerChain', 1],
  nodeCpuMs: ['NodeCpuMicrosPerChain', 1000],
  postgresCpuMs: ['PostgresCpuMicrosPerChain', 1000],
  redisCpuMs: ['RedisCpuMicrosPerChain', 1000],
} as const satisfies Record<keyof Cost, readonly [string, number]>;

function sideFigures(side: 'ours' | 'bare', rounds: readonly Round[], size: number): Record<string, number> {
  const figures = spread(
    `${side}ChainsPerSecond`,
    rounds.map((round) => round.perSecond),
  );
  for (const [name, [ending, factor]] of Object.entries(COSTS)) {
    const used = rounds.map((round) => round.cost[name as keyof Cost]).filter((each) => each !== undefined);
    // A server elsewhere does not tell what CPU it used: what is not known is left out.
    if (used.length === rounds.length) figures[`${side}${ending}`] = (median(used) * factor) / size;
  }
  return figures;
}

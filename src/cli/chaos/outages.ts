export type Server = 'postgres' | 'redis';

export interface Span {
  fromMs: number;
  toMs: number;
}

/** When PostgreSQL or Redis was away, in milliseconds since the epoch. */
export interface Outages {
  /** Begins one; call what it answers when the server answers again. */
  begin(server: Server): () => void;
  /** All there were, by server; one that goes on ends now. */
  spans(): Readonly<Record<Server, readonly Span[]>>;
}

export function createOutages(now: () => number): Outages {
  const open = new Map<Span, Server>();
  const ended: Record<Server, Span[]> = { postgres: [], redis: [] };
  return {
    begin(server) {
      const span: Span = { fromMs: now(), toMs: now() };
      open.set(span, server);
      return () => {
        if (!open.delete(span)) return;
        ended[server].push({ ...span, toMs: now() });
      };
    },
    spans() {
      const going = (server: Server): Span[] =>
        [...open].filter(([, of]) => of === server).map(([span]) => ({ ...span, toMs: now() }));
      return {
        postgres: [...ended.postgres, ...going('postgres')],
        redis: [...ended.redis, ...going('redis')],
      };
    },
  };
}

/** Spans that touch or overlap as one, in order. */
export function merge(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = merged.at(-1);
    if (last !== undefined && span.fromMs <= last.toMs) last.toMs = Math.max(last.toMs, span.toMs);
    else merged.push({ ...span });
  }
  return merged;
}

/** How much of a span lies outside of all merged ones, in milliseconds. */
export function outsideMs(span: Span, merged: readonly Span[]): number {
  const within = merged.reduce(
    (sum, each) => sum + Math.max(0, Math.min(span.toMs, each.toMs) - Math.max(span.fromMs, each.fromMs)),
    0,
  );
  return Math.max(0, span.toMs - span.fromMs - within);
}

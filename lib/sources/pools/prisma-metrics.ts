/**
 * Stage 1, MEASURE: the pool inside the native engine of Prisma 6, as far as its metrics tell (preview feature `metrics`):
 * figures of the whole, no connections. They come from the engine in this process, asynchronously: no query is sent.
 * Names and meanings are those of Prisma's page "Metrics".
 */
import { availableParallelism } from 'node:os';
import type { Borrowing, Gauges, PoolAdapter, PoolEvents } from './adapter.js';
import { can, peek, peekList, peekNumber, peekObject } from './duck.js';
import type { Target } from './reach.js';
import { targetOf } from './target.js';

interface PrismaClient {
  readonly $metrics: { json(): Promise<unknown> };
  $queryRawUnsafe(query: string): Promise<unknown>;
}

/** Movements told of one look: whoever counts them must not be flooded after a pause. */
const MOST_TOLD = 1_000;

/** A client of Prisma 6 that has metrics; `null` for anything else. */
export function recognizePrismaMetrics(value: unknown): PoolAdapter | null {
  if (!can(value, '$connect', '$disconnect', '$queryRawUnsafe')) return null;
  const metrics = peekObject(value, '$metrics');
  return metrics && can(metrics, 'json') ? new PrismaMetricsAdapter(value as PrismaClient) : null;
}

class PrismaMetricsAdapter implements PoolAdapter {
  readonly driver = 'prisma/engine';
  readonly pool: object;
  private readonly url: string | undefined;
  private events: PoolEvents | null = null;
  private figures: Figures | null = null;
  private isLooking = false;

  constructor(private readonly client: PrismaClient) {
    this.pool = client;
    this.url = urlOf(client);
  }

  gauges(): Gauges {
    this.look();
    const { busy = 0, idle = 0, open = 0, waiting = 0 } = this.figures ?? {};
    // The default limit goes by cores that we cannot count: an engine that lets callers wait and opens nothing is full.
    const isFull = waiting > 0 && idle === 0 && open === busy && open > 0;
    return {
      max: isFull ? open : Math.max(this.limit, open),
      used: busy,
      idle,
      opening: Math.max(0, open - busy - idle),
      waiting,
    };
  }

  waiting(): number {
    return this.figures?.waiting ?? 0;
  }

  used(): readonly object[] {
    return [];
  }

  waiters(): readonly object[] {
    return [];
  }

  dead(): number {
    return 0;
  }

  target(): Target | null {
    const url = this.url ?? '';
    const protocol = url.startsWith('postgres') ? 'pg' : url.startsWith('mysql') ? 'mysql' : 'tcp';
    return targetOf(this.url, protocol);
  }

  attach(events: PoolEvents): () => void {
    this.events = events;
    return () => (this.events = null);
  }

  borrow(): Borrowing {
    return { granted: Promise.resolve(this.client), isCrowdedOut: () => false, withdraw: () => {} };
  }

  ask(): Promise<unknown> {
    return this.client.$queryRawUnsafe('SELECT 1');
  }

  giveBack(): void {}

  /** The connection is the engine's, which has a time limit of its own for it. */
  discard(): void {}

  /** `connection_limit` of the URL, or Prisma's own default. */
  private get limit(): number {
    const given = Number(/[?&]connection_limit=(\d+)/.exec(this.url ?? '')?.[1]);
    return given > 0 ? given : availableParallelism() * 2 + 1;
  }

  /** One look at a time; what it finds is told at the next sample. */
  private look(): void {
    if (this.isLooking) return;
    this.isLooking = true;
    const over = (): void => void (this.isLooking = false);
    this.client.$metrics
      .json()
      .then(
        (metrics) => this.take(figuresOf(metrics)),
        () => {},
      )
      .then(over, over);
  }

  private take(now: Figures): void {
    const { figures: before, events } = this;
    this.figures = now;
    if (!before || !events) return;
    const queries = now.queries - before.queries;
    const waits = now.waits - before.waits;
    const waitMs = waits > 0 ? (now.waitedMs - before.waitedMs) / waits : null;
    for (let i = 0; i < Math.min(queries, MOST_TOLD); i++) {
      const connection = {};
      events.checkout(connection, waitMs);
      events.checkin(connection, undefined);
    }
    if (queries > 0) events.answer((now.queriedMs - before.queriedMs) / queries);
    for (let i = before.opened; i < Math.min(now.opened, before.opened + MOST_TOLD); i++) events.opened();
  }
}

interface Figures {
  readonly open: number;
  readonly busy: number;
  readonly idle: number;
  readonly waiting: number;
  /** Since the start of the engine, as the rest. */
  readonly opened: number;
  readonly queries: number;
  readonly queriedMs: number;
  readonly waits: number;
  readonly waitedMs: number;
}

function figuresOf(metrics: unknown): Figures {
  const value = (kind: string, key: string): unknown =>
    peek(
      peekList(metrics, kind).find((one) => peek(one, 'key') === key),
      'value',
    );
  const gauge = (key: string): number =>
    Math.max(0, peekNumber({ value: value('gauges', key) }, ['value'], 0));
  const histogram = (key: string, part: 'sum' | 'count'): number =>
    peekNumber(value('histograms', key), [part], 0);
  return {
    open: gauge('prisma_pool_connections_open'),
    busy: gauge('prisma_pool_connections_busy'),
    idle: gauge('prisma_pool_connections_idle'),
    waiting: gauge('prisma_client_queries_wait'),
    opened: peekNumber({ value: value('counters', 'prisma_pool_connections_opened_total') }, ['value'], 0),
    queries: histogram('prisma_datasource_queries_duration_histogram_ms', 'count'),
    queriedMs: histogram('prisma_datasource_queries_duration_histogram_ms', 'sum'),
    waits: histogram('prisma_client_queries_wait_histogram_ms', 'count'),
    waitedMs: histogram('prisma_client_queries_wait_histogram_ms', 'sum'),
  };
}

/** Of the first data source: the one that the code overrides, or the one of the schema, by its variable or as it stands. */
function urlOf(client: unknown): string | undefined {
  const config = peekObject(client, '_engineConfig');
  const first = (sources: unknown): unknown => Object.values(peekObject({ sources }, 'sources') ?? {})[0];
  const overridden = peek(first(peek(config, 'overrideDatasources')), 'url');
  const inline = peekObject(first(peek(config, 'inlineDatasources')), 'url');
  const variable = peek(inline, 'fromEnvVar');
  const found =
    overridden ?? peek(inline, 'value') ?? (typeof variable === 'string' ? process.env[variable] : undefined);
  return typeof found === 'string' ? found : undefined;
}

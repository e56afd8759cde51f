/**
 * Stage 1, MEASURE: Knex, whatever the dialect, over its tarn pool or over a driver's own pool given to it. It listens
 * to the client's query events.
 */
import { performance } from 'node:perf_hooks';
import type { PoolAdapter, PoolEvents, Recognizer } from './adapter.js';
import { can, listen, peek, peekObject, type Emitter, type Listeners } from './duck.js';
import { renamed } from './renamed.js';
import { isTarn, TarnAdapter, type TarnPool } from './tarn.js';
import type { Target } from './reach.js';

interface KnexClient extends Emitter {
  _query?(connection: object, query: { sql: string; bindings: unknown[] }): Promise<unknown>;
  raw(sql: string): { connection(connection: object): Promise<unknown> };
}

/** Queries that end without an answer event, streams for one, are forgotten beyond this many under way. */
const MAX_TIMED = 1_000;

/**
 * Recognizes a Knex instance, with or without a pool at present; `recognizeNative` is asked about a driver's own
 * pool given to Knex as `connectionPool`. A transaction is not a pool.
 */
export function recognizeKnex(value: unknown, recognizeNative: Recognizer): PoolAdapter | null {
  if (typeof value !== 'function' || peek(value, 'isTransaction') === true) return null;
  const client = peekObject(value, 'client');
  if (!client || !can(value, 'raw', 'destroy') || !can(client, 'acquireConnection', 'on', 'removeListener'))
    return null;
  const pool = peekObject(client, 'pool');
  if (pool && !isTarn(pool)) {
    const native = recognizeNative(peek(client, 'config', 'connectionPool'));
    return native && renamed(native, `knex/${native.driver}`);
  }
  const isLive = pool !== null && peek(pool, 'destroyed') !== true;
  return new KnexAdapter(client as KnexClient, isLive ? (pool as TarnPool) : null);
}

class KnexAdapter extends TarnAdapter {
  readonly driver: string;
  protected readonly protocol: Target['protocol'];

  constructor(
    private readonly client: KnexClient,
    pool: TarnPool | null,
  ) {
    super(pool);
    const name = String(peek(client, 'driverName') ?? peek(client, 'dialect') ?? 'unknown');
    this.driver = `knex/${name}`;
    this.protocol =
      name === 'pg' || name === 'pgnative' ? 'pg' : /^m(ysql|ariadb)/.test(name) ? 'mysql' : 'tcp';
  }

  override attach(events: PoolEvents): () => void {
    const ends = [super.attach(events), listen(this.client, queryListeners(events))];
    return () => ends.forEach((end) => end());
  }

  ask(connection: object): Promise<unknown> {
    const sql = /oracle/.test(String(peek(this.client, 'dialect'))) ? 'select 1 from dual' : 'select 1';
    // Below the events: the host's query log and metrics do not see our ping.
    if (can(this.client, '_query'))
      return Promise.resolve(this.client._query!(connection, { sql, bindings: [] }));
    return Promise.resolve(this.client.raw(sql).connection(connection));
  }

  protected settings(): unknown {
    return peek(this.client, 'connectionSettings') ?? peek(this.client, 'config', 'connection');
  }

  protected condemn(connection: object, why: Error): void {
    // Knex's own mark, which its validation looks at.
    (connection as { __knex__disposed?: unknown }).__knex__disposed = why;
  }
}

function queryListeners(events: PoolEvents): Listeners {
  const startedAt = new Map<unknown, number>();
  const take = (query: unknown): number | null => {
    const id = peek(query, '__knexQueryUid');
    const at = startedAt.get(id);
    startedAt.delete(id);
    return at === undefined ? null : performance.now() - at;
  };
  return {
    query: (query: unknown) => {
      const id = peek(query, '__knexQueryUid');
      if (id === undefined) return;
      if (startedAt.size >= MAX_TIMED) startedAt.delete(startedAt.keys().next().value);
      startedAt.set(id, performance.now());
    },
    'query-response': (_response: unknown, query: unknown) => events.answer(take(query)),
    'query-error': (error: unknown, query: unknown) => {
      take(query);
      events.queryFailure(error);
    },
  };
}

/**
 * Stage 1, MEASURE: the queries that Knex has under way, by the events of its client. It knows no pool.
 */
import { performance } from 'node:perf_hooks';
import type { PoolEvents } from './adapter.js';
import { peek, type Listeners } from './duck.js';

/** Queries that end without an answer event, streams for one, are forgotten beyond this many under way. */
const MAX_TIMED = 1_000;

/** The queries under way, by Knex's own events. They name a connection by its `__knexUid`. */
export class Queries {
  private readonly connections = new Map<unknown, object>();
  private readonly startedAt = new Map<unknown, { readonly at: number; readonly on: unknown }>();

  /** The connection went out. */
  begin(connection: object): void {
    this.connections.set(peek(connection, '__knexUid'), connection);
  }

  /** It came back; what ends without an answer event, a stream for one, ends here. */
  end(connection: object): void {
    const uid = peek(connection, '__knexUid');
    this.connections.delete(uid);
    for (const [id, { on }] of this.startedAt) if (on === uid) this.startedAt.delete(id);
  }

  isBusy(connection: object): boolean {
    const uid = peek(connection, '__knexUid');
    return [...this.startedAt.values()].some(({ on }) => on === uid);
  }

  listeners(events: PoolEvents): Listeners {
    return {
      query: (query: unknown) => {
        const id = peek(query, '__knexQueryUid');
        if (id === undefined) return;
        if (this.startedAt.size >= MAX_TIMED) this.startedAt.delete(this.startedAt.keys().next().value);
        this.startedAt.set(id, { at: performance.now(), on: peek(query, '__knexUid') });
      },
      'query-response': (_response: unknown, query: unknown) =>
        events.answer(this.take(query), this.connectionOf(query)),
      'query-error': (error: unknown, query: unknown) => {
        this.take(query);
        events.queryFailure(error, this.connectionOf(query));
      },
    };
  }

  private connectionOf(query: unknown): object | undefined {
    return this.connections.get(peek(query, '__knexUid'));
  }

  private take(query: unknown): number | null {
    const id = peek(query, '__knexQueryUid');
    const started = this.startedAt.get(id);
    this.startedAt.delete(id);
    return started ? performance.now() - started.at : null;
  }
}

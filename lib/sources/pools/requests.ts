/**
 * Stage 1, MEASURE: hearing the calls by which the host asks a pool for a connection: how long each waited, who made it,
 * and how it ended where it ended without one.
 */
import { performance } from 'node:perf_hooks';
import type { PoolAdapter, PoolEvents } from './adapter.js';
import { isAcquireTimeout, isOpeningFailure } from './duck.js';
import { ended, quietly, shadow } from './shadow.js';

type Follow = Parameters<NonNullable<PoolAdapter['followCheckouts']>>;
type Call = (args: unknown[]) => unknown;

/** What of a call is not alike in all drivers. */
export interface Manner {
  /** Was this call heard before? */
  readonly isHeard?: (args: readonly unknown[]) => boolean;
  /** Makes the call, where that is not all there is to do. */
  readonly make?: (call: Call, args: unknown[]) => unknown;
  /** The connection that the answer stands for, told before anybody else is. Default: the answer. */
  readonly connectionOf?: (answer: unknown) => object | null;
  /** What the pool has events for: that is not told twice. */
  readonly hasEvents?: { readonly checkout?: true; readonly createFailure?: true };
}

/** The requests of one pool. */
export class Requests {
  private follow: Follow | null = null;
  private isOurs = false;

  /** Covers `pool[name]`, which asks for a connection; the answer uncovers it. */
  hear(pool: object, name: string, events: PoolEvents, manner: Manner = {}): () => void {
    return shadow(pool, name, (call, args) => {
      if (this.isOurs || manner.isHeard?.(args)) return call(args);
      const askedAt = performance.now();
      const [asked, got] = this.follow ?? [];
      const by = (asked && quietly(asked)) ?? null;
      const making = (given: unknown[]): unknown => (manner.make ? manner.make(call, given) : call(given));
      return ended(making, args, (error, answer) => {
        if (error) return failed(error, events, manner);
        const connection = manner.connectionOf ? manner.connectionOf(answer) : (answer as object);
        if (!connection) return;
        if (!manner.hasEvents?.checkout) events.checkout(connection, performance.now() - askedAt);
        got?.(connection, by);
      });
    });
  }

  /** A call that `ask` makes is our own, and passes unheard. */
  unheard<T>(ask: () => T): T {
    this.isOurs = true;
    try {
      return ask();
    } finally {
      this.isOurs = false;
    }
  }

  /** `followCheckouts` of a pool whose calls are heard. */
  readonly followed = (...follow: Follow): (() => void) => {
    this.follow = follow;
    return () => {
      if (this.follow === follow) this.follow = null;
    };
  };
}

function failed(error: unknown, events: PoolEvents, { hasEvents }: Manner): void {
  if (isAcquireTimeout(error)) events.timeout();
  if (!hasEvents?.createFailure && isOpeningFailure(error)) events.createFailure(error);
}

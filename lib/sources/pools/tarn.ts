/**
 * Stage 1, MEASURE: a tarn pool, which Knex and mssql keep their connections in. It reads the pool's lists and listens
 * to its events; tarn's `timestamp` of a used resource is not read: it is the time the resource became free.
 */
import { performance } from 'node:perf_hooks';
import type { Borrowing, Gauges, PoolAdapter, PoolEvents } from './adapter.js';
import {
  can,
  cut,
  isDead,
  listen,
  peek,
  peekList,
  peekNumber,
  peekObject,
  type Emitter,
  type Listeners,
} from './duck.js';
import { targetOf, targetOfConnection } from './target.js';
import type { Target } from './reach.js';

interface Pending {
  readonly promise: Promise<object>;
  abort(): void;
}

export interface TarnPool extends Emitter {
  acquire(): Pending;
  release(connection: object): boolean;
}

export function isTarn(pool: unknown): pool is TarnPool {
  return can(pool, 'acquire', 'release', 'numUsed', 'numFree', 'numPendingAcquires', 'numPendingCreates');
}

/** What the two users of tarn have in common. */
export abstract class TarnAdapter implements PoolAdapter {
  abstract readonly driver: string;
  protected abstract readonly protocol: Target['protocol'];
  private isBorrowing = false;
  private ownRequest: unknown = null;
  private ownPending: Pending | null = null;
  private ownConnection: object | null = null;

  constructor(readonly pool: TarnPool | null) {}

  abstract ask(connection: object): Promise<unknown>;
  /** What the driver was told about where to connect. */
  protected abstract settings(): unknown;
  /** Marks a connection so that the pool takes it out instead of handing it out again. */
  protected abstract condemn(connection: object, why: Error): void;

  gauges(): Gauges {
    return {
      max: peekNumber(this.pool, ['max'], 0),
      used: this.used().length,
      idle: peekList(this.pool, 'free').length,
      opening: peekList(this.pool, 'pendingCreates').length,
      waiting: this.waiting(),
    };
  }

  used(): readonly object[] {
    return peekList(this.pool, 'used')
      .map((held) => peekObject(held, 'resource'))
      .filter((connection) => connection !== null && connection !== this.ownConnection) as object[];
  }

  waiting(): number {
    return this.waiters().length;
  }

  waiters(): readonly object[] {
    return peekList(this.pool, 'pendingAcquires').filter((pending) => pending !== this.ownPending);
  }

  dead(): number {
    // A connection that breaks while it is free stays in the pool until somebody acquires it.
    const free = peekList(this.pool, 'free').map((held) => peekObject(held, 'resource'));
    return [...this.used(), ...free].filter((connection) => connection !== null && isDead(connection)).length;
  }

  target(): Target | null {
    const held = [...peekList(this.pool, 'used'), ...peekList(this.pool, 'free')][0];
    const connection = peekObject(held, 'resource');
    return (
      targetOf(this.settings(), this.protocol) ??
      (connection ? targetOfConnection(connection, this.protocol) : null)
    );
  }

  attach(events: PoolEvents): () => void {
    return listen(this.pool, this.poolListeners(events));
  }

  borrow(): Borrowing {
    const pool = this.pool!;
    this.isBorrowing = true;
    let pending: Pending;
    try {
      pending = pool.acquire();
    } finally {
      this.isBorrowing = false;
    }
    this.ownPending = pending;
    // Validated first, it counts as used from now on.
    const isValidated = peekList(pool, 'pendingValidations').includes(pending);
    if (isValidated) this.ownConnection = peekObject(peekList(pool, 'used').at(-1), 'resource');
    const done = (): void => {
      this.ownPending = null;
    };
    pending.promise.then(done, () => {
      done();
      this.ownConnection = null;
    });
    return {
      granted: pending.promise,
      isCrowdedOut: () => this.gauges().used >= peekNumber(pool, ['max'], 0),
      withdraw: () => pending.abort(),
    };
  }

  giveBack(connection: object): void {
    this.pool!.release(connection);
    this.ownConnection = null;
  }

  discard(connection: object, why: Error): void {
    this.condemn(connection, why);
    this.giveBack(connection);
    cut(connection);
  }

  private poolListeners(events: PoolEvents): Listeners {
    const requests = new Map<unknown, number>();
    return {
      acquireRequest: (id: unknown) => {
        if (this.isBorrowing) this.ownRequest = id;
        else requests.set(id, performance.now());
      },
      acquireSuccess: (id: unknown, connection: unknown) => {
        if (id === this.ownRequest) {
          this.ownConnection = connection as object;
          return;
        }
        const requestedAt = requests.get(id);
        requests.delete(id);
        const waitMs = requestedAt === undefined ? null : performance.now() - requestedAt;
        events.checkout(connection as object, waitMs);
      },
      acquireFail: (id: unknown) => void requests.delete(id),
      release: (connection: unknown) => {
        if (connection === this.ownConnection) return;
        events.checkin(connection as object, peek(connection, '__knex__disposed'));
      },
      createSuccess: () => events.opened(),
      createFail: (_id: unknown, error: unknown) => {
        // Nobody of the host waits: it was opened for our ping.
        if (this.ownPending === null || this.waiting() > 0) events.createFailure(error);
      },
    };
  }
}

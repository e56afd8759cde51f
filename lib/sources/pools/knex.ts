/**
 * Stage 1, MEASURE: Knex over its tarn pool, whatever the dialect. It reads the pool's lists and listens to its
 * events and to the client's query events; tarn's `timestamp` of a used resource is not read: it is the time the
 * resource became free.
 */
import { performance } from 'node:perf_hooks';
import type { Borrowing, Gauges, PoolAdapter, PoolEvents, Recognizer, Settings, Traffic } from './adapter.js';
import { remembering } from './checkout-callers.js';
import {
  can,
  isAcquireTimeout,
  isDead,
  listen,
  peek,
  peekList,
  peekNumber,
  peekObject,
  socketOf,
  type Emitter,
  type Listeners,
} from './duck.js';
import { Queries } from './knex-queries.js';
import { renamed } from './renamed.js';
import { trafficOf } from './silence.js';
import { targetOf, targetOfConnection, withPrelogin } from './target.js';
import type { Target } from './reach.js';

interface Pending {
  readonly promise: Promise<object>;
  abort(): void;
}

export interface TarnPool extends Emitter {
  acquire(): Pending;
  release(connection: object): boolean;
  /** As its own reaper does it. */
  _destroy?(connection: object): unknown;
}

export interface KnexClient extends Emitter {
  _query?(connection: object, query: { sql: string; bindings: unknown[] }): Promise<unknown>;
  raw(sql: string): { connection(connection: object): Promise<unknown> };
  transaction?(...args: unknown[]): unknown;
}

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

/** Is this a pool of tarn, which Knex and mssql keep their connections in? */
export function isTarn(pool: unknown): pool is TarnPool {
  return can(pool, 'acquire', 'release', 'numUsed', 'numFree', 'numPendingAcquires', 'numPendingCreates');
}

/** A tarn pool, with the client that fills it. */
export class KnexAdapter implements PoolAdapter {
  readonly driver: string;
  private readonly protocol: Target['protocol'];
  private isBorrowing = false;
  private ownRequest: unknown = null;
  private ownPending: Pending | null = null;
  private ownConnection: object | null = null;
  private readonly queries = new Queries();

  constructor(
    private readonly client: KnexClient,
    readonly pool: TarnPool | null,
  ) {
    const name = String(peek(client, 'driverName') ?? peek(client, 'dialect') ?? 'unknown');
    this.driver = `knex/${name}`;
    this.protocol =
      name === 'pg' || name === 'pgnative'
        ? 'pg'
        : /^(mysql|mariadb)/.test(name)
          ? 'mysql'
          : name.startsWith('oracle')
            ? 'tns'
            : 'tcp';
  }

  settings(): Settings {
    const { client, pool } = this;
    return { connection: peek(client, 'connectionSettings'), pool, client };
  }

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
    return [...this.used(), ...this.idle()].filter(isDead).length;
  }

  idle(): readonly object[] {
    return peekList(this.pool, 'free')
      .map((held) => peekObject(held, 'resource'))
      .filter((connection) => connection !== null);
  }

  retire(connection: object): boolean {
    const free = peek(this.pool, 'free');
    const place = Array.isArray(free) ? free.findIndex((held) => peek(held, 'resource') === connection) : -1;
    if (place < 0 || !can(this.pool, '_destroy')) return false;
    const [held] = (free as unknown[]).splice(place, 1);
    if (can(held, 'settle')) (held as { settle(): void }).settle();
    void Promise.resolve(this.pool!._destroy!(connection)).catch(() => {});
    return true;
  }

  traffic(connection: object): Traffic | null {
    const traffic = trafficOf(connection);
    if (!traffic) return null;
    const { moved, bytesRead, isBusy } = traffic;
    return { moved, bytesRead, isBusy: isBusy ?? this.queries.isBusy(connection) };
  }

  followCheckouts(
    asked: () => string | null,
    got: (connection: object, by: string | null) => void,
  ): () => void {
    const requests = new Map<unknown, string | null>();
    const end = listen(this.pool, {
      acquireRequest: (id: unknown) => void (this.isBorrowing || requests.set(id, asked())),
      acquireSuccess: (id: unknown, connection: unknown) => {
        if (requests.has(id)) got(connection as object, requests.get(id)!);
        requests.delete(id);
      },
      acquireFail: (id: unknown) => void requests.delete(id),
    });
    const endTransactions = this.rememberTransactions();
    return () => {
      end();
      endTransactions();
    };
  }

  /** A transaction asks for its connection in a later turn, when whoever began it is not on the stack any more. */
  private rememberTransactions(): () => void {
    const { client } = this;
    const theirs = client.transaction;
    if (typeof theirs !== 'function' || Object.hasOwn(client, 'transaction')) return () => {};
    const ours = function (this: unknown, ...args: unknown[]): unknown {
      return remembering(() => theirs.apply(this, args));
    };
    client.transaction = ours;
    return () => {
      if (client.transaction === ours) delete client.transaction;
    };
  }

  target(): Target | null {
    const settings = peek(this.client, 'connectionSettings') ?? peek(this.client, 'config', 'connection');
    const held = [...peekList(this.pool, 'used'), ...peekList(this.pool, 'free')][0];
    const connection = peekObject(held, 'resource');
    const target =
      targetOf(settings, this.protocol) ??
      (connection ? targetOfConnection(connection, this.protocol) : null);
    return this.driver.endsWith('mssql') ? withPrelogin(target, settings) : target;
  }

  attach(events: PoolEvents): () => void {
    const ends = [
      listen(this.pool, this.poolListeners(events)),
      listen(this.client, this.queries.listeners(events)),
    ];
    return () => ends.forEach((end) => end());
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
    if (peekList(pool, 'pendingValidations').includes(pending))
      this.ownConnection = peekObject(peekList(pool, 'used').at(-1), 'resource');
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

  ask(connection: object): Promise<unknown> {
    const isOracle = /oracle/.test(String(peek(this.client, 'dialect')));
    // Knex commits after each query outside a transaction: a second trip.
    if (isOracle && can(connection, 'ping')) return (connection as { ping(): Promise<void> }).ping();
    const sql = isOracle ? 'select 1 from dual' : 'select 1';
    // Below the events: the host's query log and metrics do not see our ping.
    if (can(this.client, '_query'))
      return Promise.resolve(this.client._query!(connection, { sql, bindings: [] }));
    return Promise.resolve(this.client.raw(sql).connection(connection));
  }

  giveBack(connection: object): void {
    this.pool!.release(connection);
    this.ownConnection = null;
  }

  discard(connection: object, why: Error): void {
    // Knex's own mark: its validation takes such a connection out of the pool instead of handing it out.
    (connection as { __knex__disposed?: unknown }).__knex__disposed = why;
    this.giveBack(connection);
    // The socket first: mysql2's own `destroy` only half-closes, and then never ends the query under way.
    const socket = socketOf(connection) as { destroy?(): void } | null;
    if (socket) socket.destroy?.();
    else if (can(connection, 'destroy')) (connection as { destroy(): void }).destroy();
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
        this.queries.begin(connection as object);
        const requestedAt = requests.get(id);
        requests.delete(id);
        const waitMs = requestedAt === undefined ? null : performance.now() - requestedAt;
        events.checkout(connection as object, waitMs);
      },
      acquireFail: (id: unknown, error: unknown) => {
        if (requests.delete(id) && isAcquireTimeout(error)) events.timeout();
      },
      release: (connection: unknown) => {
        if (connection === this.ownConnection) return;
        this.queries.end(connection as object);
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

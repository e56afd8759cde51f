/**
 * Stage 1, MEASURE: the pool of `mysql2`. Its events do not tell of a connection that goes from hand to hand under
 * load, so its calls are heard instead. Those of the promise wrapper, of a cluster and of Knex all end in it.
 */
import type { Borrowing, Gauges, PoolAdapter, PoolEvents, Settings } from './adapter.js';
import { can, cut, isDead, listen, peek, peekList, peekNumber, peekObject } from './duck.js';
import type { Emitter } from './duck.js';
import { Requests } from './requests.js';
import { quietly, shadow } from './shadow.js';
import { targetOf, targetOfConnection } from './target.js';
import type { Target } from './reach.js';

type Granted = (error: unknown, connection?: object) => void;

interface Mysql2Pool extends Emitter {
  getConnection(granted: Granted): void;
  readonly _connectionQueue: { removeOne(index: number): unknown };
}

interface Mysql2Connection {
  ping(done: (error: unknown) => void): void;
  release(): void;
  destroy(): void;
}

/** Recognizes a mysql2 pool and its promise wrapper. One that was ended counts as no pool. */
export function recognizeMysql2(value: unknown): PoolAdapter | null {
  for (const pool of [value, peek(value, 'pool')]) {
    const isPool =
      can(pool, 'getConnection', 'releaseConnection', 'on', 'removeListener') &&
      typeof peek(pool, 'config', 'connectionLimit') === 'number' &&
      ['_allConnections', '_freeConnections', '_connectionQueue'].every((ring) =>
        can(peek(pool, ring), 'toArray', 'removeOne'),
      );
    if (isPool) return new Mysql2Adapter(pool as Mysql2Pool);
  }
  return null;
}

class Mysql2Adapter implements PoolAdapter {
  readonly driver = 'mysql2';
  /** Our callback, and the connection that is opened or out for us. */
  private ownCallback: Granted | null = null;
  private own: object | null = null;
  /** A waiter whose turn has come asks the pool again, with the callback that is known already. */
  private readonly heard = new WeakSet<object>();
  private readonly requests = new Requests();
  readonly followCheckouts = this.requests.followed;

  constructor(private readonly source: Mysql2Pool) {}

  get pool(): object | null {
    return peek(this.source, '_closed') === true ? null : this.source;
  }

  settings(): Settings {
    const pool = peek(this.source, 'config');
    return { connection: peek(pool, 'connectionConfig'), pool };
  }

  gauges(): Gauges {
    return {
      // No limit is what 0 says.
      max: peekNumber(this.source, ['config', 'connectionLimit'], 0) || Infinity,
      used: this.used().length,
      idle: this.idle().length,
      opening: this.opening().length,
      waiting: this.waiting(),
    };
  }

  waiting(): number {
    return this.waiters().length;
  }

  used(): readonly object[] {
    const free = new Set(this.idle());
    return this.all().filter((connection) => !free.has(connection) && !isOpening(connection));
  }

  waiters(): readonly object[] {
    const queue = peekList(this.source, '_connectionQueue').filter((one) => one !== this.ownCallback);
    return [...queue, ...this.opening()];
  }

  dead(): number {
    return this.used().filter(isDead).length;
  }

  idle(): readonly object[] {
    return peekList(this.source, '_freeConnections');
  }

  /** As its own idle time limit does it. */
  retire(connection: object): boolean {
    if (!this.idle().includes(connection)) return false;
    const { own } = this;
    this.own = connection;
    (connection as Mysql2Connection).destroy();
    this.own = own;
    cut(connection);
    return true;
  }

  target(): Target | null {
    const settings = peek(this.source, 'config', 'connectionConfig');
    const [connection] = this.all();
    return targetOf(settings, 'mysql') ?? (connection ? targetOfConnection(connection, 'mysql') : null);
  }

  attach(events: PoolEvents): () => void {
    const ends = [
      listen(this.source, {
        connection: () => events.opened(),
      }),
      this.requests.hear(this.source, 'getConnection', events, {
        isHeard: ([granted]) => typeof granted !== 'function' || this.heard.has(granted),
        make: (call, args) => {
          this.heard.add(args[0] as object);
          return call(args);
        },
      }),
      shadow(this.source, 'releaseConnection', (call, args) => {
        quietly(() => this.released(args[0] as object, events));
        return call(args);
      }),
    ];
    return () => ends.forEach((end) => end());
  }

  borrow(): Borrowing {
    const before = new Set(peekList(this.source, '_allConnections'));
    const granted = new Promise<object>((resolve, reject) => {
      this.ownCallback = (error, connection) => {
        this.ownCallback = null;
        this.own = connection ?? null;
        if (connection) resolve(connection);
        else reject(error as Error);
      };
    });
    this.heard.add(this.ownCallback!);
    this.source.getConnection(this.ownCallback!);
    const opened = peekList(this.source, '_allConnections').find((connection) => !before.has(connection));
    this.own ??= opened ?? null;
    return {
      granted,
      isCrowdedOut: () => this.place() >= 0,
      withdraw: () => this.withdraw(),
    };
  }

  ask(connection: object): Promise<unknown> {
    return new Promise<void>((resolve, reject) => {
      (connection as Mysql2Connection).ping((error) => (error ? reject(error as Error) : resolve()));
    });
  }

  giveBack(connection: object): void {
    (connection as Mysql2Connection).release();
    this.own = null;
  }

  discard(connection: object): void {
    cut(connection);
    (connection as Mysql2Connection).destroy();
    this.own = null;
  }

  private withdraw(): void {
    const callback = this.ownCallback;
    const place = this.place();
    if (place >= 0) {
      this.source._connectionQueue.removeOne(place);
      callback?.(new Error('withdrawn'));
    } else if (this.own) cut(this.own);
  }

  private place(): number {
    return this.ownCallback ? peekList(this.source, '_connectionQueue').indexOf(this.ownCallback) : -1;
  }

  private released(connection: object, events: PoolEvents): void {
    if (connection === this.own) return;
    events.checkin(connection, peek(connection, '_fatalError') ?? undefined);
    if (peek(connection, '_pool') === null && isDead(connection)) events.breakage();
  }

  private all(): readonly object[] {
    return peekList(this.source, '_allConnections').filter((connection) => connection !== this.own);
  }

  private opening(): readonly object[] {
    return this.all().filter(isOpening);
  }
}

function isOpening(connection: object): boolean {
  return peek(connection, 'authorized') === false && peekObject(connection, 'stream') !== null;
}

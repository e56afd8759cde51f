/**
 * Stage 1, MEASURE: the pool of `mariadb`. Everything is private in it but four counters, its events and what it says
 * of itself as text. What goes on behind them follows from what it does: it serves its callers in the order they came, and
 * opens one connection at a time, for as long as somebody waits, none is idle and there is room.
 */
import { errorMonitor } from 'node:events';
import type { Borrowing, Gauges, PoolAdapter, PoolEvents, Settings } from './adapter.js';
import { can, isNetworkError, listen, peek, peekNumber, type Emitter } from './duck.js';
import { Requests } from './requests.js';
import { targetOf } from './target.js';
import type { Target } from './reach.js';

interface MariadbPool extends Emitter {
  totalConnections(): number;
  activeConnections(): number;
  idleConnections(): number;
  taskQueueSize(): number;
  getConnection(): Promise<MariadbConnection>;
}

interface MariadbConnection {
  readonly threadId: number;
  ping(): Promise<unknown>;
  release(): Promise<unknown>;
  destroy(): void;
}

/** What takes a connection, and gives it back when it has ended, but for the first. */
const CALLS = ['getConnection', 'query', 'execute', 'batch', 'importFile'];
/** What it tells when it has tried in vain for as long as `initializationTimeout`. */
const CREATING = /^ER_POOL_NO/;
const COUNTERS = ['totalConnections', 'activeConnections', 'idleConnections', 'taskQueueSize'];

/** Recognizes a pool of mariadb's promise interface. One that was ended counts as no pool. */
export function recognizeMariadb(value: unknown): PoolAdapter | null {
  const isPool =
    typeof peek(value, 'closed') === 'boolean' &&
    COUNTERS.every((name) => can(value, name)) &&
    can(value, 'getConnection', 'on', 'removeListener');
  return isPool ? new MariadbAdapter(value as MariadbPool) : null;
}

class MariadbAdapter implements PoolAdapter {
  readonly driver = 'mariadb';
  private readonly held = new Map<number, object>();
  private ownThread: number | null = null;
  private isQueued = false;
  private events: PoolEvents | null = null;
  private connection: object | null = null;
  private queue: object[] = [];
  private readonly requests = new Requests();
  readonly followCheckouts = this.requests.followed;

  constructor(private readonly source: MariadbPool) {}

  get pool(): object | null {
    return peek(this.source, 'closed') === true ? null : this.source;
  }

  settings(): Settings {
    const pool = peek(this.source, 'opts');
    return { connection: peek(pool, 'connOptions'), pool };
  }

  gauges(): Gauges {
    const own = this.ownThread === null ? 0 : 1;
    const limit = /limit=(\d+)/.exec(String(this.source))?.[1];
    const max = limit === undefined ? Infinity : Number(limit);
    const idle = this.source.idleConnections();
    const waiting = this.waiting();
    const isOpening = waiting > 0 && idle === 0 && this.source.totalConnections() < max;
    const used = Math.max(0, this.source.activeConnections() - own);
    return { max, used, idle, opening: isOpening ? 1 : 0, waiting };
  }

  waiting(): number {
    return Math.max(0, this.source.taskQueueSize() - (this.isQueued ? 1 : 0));
  }

  used(): readonly object[] {
    // A connection that broke, or that its holder destroyed, comes back without an event.
    for (const [thread, connection] of this.held) {
      if ((connection as { isValid(): boolean }).isValid()) continue;
      this.held.delete(thread);
      this.events?.checkin(connection, { code: 'ER_SOCKET_UNEXPECTED_CLOSE' });
    }
    return [...this.held.values()];
  }

  /** The last of those who were told to queue. */
  waiters(): readonly object[] {
    const { length } = this.queue;
    this.queue = this.queue.slice(Math.max(0, length - this.waiting()));
    return this.queue;
  }

  dead(): number {
    return 0;
  }

  target(): Target | null {
    return this.connection && targetOf(peek(this.connection, 'opts'), 'mysql');
  }

  attach(events: PoolEvents): () => void {
    this.events = events;
    // What it answers is a cover of the connection that the events tell of, or the rows of a query.
    const connectionOf = (answer: unknown): object | null =>
      this.held.get(peekNumber(answer, ['threadId'], NaN)) ?? null;
    const hasEvents = { checkout: true, createFailure: true } as const;
    const calls = CALLS.map((name) =>
      this.requests.hear(this.source, name, events, { hasEvents, connectionOf }),
    );
    // A listener for `error` itself would keep a host alive that means to crash.
    const end = listen(this.source, {
      [errorMonitor]: (error) => {
        const isOurs = this.isQueued && this.waiting() === 0;
        if (!isOurs && CREATING.test(String(peek(error, 'code')))) events.createFailure(error);
      },
      enqueue: () => void this.queue.push({}),
      acquire: (given) => {
        const connection = given as MariadbConnection;
        this.connection = connection;
        if (!can(connection, 'isValid')) return;
        this.held.set(connection.threadId, connection);
        events.checkout(connection, null);
      },
      release: (given) => {
        const connection = given as MariadbConnection;
        if (this.held.delete(connection.threadId)) events.checkin(connection, undefined);
      },
      connection: () => events.opened(),
    });
    return () => {
      this.events = null;
      for (const endCall of calls) endCall();
      end();
    };
  }

  borrow(): Borrowing {
    this.isQueued = this.source.idleConnections() === 0;
    const granted = this.requests
      .unheard(() => this.source.getConnection())
      .then(
        (connection) => {
          this.isQueued = false;
          this.ownThread = connection.threadId;
          const held = this.held.get(connection.threadId);
          this.held.delete(connection.threadId);
          if (held) this.events?.retract(held);
          return connection;
        },
        (error) => {
          this.isQueued = false;
          // The pool's own time limit says why there was no connection, where it knows.
          throw isNetworkError(peek(error, 'cause')) ? peek(error, 'cause') : error;
        },
      );
    return {
      granted,
      isCrowdedOut: () => this.isQueued && this.gauges().used >= this.gauges().max,
      withdraw: () => {},
    };
  }

  ask(connection: object): Promise<unknown> {
    return (connection as MariadbConnection).ping();
  }

  giveBack(connection: object): void {
    const done = (): void => {
      this.ownThread = null;
    };
    // It rolls back, or resets, first; the connection counts until then.
    (connection as MariadbConnection).release().then(done, done);
  }

  discard(connection: object): void {
    (connection as MariadbConnection).destroy();
    this.ownThread = null;
  }
}

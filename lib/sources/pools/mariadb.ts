/**
 * Stage 1, MEASURE: the pool of `mariadb`. Everything is private in it but four counters, its events and what it says
 * of itself as text; its waiters cannot be seen, nor a connection being opened.
 */
import type { Borrowing, Gauges, PoolAdapter, PoolEvents, Settings } from './adapter.js';
import { can, isNetworkError, listen, peek, type Emitter } from './duck.js';
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
    return {
      max: limit === undefined ? Infinity : Number(limit),
      used: Math.max(0, this.source.activeConnections() - own),
      idle: this.source.idleConnections(),
      opening: 0,
      waiting: this.waiting(),
    };
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

  waiters(): readonly object[] {
    return [];
  }

  dead(): number {
    return 0;
  }

  target(): Target | null {
    return this.connection && targetOf(peek(this.connection, 'opts'), 'mysql');
  }

  attach(events: PoolEvents): () => void {
    this.events = events;
    const end = listen(this.source, {
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
      end();
    };
  }

  borrow(): Borrowing {
    this.isQueued = this.source.idleConnections() === 0;
    const granted = this.source.getConnection().then(
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

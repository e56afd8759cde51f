/**
 * Stage 1, MEASURE: the pool of `oracledb`, thin or thick. It has no events, so its calls are heard; the statistics it
 * keeps when told to are not needed.
 */
import type { Borrowing, Gauges, PoolAdapter, PoolEvents, Settings } from './adapter.js';
import { can, cut, isDead, peek, peekList, peekNumber, peekObject } from './duck.js';
import { Requests } from './requests.js';
import { quietly, shadow } from './shadow.js';
import { targetOf, targetOfConnection } from './target.js';
import type { Target } from './reach.js';

interface OraclePool {
  getConnection(): Promise<object>;
}

interface OracleConnection {
  ping(): Promise<void>;
  close(options?: { drop: boolean }): Promise<void>;
}

interface ThinPool {
  _invokeBgCleaner(connection: object): void;
}

interface Request {
  reject(error: Error): void;
  timeoutHandle?: NodeJS.Timeout;
}

/** Recognizes an oracledb pool. One that was closed counts as no pool. */
export function recognizeOracle(value: unknown): PoolAdapter | null {
  const isPool =
    ['connectionsOpen', 'connectionsInUse', 'poolMax'].every((key) => typeof peek(value, key) === 'number') &&
    can(value, 'getConnection', 'getStatistics', '_release');
  return isPool ? new OracleAdapter(value as OraclePool) : null;
}

const OPEN = 6000;
const RECONFIGURING = 6003;

class OracleAdapter implements PoolAdapter {
  readonly driver = 'oracledb';
  /** The host's, by what the driver itself has of each. */
  private readonly held = new Map<unknown, object>();
  private own: object | null = null;
  private ownRequest: object | null = null;
  private ownOpening = 0;
  private readonly requests = new Requests();
  readonly followCheckouts = this.requests.followed;
  private readonly inner: object | null;
  /** Thin's alone: from its list to whoever closes what the pool has done with. */
  readonly retire?: (connection: object) => boolean;

  constructor(private readonly source: OraclePool) {
    this.inner = peekObject(source, '_impl');
    if (can(this.inner, '_invokeBgCleaner')) this.retire = (connection) => this.dropIdle(connection);
  }

  get pool(): object | null {
    const status = peek(this.source, 'status');
    // Being reconfigured, it is still there.
    return status === undefined || status === OPEN || status === RECONFIGURING ? this.source : null;
  }

  settings(): Settings {
    // Thin keeps what it was created with; thick goes by files as well.
    return { connection: peek(this.inner, '_userConfig'), pool: this.source };
  }

  gauges(): Gauges {
    const inUse = peekNumber(this.source, ['connectionsInUse'], 0);
    return {
      max: peekNumber(this.source, ['poolMax'], 0),
      used: Math.max(0, inUse - (this.own ? 1 : 0)),
      idle: Math.max(0, peekNumber(this.source, ['connectionsOpen'], 0) - inUse),
      opening: this.opening(),
      waiting: this.waiting(),
    };
  }

  waiting(): number {
    return this.waiters().length + this.opening();
  }

  used(): readonly object[] {
    return [...this.held.values()];
  }

  waiters(): readonly object[] {
    const queue = peek(this.source, '_pendingRequestQueue');
    return queue instanceof Set ? [...(queue as Set<object>)].filter((one) => one !== this.ownRequest) : [];
  }

  dead(): number {
    return [...this.used(), ...this.idle()].filter(isDead).length;
  }

  /** Thin's own; thick shows none. */
  idle(): readonly object[] {
    return peekList(this.inner, '_freeConnectionList');
  }

  target(): Target | null {
    const [connection] = this.held.values();
    return targetOf(this.source, 'tns') ?? (connection ? targetOfConnection(connection, 'tns') : null);
  }

  attach(events: PoolEvents): () => void {
    const ends = [
      this.requests.hear(this.source, 'getConnection', events, {
        connectionOf: (connection) => {
          this.held.set(peek(connection, '_impl'), connection as object);
          return connection as object;
        },
      }),
      shadow(this.source, '_release', (call, args) => {
        quietly(() => {
          const connection = this.held.get(args[0]);
          this.held.delete(args[0]);
          if (connection) events.checkin(connection, undefined);
        });
        return call(args);
      }),
    ];
    return () => ends.forEach((end) => end());
  }

  borrow(): Borrowing {
    const queued = this.waiters().length;
    const granted = this.requests.unheard(() => this.source.getConnection());
    const mine = this.waiters();
    if (mine.length > queued) this.ownRequest = mine.at(-1)!;
    else this.ownOpening = 1;
    const done = (connection: object | null): void => {
      this.own = connection;
      this.ownRequest = null;
      this.ownOpening = 0;
    };
    granted.then(done, () => done(null));
    return { granted, isCrowdedOut: () => this.isQueued(), withdraw: () => this.withdraw() };
  }

  ask(connection: object): Promise<unknown> {
    return (connection as OracleConnection).ping();
  }

  giveBack(connection: object): void {
    this.own = null;
    (connection as OracleConnection).close().catch(() => {});
  }

  discard(connection: object): void {
    this.own = null;
    cut(connection);
    (connection as OracleConnection).close({ drop: true }).catch(() => {});
  }

  private dropIdle(connection: object): boolean {
    const free = this.idle() as object[];
    const place = free.indexOf(connection);
    if (place < 0) return false;
    free.splice(place, 1);
    (this.inner as ThinPool)._invokeBgCleaner(connection);
    return true;
  }

  private isQueued(): boolean {
    const queue = peek(this.source, '_pendingRequestQueue');
    return this.ownRequest !== null && queue instanceof Set && queue.has(this.ownRequest);
  }

  /** A connection that is being opened cannot be called back: it comes late, and is given back then. */
  private withdraw(): void {
    if (!this.isQueued()) return;
    (peek(this.source, '_pendingRequestQueue') as Set<object>).delete(this.ownRequest!);
    (this.ownRequest as Request).reject(new Error('withdrawn'));
  }

  /** Between the request and the driver's count of a connection in use there is one that is opened, or looked at. */
  private opening(): number {
    const out = peekNumber(this.source, ['_connectionsOut'], 0);
    return Math.max(0, out - peekNumber(this.source, ['connectionsInUse'], 0) - this.ownOpening);
  }
}

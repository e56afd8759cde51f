/**
 * Stage 1, MEASURE: the pool of `pg` (pg-pool). It listens to `acquire`, `release`, `connect` and `remove` only: a listener for
 * `error` would keep a host alive that means to crash. It hears the calls of `connect` as well, of whose end without a
 * client no event tells, nor of who made them.
 */
import type { Borrowing, Gauges, PoolAdapter, PoolEvents, Settings } from './adapter.js';
import { can, isDead, listen, peek, peekList, peekNumber, peekObject, type Emitter } from './duck.js';
import { Requests } from './requests.js';
import { targetOf, targetOfConnection } from './target.js';
import type { Target } from './reach.js';

interface PgClient {
  query(text: string, callback: (error: unknown) => void): void;
  on(event: 'error', listener: () => void): void;
  removeListener(event: 'error', listener: () => void): void;
  release(error?: Error): void;
  unref?(): void;
}

interface PgPool extends Emitter {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  connect(callback: (error: unknown, client?: PgClient) => void): void;
  /** As its own idle time-out does it. */
  _remove?(client: object, callback: () => void): void;
  _pulseQueue?(): void;
}

/** Recognizes a `pg` Pool. One that was ended counts as no pool. */
export function recognizePg(value: unknown): PoolAdapter | null {
  const isPool =
    ['totalCount', 'idleCount', 'waitingCount'].every((key) => typeof peek(value, key) === 'number') &&
    typeof peek(value, 'options', 'max') === 'number' &&
    can(value, 'connect', 'on', 'removeListener');
  return isPool ? new PgAdapter(value as PgPool) : null;
}

const ignore = (): void => {};

class PgAdapter implements PoolAdapter {
  readonly driver = 'pg';
  private ownClient: object | null = null;
  /** Our place in the queue or, when the pool opens a connection for us, that client. */
  private ownWaiter: object | null = null;
  private events: PoolEvents | null = null;
  private readonly requests = new Requests();
  /** pg-pool tells of a checkout in the turn of whoever gave the client back: who asked is known only in the call itself. */
  readonly followCheckouts = this.requests.followed;

  constructor(private readonly source: PgPool) {}

  get pool(): object | null {
    return peek(this.source, 'ending') === true ? null : this.source;
  }

  settings(): Settings {
    const options = peek(this.source, 'options');
    return { connection: options, pool: options };
  }

  gauges(): Gauges {
    const opening = this.opening().length;
    // `totalCount` includes the clients that are still connecting, and each of those has a caller waiting for it.
    const all = peekList(this.source, '_clients');
    const ourOpening = this.ownWaiter !== null && all.includes(this.ownWaiter) ? 1 : 0;
    const ourUsed = this.ownClient !== null && all.includes(this.ownClient) ? 1 : 0;
    const { totalCount, idleCount } = this.source;
    return {
      max: peekNumber(this.source, ['options', 'max'], 10),
      used: Math.max(0, totalCount - idleCount - opening - ourOpening - ourUsed),
      idle: idleCount,
      opening,
      waiting: this.waiting(),
    };
  }

  waiting(): number {
    let opening = 0;
    for (const client of peekList(this.source, '_clients')) {
      if (client !== this.ownWaiter && isOpening(client)) opening += 1;
    }
    const isOursQueued = this.ownWaiter !== null && this.source.waitingCount > 0 && this.isQueued();
    return this.source.waitingCount - (isOursQueued ? 1 : 0) + opening;
  }

  used(): readonly object[] {
    const idle = new Set(peekList(this.source, '_idle').map((item) => peek(item, 'client')));
    return peekList(this.source, '_clients').filter(
      (client) => !idle.has(client) && client !== this.ownClient && !isOpening(client),
    );
  }

  waiters(): readonly object[] {
    return [...this.queue(), ...this.opening()];
  }

  dead(): number {
    return this.used().filter(isDead).length;
  }

  idle(): readonly object[] {
    return peekList(this.source, '_idle')
      .map((item) => peekObject(item, 'client'))
      .filter((client) => client !== null);
  }

  retire(connection: object): boolean {
    const { source } = this;
    if (!this.idle().includes(connection) || !can(source, '_remove', '_pulseQueue')) return false;
    source._remove!(connection, () => source._pulseQueue!());
    return true;
  }

  target(): Target | null {
    const [client] = peekList(this.source, '_clients');
    // A client has resolved settings, URL and environment the way pg does.
    const known = client && typeof peek(client, 'host') === 'string' ? client : peek(this.source, 'options');
    return targetOf(known, 'pg') ?? (client ? targetOfConnection(client, 'pg') : null);
  }

  attach(events: PoolEvents): () => void {
    this.events = events;
    const endHearing = this.requests.hear(this.source, 'connect', events, { hasEvents: { checkout: true } });
    const end = listen(this.source, {
      acquire: (client) => events.checkout(client as object, null),
      release: (error, client) => {
        if (client !== this.ownClient) events.checkin(client as object, error);
      },
      connect: () => events.opened(),
      // A client that was closed in order is still queryable; one that broke is not.
      remove: (client) => {
        if (peek(client, '_queryable') === false) events.breakage();
      },
    });
    return () => {
      this.events = null;
      endHearing();
      end();
    };
  }

  borrow(): Borrowing {
    const queued = peekList(this.source, '_pendingQueue').length;
    const total = peekList(this.source, '_clients').length;
    const granted = new Promise<object>((resolve, reject) => {
      const done: Parameters<PgPool['connect']>[0] = (error, client) => {
        this.ownWaiter = null;
        if (error || !client) return reject(error ?? new Error('no client'));
        this.ownClient = client;
        // pg-pool takes its own listener off while a client is out: without ours a reset would crash the host.
        client.on('error', ignore);
        this.events?.retract(client);
        return resolve(client);
      };
      this.requests.unheard(() => this.source.connect(done));
    });
    this.ownWaiter =
      peekList(this.source, '_pendingQueue')[queued] ?? peekList(this.source, '_clients')[total] ?? null;
    return {
      granted,
      isCrowdedOut: () => this.isQueued(),
      withdraw: () => this.withdraw(),
    };
  }

  ask(connection: object): Promise<unknown> {
    return new Promise<void>((resolve, reject) => {
      (connection as PgClient).query('select 1', (error) => (error ? reject(error) : resolve()));
    });
  }

  giveBack(connection: object): void {
    const client = connection as PgClient;
    client.release();
    client.removeListener('error', ignore);
    this.ownClient = null;
    this.letGo(client);
  }

  discard(connection: object, why: Error): void {
    // With a query under way pg cuts the socket, which ends that query; our listener stays for what it still says.
    (connection as PgClient).release(why);
    this.ownClient = null;
  }

  /** Out of the queue as pg-pool's own time limit does it, or away with the client that was connecting for us. */
  private withdraw(): void {
    const waiter = this.ownWaiter;
    if (!waiter) return;
    const queue = peek(this.source, '_pendingQueue');
    const place = Array.isArray(queue) ? queue.indexOf(waiter) : -1;
    if (place >= 0) {
      (queue as unknown[]).splice(place, 1);
      const callback = peek(waiter, 'callback');
      if (typeof callback === 'function') callback(new Error('withdrawn'));
      return;
    }
    destroySocket(waiter);
  }

  /**
   * An idle client and its idle timer hold the process until pg-pool's idle timeout. A ping must not renew that hold
   * again and again; the pool refs the client itself at its next checkout. A hold without an end is the host's wish.
   */
  private letGo(client: PgClient): void {
    const item = peekList(this.source, '_idle').find((idle) => peek(idle, 'client') === client);
    const timer = peekObject(item, 'timeoutId') as { unref?(): void } | null;
    if (!timer) return;
    timer.unref?.();
    client.unref?.();
  }

  private isQueued(): boolean {
    return this.ownWaiter !== null && peekList(this.source, '_pendingQueue').includes(this.ownWaiter);
  }

  private opening(): object[] {
    return peekList(this.source, '_clients').filter(
      (client) => client !== this.ownWaiter && isOpening(client),
    );
  }

  private queue(): object[] {
    return peekList(this.source, '_pendingQueue').filter((item) => item !== this.ownWaiter);
  }
}

function isOpening(client: unknown): boolean {
  return peek(client, '_connected') === false;
}

function destroySocket(client: object): void {
  const stream = peekObject(client, 'connection', 'stream') as { destroy?(): void } | null;
  if (stream && can(stream, 'destroy')) stream.destroy?.();
  else if (can(client, 'end')) (client as { end(callback: () => void): void }).end(ignore);
}

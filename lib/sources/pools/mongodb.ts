/**
 * Stage 1, MEASURE: MongoDB's driver, of which the pool of the server written to is read. Nobody pings here: the
 * driver's own monitor asks every server on a connection outside the pool, and its last answer is what we ask for.
 */
import { performance } from 'node:perf_hooks';
import type { Borrowing, Gauges, PoolAdapter, PoolEvents } from './adapter.js';
import { can, isDead, listen, peek, peekNumber, peekObject, type Emitter } from './duck.js';
import { overTls, targetOf, targetOfConnection } from './target.js';
import type { Target } from './reach.js';

/** OP_MSG with `{ hello: 1, $db: 'admin' }`, which a server answers before a login. */
const HELLO = Buffer.from(
  '340000000100000000000000dd07000000000000001f0000001068656c6c6f000100000002246462000600000061646d696e0000',
  'hex',
);
/** A heartbeat may come that much later than agreed, ms. */
const LATE_MS = 2_000;

/** Recognizes a MongoClient. Before it has connected, and when it is closed, there is no pool. */
export function recognizeMongo(value: unknown): PoolAdapter | null {
  if (
    !can(value, 'db', 'connect', 'startSession', 'on') ||
    typeof peek(value, 'options', 'maxPoolSize') !== 'number'
  )
    return null;
  const servers = peek(value, 'topology', 's', 'servers');
  const all = servers instanceof Map ? [...(servers as Map<string, object>).values()] : [];
  const server = all.find((one) => peek(one, 'description', 'isWritable') === true) ?? all[0];
  const pool = peekObject(server, 'pool');
  return new MongoAdapter(value as object, server ?? {}, peek(pool, 'closed') === true ? null : pool);
}

class MongoAdapter implements PoolAdapter {
  readonly driver = 'mongodb';
  private readonly held = new Map<unknown, object>();

  constructor(
    private readonly client: object,
    private readonly server: object,
    readonly pool: object | null,
  ) {}

  gauges(): Gauges {
    return {
      max: peekNumber(this.pool, ['options', 'maxPoolSize'], 0) || Infinity,
      used: peekNumber(this.pool, ['currentCheckedOutCount'], 0),
      idle: peekNumber(this.pool, ['availableConnectionCount'], 0),
      opening: peekNumber(this.pool, ['pendingConnectionCount'], 0),
      waiting: this.waiting(),
    };
  }

  waiting(): number {
    return peekNumber(this.pool, ['waitQueueSize'], 0) === 0 ? 0 : this.waiters().length;
  }

  used(): readonly object[] {
    const out = peek(this.pool, 'checkedOut');
    return out instanceof Set ? [...(out as Set<object>)] : [];
  }

  /** Those given up stay in the queue, and in its size, until a connection comes back. */
  waiters(): readonly object[] {
    const queue = peek(this.pool, 'waitQueue');
    const all = can(queue, 'toArray') ? (queue as { toArray(): object[] }).toArray() : [];
    return all.filter((one) => peek(one, 'cancelled') !== true);
  }

  dead(): number {
    return this.used().filter(isDead).length;
  }

  target(): Target | null {
    const [connection] = this.used();
    const target =
      targetOf(peek(this.pool, 'options', 'hostAddress'), 'tcp') ??
      (connection ? targetOfConnection(connection, 'tcp') : null);
    if (peek(this.client, 'options', 'tls') !== true) return target && { ...target, hello: HELLO };
    return target && overTls(target, peek(this.client, 'options', 'servername'));
  }

  attach(events: PoolEvents): () => void {
    return listen(this.pool as Emitter, {
      connectionCheckedOut: (event) => {
        const id = peek(event, 'connectionId');
        const connection = this.used().find((one) => peek(one, 'id') === id);
        if (!connection) return;
        this.held.set(id, connection);
        const waitMs = peekNumber(event, ['durationMS'], NaN);
        events.checkout(connection, Number.isNaN(waitMs) ? null : waitMs);
      },
      connectionCheckedIn: (event) => {
        const id = peek(event, 'connectionId');
        const connection = this.held.get(id);
        this.held.delete(id);
        if (connection) events.checkin(connection, undefined);
      },
      connectionReady: () => events.opened(),
      connectionCheckOutFailed: (event) => {
        const reason = peek(event, 'reason');
        if (reason === 'connectionError') events.createFailure(peek(event, 'error'));
        if (reason === 'timeout') events.timeout();
      },
      connectionPoolCleared: () => events.breakage(),
    });
  }

  borrow(): Borrowing {
    return { granted: Promise.resolve(this.server), isCrowdedOut: () => false, withdraw: () => {} };
  }

  async ask(server: object): Promise<void> {
    const description = peekObject(server, 'description');
    const everyMs = peekNumber(this.client, ['options', 'heartbeatFrequencyMS'], 10_000);
    const ageMs = performance.now() - peekNumber(description, ['lastUpdateTime'], 0);
    const cause = peek(description, 'error', 'cause') ?? peek(description, 'error');
    if (peek(description, 'type') === 'Unknown') throw cause ?? coded('SERVER_UNKNOWN');
    if (ageMs > everyMs + LATE_MS) throw coded('TIMEOUT');
  }

  giveBack(): void {}

  discard(): void {}
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}

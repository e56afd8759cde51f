/**
 * Stage 1, MEASURE: the one connection of a Redis client, ioredis or node-redis: not a pool, for all share it at once,
 * but it is lost, found again and waited for like one. Commands in flight take nothing from anybody, so none is `used`.
 */
import type { Borrowing, Gauges, PoolAdapter, PoolEvents } from './adapter.js';
import { can, listen, peek, peekNumber, peekObject, type Emitter } from './duck.js';
import { targetOf } from './target.js';
import type { Target } from './reach.js';

/** Every server answers this, be it only that a password is missing. */
const PING = Buffer.from('PING\r\n');

interface RedisClient extends Emitter {
  ping(): Promise<unknown>;
}

interface Kind {
  readonly driver: string;
  /** `null`: no connection is wanted. */
  readonly isReady: (client: object) => boolean | null;
  readonly settings: readonly string[];
}

const IOREDIS: Kind = {
  driver: 'ioredis',
  isReady: (client) => {
    const status = peek(client, 'status');
    return status === 'end' || status === 'wait' ? null : status === 'ready';
  },
  settings: ['options'],
};

const NODE_REDIS: Kind = {
  driver: 'redis',
  isReady: (client) => (peek(client, 'isOpen') === true ? peek(client, 'isReady') === true : null),
  settings: ['options', 'socket'],
};

/** Recognizes a client of ioredis or node-redis. A cluster is none: it has a client for each node. One that was closed counts as no pool. */
export function recognizeRedis(value: unknown): PoolAdapter | null {
  if (!can(value, 'ping', 'on', 'removeListener', 'duplicate') || can(value, 'nodes')) return null;
  if (typeof peek(value, 'status') === 'string' && peekObject(value, 'offlineQueue'))
    return new RedisAdapter(value as RedisClient, IOREDIS);
  const isNodeRedis =
    typeof peek(value, 'isOpen') === 'boolean' && typeof peek(value, 'isReady') === 'boolean';
  return isNodeRedis ? new RedisAdapter(value as RedisClient, NODE_REDIS) : null;
}

class RedisAdapter implements PoolAdapter {
  readonly driver: string;
  private events: PoolEvents | null = null;
  private bytesRead = 0;

  constructor(
    private readonly client: RedisClient,
    private readonly kind: Kind,
  ) {
    this.driver = kind.driver;
  }

  get pool(): object | null {
    return this.kind.isReady(this.client) === null ? null : this.client;
  }

  gauges(): Gauges {
    this.noticeTraffic();
    const isReady = this.kind.isReady(this.client) === true;
    return { max: 1, used: 0, idle: isReady ? 1 : 0, opening: isReady ? 0 : 1, waiting: this.waiting() };
  }

  /** Commands that wait for a connection; node-redis does not show them. */
  waiting(): number {
    return peekNumber(this.client, ['offlineQueue', 'length'], 0);
  }

  used(): readonly object[] {
    return [];
  }

  waiters(): readonly object[] {
    const queue = peek(this.client, 'offlineQueue');
    return can(queue, 'toArray') ? (queue as { toArray(): object[] }).toArray() : [];
  }

  dead(): number {
    return 0;
  }

  target(): Target | null {
    const settings = peek(this.client, ...this.kind.settings);
    const path = peek(settings, 'path');
    const given = typeof path === 'string' ? { socketPath: path } : settings;
    const target = targetOf(withDefaults(given), 'tcp');
    // Over TLS it would not understand.
    return target && !peek(settings, 'tls') ? { ...target, hello: PING } : target;
  }

  attach(events: PoolEvents): () => void {
    this.events = events;
    const lost = (): void => events.breakage();
    const end = listen(this.client, {
      ready: () => events.opened(),
      close: lost,
      reconnecting: lost,
    });
    return () => {
      this.events = null;
      end();
    };
  }

  borrow(): Borrowing {
    return { granted: Promise.resolve(this.client), isCrowdedOut: () => false, withdraw: () => {} };
  }

  ask(): Promise<unknown> {
    return this.client.ping();
  }

  giveBack(): void {}

  /** Shared with the host's own commands, the connection is not ours to cut: the one command stays until it ends. */
  discard(): void {}

  /** ioredis shows its socket: what came in on it is an answer, to whomever. */
  private noticeTraffic(): void {
    const bytesRead = peekNumber(this.client, ['stream', 'bytesRead'], 0);
    if (bytesRead > this.bytesRead && this.bytesRead > 0) this.events?.answer(null);
    this.bytesRead = bytesRead;
  }
}

function withDefaults(settings: unknown): unknown {
  return typeof settings === 'object' ? { host: 'localhost', port: 6379, ...settings } : settings;
}

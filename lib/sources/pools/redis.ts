/**
 * Stage 1, MEASURE: the one connection of a Redis client, ioredis or node-redis: not a pool, for all share it at once,
 * but it is lost, found again and waited for like one. Commands in flight take nothing from anybody, so none is `used`.
 */
import type { Borrowing, Gauges, PoolAdapter, PoolEvents } from './adapter.js';
import { can, listen, peek, peekNumber, peekObject, type Emitter } from './duck.js';
import { overTls, targetOf } from './target.js';
import type { Target } from './reach.js';
import { ended, shadow, type Around } from './shadow.js';

/** Every server answers this, be it only that a password is missing. */
const PING = Buffer.from('PING\r\n');

export interface RedisClient extends Emitter {
  ping(): Promise<unknown>;
}

interface Sentinel {
  getMasterNode(): unknown;
}

/** Where the two keep what is read. */
export interface Kind {
  readonly driver: string;
  /** Not before its first use where it connects as late as that, nor when it is closed. */
  readonly isWanted: (client: object) => boolean;
  readonly isReady: (client: object) => boolean;
  readonly settings: readonly string[];
}

export const IOREDIS: Kind = {
  driver: 'ioredis',
  isWanted: (client) => !['end', 'wait'].includes(String(peek(client, 'status'))) && !isEnding(client),
  isReady: (client) => peek(client, 'status') === 'ready',
  settings: ['options'],
};

export const NODE_REDIS: Kind = {
  driver: 'redis',
  isWanted: (client) => peek(client, 'isOpen') === true,
  // Clusters say so from 6 on.
  isReady: (client) => (peek(client, 'isReady') ?? peek(client, 'isOpen')) === true,
  settings: ['options', 'socket'],
};

/** Recognizes a client of ioredis or node-redis that is no cluster. One that was closed counts as no pool. */
export function recognizeRedis(value: unknown): PoolAdapter | null {
  if (!isRedis(value)) return null;
  if (typeof peek(value, 'status') === 'string' && peekObject(value, 'offlineQueue'))
    return new RedisAdapter(value, IOREDIS);
  if (typeof peek(value, 'isOpen') !== 'boolean' || typeof peek(value, 'isReady') !== 'boolean') return null;
  return can(value, 'getMasterNode')
    ? new SentinelAdapter(value, { ...NODE_REDIS, driver: 'sentinel/redis' })
    : new NodeRedisAdapter(value, NODE_REDIS);
}

/** What all clients, and all clusters, have. */
export function isRedis(value: unknown): value is RedisClient {
  return can(value, 'ping', 'on', 'removeListener', 'duplicate');
}

export class RedisAdapter implements PoolAdapter {
  readonly driver: string;
  private events: PoolEvents | null = null;
  private bytesRead = 0;

  constructor(
    protected readonly client: RedisClient,
    protected readonly kind: Kind,
  ) {
    this.driver = kind.driver;
  }

  get pool(): object | null {
    return this.kind.isWanted(this.client) ? this.client : null;
  }

  gauges(): Gauges {
    this.noticeTraffic();
    const { isReady } = this.kind;
    const nodes = this.nodes();
    const max = Math.max(1, nodes.length);
    const idle = isReady(this.client) ? nodes.filter(isReady).length : 0;
    return { max, used: 0, idle, opening: max - idle, waiting: this.waiting() };
  }

  /** Those that want a connection. */
  protected nodes(): readonly object[] {
    return [this.client];
  }

  /** Commands that wait for a connection. */
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
    return targetIn(peek(this.client, ...this.kind.settings));
  }

  attach(events: PoolEvents): () => void {
    this.events = events;
    const lost = (): void => events.breakage();
    const end = listen(this.client, {
      ready: () => events.opened(),
      close: lost,
      reconnecting: lost,
      // A cluster's, of ioredis and of node-redis.
      'node error': lost,
      'node-reconnecting': lost,
    });
    return () => {
      this.events = null;
      end();
    };
  }

  borrow(): Borrowing {
    return { granted: Promise.resolve(this.client), isCrowdedOut: () => false, withdraw: () => {} };
  }

  ask(connection: object): Promise<unknown> {
    return (connection as RedisClient).ping();
  }

  /**
   * ioredis shows what it has sent, oldest first: a ping there is at the server. node-redis does not; what it is
   * connected to decides, where that is known.
   */
  isBehind(): boolean {
    const queues = this.nodes().map((node) => peekObject(node, 'commandQueue'));
    if (queues.every((queue) => queue === null)) return this.target() !== null;
    return !queues.some((queue) => oldestIn(queue) === 'ping');
  }

  giveBack(): void {}

  /** Shared with the host's own commands, the connection is not ours to cut: the one command stays until it ends. */
  discard(): void {}

  /** ioredis shows its sockets: what came in on one is an answer, to whomever. */
  private noticeTraffic(): void {
    const bytesRead = this.nodes().reduce(
      (sum, node) => sum + peekNumber(node, ['stream', 'bytesRead'], 0),
      0,
    );
    if (bytesRead > this.bytesRead && this.bytesRead > 0) this.events?.answer(null);
    this.bytesRead = bytesRead;
  }
}

/**
 * node-redis hides its queue. All that waits in it for a connection came while there was none: only then are commands
 * heard.
 */
class NodeRedisAdapter extends RedisAdapter {
  private readonly callers = new Set<object>();

  override waiting(): number {
    return this.waiters().length;
  }

  override waiters(): readonly object[] {
    return this.kind.isReady(this.client) ? [] : [...this.callers];
  }

  override attach(events: PoolEvents): () => void {
    const end = super.attach(events);
    let uncover: (() => void) | null = null;
    const found = (): void => {
      uncover?.();
      uncover = null;
    };
    const hear: Around = (call, args) => {
      if (this.kind.isReady(this.client)) {
        found();
        return call(args);
      }
      const caller = {};
      this.callers.add(caller);
      const settled = (): void => void this.callers.delete(caller);
      return ended(() => call(args), [], settled);
    };
    const lost = (): void => {
      // What is handed out, and what sets options for some commands, are views of it.
      uncover ??= shadow(peekObject(this.client, '_self') ?? this.client, 'sendCommand', hear);
    };
    if (!this.kind.isReady(this.client)) lost();
    const ignore = listen(this.client, { reconnecting: lost });
    return () => {
      ignore();
      found();
      end();
    };
  }
}

/** node-redis behind Sentinel, which does not show whether its present master wants TLS. */
class SentinelAdapter extends NodeRedisAdapter {
  override target(): Target | null {
    return targetOf((this.client as RedisClient & Sentinel).getMasterNode(), 'tcp');
  }
}

/** The name of the command that is answered next. */
function oldestIn(queue: object | null): unknown {
  return can(queue, 'peekAt')
    ? peek((queue as { peekAt(index: number): unknown }).peekAt(0), 'command', 'name')
    : undefined;
}

/** The target in the settings of one connection, of either client. */
export function targetIn(settings: unknown): Target | null {
  const path = peek(settings, 'path');
  const given = typeof path === 'string' ? { socketPath: path } : settings;
  const target = targetOf(withDefaults(given), 'tcp');
  const tls = peek(settings, 'tls');
  if (!tls) return target && { ...target, hello: PING };
  // node-redis has the settings of TLS beside the word for it.
  return target && overTls(target, peek(tls, 'servername') ?? peek(settings, 'servername'));
}

function withDefaults(settings: unknown): unknown {
  return typeof settings === 'object' ? { host: 'localhost', port: 6379, ...settings } : settings;
}

/** Closed by the host. A cluster without a connection at that time remains in this state for ever. */
function isEnding(client: object): boolean {
  return peek(client, 'status') === 'disconnecting' && peek(client, 'manuallyClosing') === true;
}

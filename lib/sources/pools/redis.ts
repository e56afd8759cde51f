/**
 * Stage 1, MEASURE: the one connection of a Redis client, ioredis or node-redis, or those of an ioredis cluster: not a
 * pool, for all share them at once, but they are lost, found again and waited for like one. Commands in flight take
 * nothing from anybody, so none is `used`.
 */
import type { Borrowing, Gauges, PoolAdapter, PoolEvents } from './adapter.js';
import { can, listen, peek, peekNumber, peekObject, type Emitter } from './duck.js';
import { overTls, targetOf } from './target.js';
import type { Target } from './reach.js';

/** Every server answers this, be it only that a password is missing. */
const PING = Buffer.from('PING\r\n');

interface RedisClient extends Emitter {
  ping(): Promise<unknown>;
}

interface RedisCluster extends RedisClient {
  nodes(role: 'all' | 'master'): readonly object[];
}

interface Kind {
  readonly driver: string;
  /** Not before its first use where it connects as late as that, nor when it is closed. */
  readonly isWanted: (client: object) => boolean;
  readonly isReady: (client: object) => boolean;
  readonly settings: readonly string[];
}

const IOREDIS: Kind = {
  driver: 'ioredis',
  isWanted: (client) => !['end', 'wait'].includes(String(peek(client, 'status'))),
  isReady: (client) => peek(client, 'status') === 'ready',
  settings: ['options'],
};

const NODE_REDIS: Kind = {
  driver: 'redis',
  isWanted: (client) => peek(client, 'isOpen') === true,
  isReady: (client) => peek(client, 'isReady') === true,
  settings: ['options', 'socket'],
};

/** Recognizes a client of ioredis or node-redis, and a cluster of ioredis. One that was closed counts as no pool. */
export function recognizeRedis(value: unknown): PoolAdapter | null {
  if (!can(value, 'ping', 'on', 'removeListener', 'duplicate')) return null;
  if (can(value, 'nodes'))
    return typeof peek(value, 'status') === 'string' && can(value, 'refreshSlotsCache')
      ? new ClusterAdapter(value as RedisCluster, { ...IOREDIS, driver: 'cluster/ioredis' })
      : null;
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
    return targetIn(peek(this.client, ...this.kind.settings));
  }

  attach(events: PoolEvents): () => void {
    this.events = events;
    const lost = (): void => events.breakage();
    const end = listen(this.client, {
      ready: () => events.opened(),
      close: lost,
      reconnecting: lost,
      // A cluster's.
      'node error': lost,
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

/** The name of the command that is answered next. */
function oldestIn(queue: object | null): unknown {
  return can(queue, 'peekAt')
    ? peek((queue as { peekAt(index: number): unknown }).peekAt(0), 'command', 'name')
    : undefined;
}

/**
 * All nodes of a cluster in one: which of them are used, and which are masters, changes at any time. Most are connected
 * to when they are first used.
 */
class ClusterAdapter extends RedisAdapter {
  protected override nodes(): readonly object[] {
    return this.all('all').filter(this.kind.isWanted);
  }

  override target(): Target | null {
    const masters = this.all('master');
    const master = masters.find(this.kind.isReady) ?? masters[0];
    if (master) return targetIn(peek(master, ...this.kind.settings));
    const first = peekObject(this.client, 'startupNodes', 0);
    return first && targetIn({ tls: peek(this.client, 'options', 'redisOptions', 'tls'), ...first });
  }

  private all(role: 'all' | 'master'): readonly object[] {
    return (this.client as RedisCluster).nodes(role);
  }
}

function targetIn(settings: unknown): Target | null {
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

/**
 * Stage 1, MEASURE: a cluster of Redis, of ioredis or node-redis, whose nodes are one connection each.
 */
import type { Borrowing, PoolAdapter } from './adapter.js';
import { can, peek, peekList, peekObject } from './duck.js';
import {
  IOREDIS,
  isRedis,
  NODE_REDIS,
  RedisAdapter,
  targetIn,
  type Kind,
  type RedisClient,
} from './redis.js';
import type { Target } from './reach.js';

type Role = 'all' | 'master';

interface ClusterKind extends Kind {
  readonly nodes: (cluster: object, role: Role) => readonly object[];
}

const IOREDIS_CLUSTER: ClusterKind = {
  ...IOREDIS,
  driver: 'cluster/ioredis',
  nodes: (cluster, role) => (cluster as { nodes(role: Role): readonly object[] }).nodes(role),
};

const NODE_REDIS_CLUSTER: ClusterKind = {
  ...NODE_REDIS,
  driver: 'cluster/redis',
  nodes(cluster, role) {
    const all = peek(cluster, 'nodeByAddress') as Map<string, object>;
    const nodes = role === 'all' ? [...all.values()] : peekList(cluster, 'masters');
    return nodes.flatMap((node) => peekObject(node, 'client') ?? []);
  },
};

/** Recognizes a cluster of ioredis or node-redis. One that was closed counts as no pool. */
export function recognizeRedisCluster(value: unknown): PoolAdapter | null {
  if (!isRedis(value)) return null;
  if (typeof peek(value, 'status') === 'string' && can(value, 'nodes', 'refreshSlotsCache'))
    return new ClusterAdapter(value, IOREDIS_CLUSTER);
  const isNodeRedis =
    typeof peek(value, 'isOpen') === 'boolean' && peek(value, 'nodeByAddress') instanceof Map;
  return isNodeRedis ? new ClusterAdapter(value, NODE_REDIS_CLUSTER) : null;
}

/**
 * All nodes of a cluster in one: which of them are used, and which are masters, changes at any time. Most are connected
 * to when they are first used. The cluster is there as long as one master is; they are asked in turn.
 */
class ClusterAdapter extends RedisAdapter {
  private turn = 0;

  constructor(
    client: RedisClient,
    private readonly cluster: ClusterKind,
  ) {
    super(client, cluster);
  }

  protected override nodes(): readonly object[] {
    return this.all('all').filter(this.cluster.isWanted);
  }

  override borrow(): Borrowing {
    this.turn += 1;
    return { ...super.borrow(), granted: Promise.resolve(this.master(0) ?? this.client) };
  }

  /** The master that is not asked at present. */
  override target(): Target | null {
    const master = this.master(1) ?? this.all('master')[0];
    if (master) return targetIn(peek(master, ...this.cluster.settings));
    const first = peekObject(this.client, 'startupNodes', 0);
    return first && targetIn({ tls: peek(this.client, 'options', 'redisOptions', 'tls'), ...first });
  }

  /** Where one master does not answer, it is the turn of another. */
  override isBehind(): boolean {
    return this.ready().length > 1 || super.isBehind();
  }

  private master(ahead: number): object | undefined {
    const ready = this.ready();
    return ready[(this.turn + ahead) % ready.length];
  }

  private ready(): readonly object[] {
    return this.all('master').filter(this.cluster.isReady);
  }

  private all(role: Role): readonly object[] {
    return this.cluster.nodes(this.client, role);
  }
}

/**
 * Stage 1, MEASURE: which pool is this? The list of driver families; nothing here imports a driver.
 */
import { ABSENT } from './absent.js';
import type { PoolAdapter, Recognizer } from './adapter.js';
import { can } from './duck.js';
import { recognizeGenericPool } from './generic-pool.js';
import { recognizeKnex } from './knex.js';
import { recognizeMariadb } from './mariadb.js';
import { recognizeMongo } from './mongodb.js';
import { recognizeMssql } from './mssql.js';
import { recognizeMysql2 } from './mysql2.js';
import { recognizeOracle } from './oracledb.js';
import { partsOfOrm, type Part } from './orm.js';
import { recognizePg } from './pg.js';
import { recognizeRedis } from './redis.js';
import { recognizeRedisCluster } from './redis-cluster.js';
import { recognizeRedisPool } from './redis-pool.js';

export type { Part } from './orm.js';

/** Stands for a pool that is not the main one of what it belongs to, and is looked up in it each time. */
export class Replica {
  constructor(
    private readonly owner: unknown,
    private readonly role: string,
  ) {}

  parts(): readonly Part[] {
    const own = partsOf(this.owner).find(({ role }) => role === this.role);
    return [{ role: '', adapter: own?.adapter ?? ABSENT }];
  }
}

/** What is accepted as a pool, for error messages. */
export const ACCEPTED_POOLS =
  'a pool of pg, mysql2, mariadb, mssql, oracledb or generic-pool, a client of MongoDB or Redis, a Knex instance, ' +
  'or what TypeORM, Sequelize, MikroORM, Mongoose, Drizzle or a Prisma adapter made from one';

const DRIVERS: readonly Recognizer[] = [
  recognizePg,
  // Its promise wrapper has a pool; so have classes of hosts, and those are no pools.
  (value) => (can(value, 'getConnection') ? recognizeMysql2(value) : null),
  recognizeMariadb,
  recognizeMssql,
  recognizeOracle,
  recognizeMongo,
  recognizeGenericPool,
  // Before a client: it looks like one, too.
  recognizeRedisCluster,
  recognizeRedis,
  recognizeRedisPool,
  (value) => recognizeKnex(value, driverPool),
];

function driverPool(value: unknown): PoolAdapter | null {
  for (const recognize of DRIVERS) {
    const adapter = recognize(value);
    if (adapter) return adapter;
  }
  return null;
}

/**
 * Every pool that `value` is or has, the main one first; an ORM with replicas has several. Empty when it is no pool of
 * a known driver. Safe on anything: it looks at properties only, and a throwing getter means no. What has no pool at
 * present has an adapter whose `pool` is `null`.
 */
export function partsOf(value: unknown): readonly Part[] {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return [];
  try {
    if (value instanceof Replica) return value.parts();
    const adapter = driverPool(value);
    if (adapter) return [{ role: '', adapter }];
    const parts = partsOfOrm(value, driverPool) ?? [];
    return parts.map(({ role, adapter: found }) => ({ role, adapter: found ?? ABSENT }));
  } catch {
    return [];
  }
}

/** The adapter for the pool that `value` is, or for the main one that it has; `null` when it is none. */
export function adapterFor(value: unknown): PoolAdapter | null {
  return partsOf(value)[0]?.adapter ?? null;
}

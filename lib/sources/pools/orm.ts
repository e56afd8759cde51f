/**
 * Stage 1, MEASURE: from what an application has in hand, a data source or a client of an ORM, to the pools of drivers
 * in it. Nothing is created or connected on the way; where there is no pool yet there may be one later.
 */
import { ABSENT } from './absent.js';
import type { PoolAdapter, Recognizer } from './adapter.js';
import { can, peek, peekList, peekObject } from './duck.js';
import { recognizePrismaMetrics } from './prisma-metrics.js';
import type { Surroundings } from './promised.js';
import { renamed } from './renamed.js';
import { recognizeSequelizePool } from './sequelize.js';

/** One pool below an ORM; `role` tells it from the others of the same one and is empty for the main one. */
export interface Part {
  readonly role: string;
  readonly adapter: PoolAdapter | null;
}

type Unwrap = (value: unknown, recognize: Recognizer) => readonly Part[] | null;

const ORMS: readonly Unwrap[] = [typeorm, sequelize, mikroOrm, mongoose, prisma, drizzle, mysqlCluster];

/** The pools below `value`, the main one first; `null` when it is no ORM of a known kind. Safe on anything. */
export function partsOfOrm(value: unknown, recognize: Recognizer): readonly Part[] | null {
  for (const unwrap of ORMS) {
    const parts = unwrap(value, recognize);
    if (parts) return parts;
  }
  return null;
}

/** 0.3 and 1: `driver.master` and `slaves` are pools of pg, mssql and oracledb, `pool` and `poolCluster` of mysql2. */
function typeorm(value: unknown, recognize: Recognizer): readonly Part[] | null {
  const driver = peekObject(value, 'driver');
  if (!driver || typeof peek(value, 'isInitialized') !== 'boolean' || !can(value, 'createQueryRunner'))
    return null;
  const cluster = mysqlCluster(peek(driver, 'poolCluster'), recognize);
  const main = peek(driver, 'pool') ?? peek(driver, 'master');
  const parts = cluster ?? [
    { role: '', adapter: recognize(main) },
    ...numbered(peekList(driver, 'slaves').map(recognize)),
  ];
  return named('typeorm', parts);
}

const nodesSeen = new WeakMap<object, Set<string>>();

/**
 * mysql2's PoolCluster, TypeORM's as well: the one called MASTER, or the first, is the main one. After five failed
 * connects (`removeNodeErrorCount`) a cluster drops a node, and with TypeORM's and its own defaults for good: then there
 * is none by that name, and another must not pass for it.
 */
function mysqlCluster(value: unknown, recognize: Recognizer): readonly Part[] | null {
  const nodes = peekObject(value, '_nodes');
  if (!nodes || !can(value, 'getConnection', 'add')) return null;
  const seen = new Set([...(nodesSeen.get(value as object) ?? []), ...Object.keys(nodes)]);
  nodesSeen.set(value as object, seen);
  const names = [...seen].toSorted((a, b) => Number(b === 'MASTER') - Number(a === 'MASTER'));
  return names.map((name, index) => ({
    role: index === 0 ? '' : name.toLowerCase(),
    adapter: recognize(peek(nodes, name, 'pool')),
  }));
}

/** 6: one pool, or one to read and one to write, in `connectionManager`; 7: `pool` has both, `read` being optional. */
function sequelize(value: unknown): readonly Part[] | null {
  if (!can(value, 'define', 'authenticate', 'transaction', 'close')) return null;
  const pool = peekObject(value, 'connectionManager', 'pool') ?? peekObject(value, 'pool');
  if (!pool) return null;
  const dialect = String(peek(value, 'dialect', 'name'));
  const manager = peek(value, 'connectionManager') ?? peek(value, 'dialect', 'connectionManager');
  const common = peekObject(value, 'config');
  const writer = peekObject(value, 'options', 'replication', 'write');
  const around: Surroundings = {
    driver: `sequelize/${dialect}`,
    // As Sequelize does it: what the writer's own settings leave out is taken from the common ones.
    settings: writer ? { ...common, ...writer } : common,
    protocol: dialect === 'postgres' ? 'pg' : /^m(ysql|ariadb)$/.test(dialect) ? 'mysql' : 'tcp',
    tediousRequest: dialect === 'mssql' ? peek(manager, 'lib', 'Request') : undefined,
  };
  // 7 keeps its pools when it is closed, and opens nothing in them any more.
  const isClosed = can(value, 'isClosed') && (value as { isClosed(): unknown }).isClosed() === true;
  const recognize = isClosed ? () => null : recognizeSequelizePool;
  const read = peekObject(pool, 'read');
  const main = recognize(peekObject(pool, 'write') ?? pool, around) ?? renamed(ABSENT, around.driver);
  const parts = [{ role: '', adapter: main }];
  // Who reads may have other settings; a live connection tells.
  const reading = read && recognize(read, { ...around, settings: undefined });
  return reading ? [...parts, { role: 'read', adapter: reading }] : parts;
}

/** The writer's connection, and those of the replicas. Repositories have an `em` as well, all of them the same ones. */
function mikroOrm(value: unknown, recognize: Recognizer): readonly Part[] | null {
  const manager = peekObject(value, 'em');
  if (!can(manager, 'getConnection', 'getDriver', 'fork')) return null;
  const driver = (manager as { getDriver(): object }).getDriver();
  const main = peekObject(driver, 'connection');
  if (!can(main, 'getKnex') && !can(main, 'getNativeClient')) return null;
  return [main!, ...peekList(driver, 'replicas')].flatMap((connection, index) =>
    named(
      'mikro-orm',
      [{ role: index === 0 ? '' : `replica${index}`, adapter: belowMikroOrm(connection, recognize) }],
      connection,
    ),
  );
}

const natives = new WeakMap<object, object>();

/**
 * 6 has a Knex instance, made when it connects; 7 hides its pool behind a promise, which connects if that has not been
 * done: it is not asked before. Connected anew, it has another pool, and one that was never used is not ended on closing.
 */
function belowMikroOrm(connection: object, recognize: Recognizer): PoolAdapter | null {
  if (can(connection, 'getKnex')) return recognize(peek(connection, 'client'));
  if (peek(connection, 'connected') !== true) {
    natives.delete(connection);
    return null;
  }
  const { getNativeClient } = connection as { getNativeClient(): Promise<object> };
  getNativeClient.call(connection).then(
    (client) => natives.set(connection, client),
    () => {},
  );
  return recognize(natives.get(connection));
}

/** A connection of Mongoose, or Mongoose itself, whose first is the one that it goes by. */
function mongoose(value: unknown, recognize: Recognizer): readonly Part[] | null {
  const connection = can(value, 'createConnection', 'model', 'connect')
    ? peekObject(value, 'connections', 0)
    : value;
  if (!can(connection, 'getClient', 'model') || typeof peek(connection, 'readyState') !== 'number')
    return null;
  let client: unknown;
  try {
    client = (connection as { getClient(): unknown }).getClient();
  } catch {
    // Not connected yet.
  }
  return named('mongoose', [{ role: '', adapter: recognize(client) }]);
}

/**
 * 7: the pool given to a driver adapter; one that the adapter makes for itself is out of reach. 6: what the native engine
 * says of its own.
 */
function prisma(value: unknown, recognize: Recognizer): readonly Part[] | null {
  const engine = recognizePrismaMetrics(value);
  if (engine) return [{ role: '', adapter: engine }];
  const adapter = peekObject(value, '_engineConfig', 'adapter') ?? value;
  if (can(adapter, 'underlyingDriver') && typeof peek(adapter, 'adapterName') === 'string')
    return named('prisma', [
      { role: '', adapter: recognize((adapter as { underlyingDriver(): unknown }).underlyingDriver()) },
    ]);
  const pool = can(adapter, 'connect') ? peekObject(adapter, 'externalPool') : null;
  return pool && named('prisma', [{ role: '', adapter: recognize(pool) }]);
}

function drizzle(value: unknown, recognize: Recognizer): readonly Part[] | null {
  const client = can(value, 'select', 'insert', 'transaction') ? peekObject(value, '$client') : null;
  const adapter = client && recognize(client);
  return adapter && named('drizzle', [{ role: '', adapter }]);
}

function numbered(adapters: readonly (PoolAdapter | null)[]): readonly Part[] {
  return adapters.map((adapter, index) => ({ role: `replica${index + 1}`, adapter }));
}

/** What is not there yet goes by the name of the ORM alone, and is told from others by `identity`. */
function named(orm: string, parts: readonly Part[], identity?: object): readonly Part[] {
  return parts.map(({ role, adapter }) => ({
    role,
    adapter: adapter ? renamed(adapter, `${orm}/${adapter.driver}`) : renamed({ ...ABSENT, identity }, orm),
  }));
}

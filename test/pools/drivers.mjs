/**
 * The drivers under test, by the server they need: how a pool of two is made, and how a caller takes a connection from
 * it and gives it back. `queue` is how many the driver itself has waiting, where it shows that; `isOpaque`, no socket is
 * to be seen; `ask` is a command that waits for a connection, `touch` uses all servers of several.
 */
import { createRequire } from 'node:module';
import net from 'node:net';

const require = createRequire(import.meta.url);
const MAX = 2;
/** No connection goes for want of use while the scenarios are on. */
const IDLE_MS = 120_000;
const TARN = { min: 0, max: MAX, idleTimeoutMillis: IDLE_MS };
const quiet = { warn() {}, error() {}, debug() {}, deprecate() {} };

export const GROUPS = {
  postgres: {
    pg: (at) => pgPool(at),
    'knex/pg': (at) => knexed({ client: 'pg', connection: { ...at }, pool: TARN }),
    'knex/pg (2)': (at) => knexed({ client: 'pg', connection: { ...at }, pool: TARN }, 'knex2'),
    'knex/pg native pool': (at) => knexedNative('pg', pgPool(at)),
    'typeorm/pg': (at) =>
      typeorm({
        type: 'postgres',
        ...at,
        username: at.user,
        extra: { max: MAX, idleTimeoutMillis: IDLE_MS },
      }),
    'typeorm/pg (0.3)': (at) =>
      typeorm(
        {
          type: 'postgres',
          ...at,
          username: at.user,
          extra: { max: MAX, idleTimeoutMillis: IDLE_MS },
        },
        'typeorm03',
      ),
    'sequelize/postgres': (at) => sequelized('postgres', at),
    'mikro-orm/knex/pg': mikroOrm,
    'drizzle/pg': drizzled,
    'prisma/pg': prismaAdapter,
    'generic-pool': genericPool,
  },
  mysql: {
    mysql2: (at) => mysqlPool(require('mysql2').createPool({ ...at, connectionLimit: MAX })),
    'mysql2 promise': (at) =>
      mysqlPromise(require('mysql2/promise').createPool({ ...at, connectionLimit: MAX })),
    'mysql2 cluster': mysqlCluster,
    'knex/mysql2': (at) => knexed({ client: 'mysql2', connection: { ...at }, pool: TARN }),
    'knex/mysql2 (2)': (at) => knexed({ client: 'mysql2', connection: { ...at }, pool: TARN }, 'knex2'),
    'knex/mysql2 native pool': (at) =>
      knexedNative('mysql2', mysqlPool(require('mysql2').createPool({ ...at, connectionLimit: MAX }))),
    'typeorm/mysql2': typeormMysql,
    'typeorm/mysql2 (0.3)': (at) => typeormMysql(at, 'typeorm03'),
    'sequelize/mysql': (at) => sequelized('mysql', { ...at, database: 'mysql' }),
    mariadb: mariadbPool,
  },
  tds: {
    mssql: mssqlPool,
    'mssql (11)': (at) => mssqlPool(at, 'mssql11'),
    'knex/mssql': knexMssql,
    'knex/mssql (2)': (at) => knexMssql(at, 'knex2'),
  },
  mongo: { mongodb: mongodbClient, 'mongoose/mongodb': mongooseConnection },
  redis: { ioredis: ioredisClient, redis: nodeRedisClient, 'pool/redis': nodeRedisPool },
  'redis-cluster': { 'cluster/ioredis': ioredisCluster, 'cluster/redis': nodeRedisCluster },
  oracle: {
    oracledb: oraclePool,
    'knex/oracledb native pool': (at) => knexedNative('oracledb', oraclePool(at)),
  },
};

/** Which servers are no more than stand-ins. */
export const STAND_IN_FOR = { tds: 'tds', mongo: 'mongo', oracle: 'echo' };

function pgPool(at) {
  const { Pool } = require('pg');
  const pool = new Pool({ ...at, max: MAX, idleTimeoutMillis: IDLE_MS });
  pool.on('error', () => {});
  return {
    value: pool,
    take: async () => (await pool.connect()).on('error', () => {}),
    give: (client) => client.release(client._ending || !client._queryable),
    queue: () => pool.waitingCount,
    close: () => pool.end(),
  };
}

function knexed(options, version = 'knex') {
  const knex = require(version)({ ...options, log: quiet });
  const { client } = knex;
  return {
    value: knex,
    take: () => client.acquireConnection(),
    give: (connection) => client.releaseConnection(connection),
    queue: () => client.pool.numPendingAcquires?.() ?? null,
    close: () => knex.destroy(),
  };
}

function knexedNative(client, native) {
  const made = knexed({ client, connectionPool: native.value });
  const close = async () => {
    await made.close();
    await native.close();
  };
  return { ...made, queue: native.queue, close };
}

async function typeorm(options, version = 'typeorm') {
  require('reflect-metadata');
  const { DataSource } = require(version);
  const source = await new DataSource(options).initialize();
  return {
    value: source,
    take: async () => {
      const runner = source.createQueryRunner();
      await runner.connect();
      return runner;
    },
    give: (runner) => runner.release(),
    close: () => source.destroy(),
  };
}

function typeormMysql(at, version) {
  const extra = { connectionLimit: MAX };
  return typeorm({ type: 'mysql', ...at, username: at.user, database: 'mysql', extra }, version);
}

function sequelized(dialect, at) {
  const { Sequelize } = require('sequelize');
  const { host, port, database, user, password } = at;
  const pool = { max: MAX, min: 0, evict: 500, idle: IDLE_MS, acquire: 30_000 };
  const sequelize = new Sequelize(database, user, password, { dialect, host, port, pool, logging: false });
  const manager = sequelize.connectionManager;
  return {
    value: sequelize,
    take: () => manager.getConnection(),
    give: (connection) => manager.releaseConnection(connection),
    queue: () => manager.pool.waiting,
    close: () => sequelize.close(),
  };
}

async function mikroOrm(at) {
  const { MikroORM, EntitySchema } = require('@mikro-orm/postgresql');
  const Thing = new EntitySchema({ name: 'Thing', properties: { id: { type: 'number', primary: true } } });
  const orm = await MikroORM.init({
    ...at,
    dbName: at.database,
    entities: [Thing],
    discovery: { warnWhenNoEntities: false },
    pool: TARN,
    logger: () => {},
  });
  const { client } = orm.em.getConnection().getKnex();
  client.logger = quiet;
  return {
    value: orm,
    take: () => client.acquireConnection(),
    give: (connection) => client.releaseConnection(connection),
    queue: () => client.pool.numPendingAcquires(),
    close: () => orm.close(true),
  };
}

function drizzled(at) {
  const made = pgPool(at);
  return { ...made, value: require('drizzle-orm/node-postgres').drizzle(made.value) };
}

function prismaAdapter(at) {
  const made = pgPool(at);
  const { PrismaPg } = require('@prisma/adapter-pg');
  return { ...made, value: new PrismaPg(made.value) };
}

function genericPool(at) {
  const { Client } = require('pg');
  const factory = {
    create: async () => {
      const client = new Client(at);
      client.on('error', () => {});
      await client.connect();
      return client;
    },
    validate: async (client) => client._queryable && !client._ending,
    destroy: (client) => client.end(),
  };
  const pool = require('generic-pool').createPool(factory, { max: MAX, testOnBorrow: true });
  return {
    value: pool,
    take: () => pool.acquire(),
    give: (client) => pool.release(client),
    queue: () => pool.pending,
    close: () => pool.drain().then(() => pool.clear()),
  };
}

function mysqlPool(pool) {
  return {
    value: pool,
    take: () => called((done) => pool.getConnection(done)),
    give: (connection) => connection.release(),
    queue: () => pool._connectionQueue.length,
    close: () => called((done) => pool.end(done)),
  };
}

function mysqlPromise(pool) {
  return {
    value: pool,
    take: () => pool.getConnection(),
    give: (connection) => connection.release(),
    queue: () => pool.pool._connectionQueue.length,
    close: () => pool.end(),
  };
}

function mysqlCluster(at) {
  const cluster = require('mysql2').createPoolCluster({ removeNodeErrorCount: 1_000_000 });
  cluster.add('MASTER', { ...at, connectionLimit: MAX });
  return {
    value: cluster,
    take: () => called((done) => cluster.getConnection('MASTER', done)),
    give: (connection) => connection.release(),
    queue: () => cluster._nodes.MASTER.pool._connectionQueue.length,
    close: () => called((done) => cluster.end(done)),
  };
}

function mariadbPool(at) {
  const pool = require('mariadb').createPool({
    ...at,
    connectionLimit: MAX,
    acquireTimeout: 30_000,
    minimumIdle: 0,
  });
  pool.on('error', () => {});
  return {
    value: pool,
    take: () => pool.getConnection(),
    give: (connection) => connection.release(),
    queue: () => pool.taskQueueSize(),
    close: () => pool.end(),
  };
}

const SQL_SERVER = {
  user: 'user',
  password: 'secret',
  options: { encrypt: false, trustServerCertificate: true },
};

async function mssqlPool({ host, port }, version = 'mssql') {
  const { ConnectionPool } = require(version);
  const options = { server: host, port, ...SQL_SERVER, pool: TARN };
  const pool = await new ConnectionPool(options).connect();
  pool.on('error', () => {});
  return {
    value: pool,
    take: () => pool.acquire({}),
    give: (connection) => pool.release(connection),
    queue: () => pool.pending,
    close: () => pool.close(),
  };
}

function knexMssql({ host, port }, version) {
  const connection = { server: host, port, ...SQL_SERVER };
  return knexed({ client: 'mssql', connection, pool: TARN }, version);
}

async function mongodbClient({ host, port }) {
  const { MongoClient } = require('mongodb');
  const client = await new MongoClient(`mongodb://${host}:${port}/?directConnection=true`, MONGO).connect();
  return mongoMade(client, client, () => client.close());
}

async function mongooseConnection({ host, port }) {
  const mongoose = require('mongoose');
  const connection = await mongoose
    .createConnection(`mongodb://${host}:${port}/?directConnection=true`, MONGO)
    .asPromise();
  return mongoMade(connection, connection.getClient(), () => connection.close());
}

const MONGO = {
  maxPoolSize: MAX,
  heartbeatFrequencyMS: 500,
  connectTimeoutMS: 1_000,
  serverSelectionTimeoutMS: 20_000,
};

/** A caller holds a connection for as long as its command is not answered. */
function mongoMade(value, client, close) {
  const command = async (name, options) => client.db('any').command({ [name]: 1 }, options);
  return {
    value,
    async take() {
      const held = new AbortController();
      const out = new Promise((resolve) => client.once('connectionCheckedOut', resolve));
      command('hold3600000', { signal: held.signal }).catch(() => {});
      await out;
      return held;
    },
    give: (held) => held.abort(),
    use: (ms) => command(`hold${ms}`),
    queue: () => [...client.topology.s.servers.values()][0].pool.waitQueueSize,
    close,
  };
}

function ioredisClient(at) {
  const client = new (require('ioredis').default)({ ...at, retryStrategy: () => 200 });
  client.on('error', () => {});
  return { value: client, ask: () => client.get('any'), close: () => client.disconnect() };
}

async function nodeRedisClient(at) {
  const client = require('redis').createClient({ socket: { ...at, reconnectStrategy: () => 200 } });
  client.on('error', () => {});
  await client.connect();
  return { value: client, ask: () => client.get('any'), close: () => client.destroy() };
}

async function ioredisCluster(nodes) {
  const cluster = new (require('ioredis').Cluster)(nodes, { clusterRetryStrategy: () => 200 });
  cluster.on('error', () => {});
  await touched(cluster);
  return { value: cluster, touch: () => touched(cluster), close: () => cluster.disconnect() };
}

/** Uses all masters: each of some keys belongs to one of them. */
async function touched(cluster) {
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) await cluster.get(key);
}

async function nodeRedisCluster(nodes) {
  const rootNodes = nodes.map((socket) => ({ socket }));
  const defaults = { socket: { reconnectStrategy: () => 200 } };
  const cluster = require('redis').createCluster({ rootNodes, defaults });
  cluster.on('error', () => {});
  await cluster.connect();
  return { value: cluster, touch: () => touched(cluster), close: () => cluster.destroy() };
}

async function nodeRedisPool(at) {
  const settings = { minimum: 0, maximum: MAX, acquireTimeout: 30_000, cleanupDelay: IDLE_MS };
  const socket = { ...at, reconnectStrategy: () => 200 };
  const pool = require('redis').createClientPool({ socket }, settings);
  pool.on('error', () => {});
  await pool.connect();
  return {
    value: pool,
    isOpaque: true,
    take: () =>
      new Promise((resolve, reject) => {
        pool.execute(() => new Promise((give) => resolve(give))).catch(reject);
      }),
    give: (give) => give(),
    queue: () => pool.tasksQueueLength,
    close: () => pool.destroy(),
  };
}

/**
 * Nobody but Oracle speaks its protocol far enough to log in: the driver's own pool, with connections below it that are
 * sockets to an echo and know a question.
 */
function oraclePool(at) {
  const Pool = require('oracledb/lib/pool.js');
  const pool = new Pool();
  pool._impl = echoConnections(at);
  pool._setup({
    queueTimeout: 30_000,
    queueMax: 500,
    enableStatistics: false,
    connectString: `${at.host}:${at.port}/any`,
  });
  return {
    value: pool,
    take: () => pool.getConnection(),
    give: (connection) => connection.close(),
    queue: () => pool._pendingRequestQueue.size,
    close: () => pool.close(0),
  };
}

function echoConnections(at) {
  const [free, used] = [[], new Set()];
  const isLive = (impl) => !impl.nscon.ntAdapter.stream.destroyed;
  const impl = {
    getPoolMax: () => MAX,
    getConnectionsInUse: () => used.size,
    getConnectionsOpen: () => used.size + free.length,
    async getConnection() {
      let found = free.pop();
      while (found && !isLive(found)) found = free.pop();
      found ??= await connected();
      used.add(found);
      return found;
    },
    close: async () => free.splice(0).forEach((one) => one.nscon.ntAdapter.stream.destroy()),
  };
  const connected = async () => {
    const stream = net.connect(at);
    stream.on('error', () => {});
    const one = {
      nscon: { ntAdapter: { stream } },
      isHealthy: () => !stream.destroyed,
      getOracleServerVersionString: () => '23.0.0.0.0',
      getOracleServerVersion: () => 2300000000,
      _getConnImpl: () => one,
      _acquireLock: async () => {},
      _releaseLock() {},
      ping: () => asked(stream),
      async close({ drop } = {}) {
        used.delete(one);
        if (drop || stream.destroyed) stream.destroy();
        else free.push(one);
      },
    };
    await asked(stream);
    return one;
  };
  return impl;
}

function asked(stream) {
  return new Promise((resolve, reject) => {
    const lost = () => reject(Object.assign(new Error('NJS-500: connection lost'), { code: 'NJS-500' }));
    if (stream.destroyed) return lost();
    stream.once('close', lost);
    stream.once('data', () => {
      stream.off('close', lost);
      resolve();
    });
    stream.write('ping');
  });
}

function called(call) {
  return new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));
}

/**
 * The drivers under test, by the server they need: how a pool of two is made, and how a caller takes a connection from
 * it and gives it back. `queue` is how many the driver itself has waiting, where it shows that; `limit`, where there is
 * one, sets for how long a caller may wait; `role`, which pool of an ORM with several it is; `isOpaque`, no socket is to be
 * seen; `ask` is a command that waits for a connection, `touch` uses all servers of several.
 */
import { createRequire } from 'node:module';
import net from 'node:net';

const require = createRequire(import.meta.url);
const MAX = 2;
/** No connection goes for want of use while the scenarios are on. */
const IDLE_MS = 120_000;
/** How long a caller waits for a connection; and where that cannot be changed once the pool is there. */
const LIMIT_MS = 30_000;
const FIXED_LIMIT_MS = 8_000;
const TARN = { min: 0, max: MAX, idleTimeoutMillis: IDLE_MS };
const quiet = { warn() {}, error() {}, debug() {}, deprecate() {} };

export const GROUPS = {
  postgres: {
    pg: (at) => pgPool(at),
    'knex/pg': (at) => knexed({ client: 'pg', connection: { ...at }, pool: TARN }),
    'knex/pg (2)': (at) => knexed({ client: 'pg', connection: { ...at }, pool: TARN }, 'knex2'),
    'knex/pg native pool': (at) => knexedNative('pg', pgPool(at)),
    'pg below Kysely': kyselyed,
    'typeorm/pg': typeormPostgres,
    'typeorm/pg (0.3)': (at) => typeormPostgres(at, { version: 'typeorm03' }),
    'typeorm/pg master': (at) => typeormPostgres(at, { mode: 'master' }),
    'typeorm/pg replica': (at) => typeormPostgres(at, { mode: 'slave', role: 'replica1' }),
    'sequelize/postgres': (at) => sequelized('postgres', at),
    'sequelize/postgres write': (at) => sequelized('postgres', at, 'write'),
    'sequelize/postgres read': (at) => sequelized('postgres', at, 'read'),
    'sequelize/postgres (7)': (at) => sequelized7(at),
    'sequelize/postgres (7) write': (at) => sequelized7(at, 'write'),
    'sequelize/postgres (7) read': (at) => sequelized7(at, 'read'),
    'mikro-orm/knex/pg': (at) => mikroOrm(at),
    'mikro-orm/knex/pg replica': (at) => mikroOrm(at, 'replica1'),
    'mikro-orm/pg (7)': (at) => mikroOrm7(at),
    'mikro-orm/pg (7) replica': (at) => mikroOrm7(at, 'replica1'),
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
    'typeorm/mysql2 (0.3)': (at) => typeormMysql(at, { version: 'typeorm03' }),
    'typeorm/mysql2 master': (at) => typeormMysql(at, { mode: 'master' }),
    'typeorm/mysql2 slave': (at) => typeormMysql(at, { mode: 'slave', role: 'slave0' }),
    'sequelize/mysql': (at) => sequelized('mysql', { ...at, database: 'mysql' }),
    mariadb: mariadbPool,
  },
  tds: {
    mssql: mssqlPool,
    'mssql (11)': (at) => mssqlPool(at, 'mssql11'),
    'knex/mssql': knexMssql,
    'knex/mssql (2)': (at) => knexMssql(at, 'knex2'),
    'typeorm/mssql': typeormMssql,
    'typeorm/mssql (0.3)': (at) => typeormMssql(at, 'typeorm03'),
  },
  mongo: { mongodb: mongodbClient, 'mongoose/mongodb': mongooseConnection },
  redis: { ioredis: ioredisClient, redis: nodeRedisClient, 'pool/redis': nodeRedisPool },
  'redis-cluster': { 'cluster/ioredis': ioredisCluster, 'cluster/redis': nodeRedisCluster },
  oracle: {
    oracledb: oraclePool,
    'knex/oracledb': knexOracle,
    'knex/oracledb native pool': async (at) => knexedNative('oracledb', await oraclePool(at)),
    'typeorm/oracledb': typeormOracle,
    'typeorm/oracledb (0.3)': (at) => typeormOracle(at, 'typeorm03'),
  },
};

/** Which servers are no more than stand-ins. */
export const STAND_IN_FOR = { tds: 'tds', mongo: 'mongo', oracle: 'echo' };

function pgPool(at) {
  const { Pool } = require('pg');
  const pool = new Pool({ ...at, max: MAX, idleTimeoutMillis: IDLE_MS });
  pool.on('error', () => {});
  // One that is out and breaks ends the process, unless somebody listens: Kysely does not.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pgMade(pool);
}

function pgMade(pool) {
  return {
    value: pool,
    take: () => pool.connect(),
    give: (client) => client.release(client._ending || !client._queryable),
    queue: () => pool.waitingCount,
    limit: (ms = 0) => (pool.options.connectionTimeoutMillis = ms),
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
    limit: (ms = LIMIT_MS) => (client.pool.acquireTimeoutMillis = ms),
    close: () => knex.destroy(),
  };
}

function knexedNative(client, native) {
  const made = knexed({ client, connectionPool: native.value });
  const close = async () => {
    await made.close();
    await native.close();
  };
  return { ...made, queue: native.queue, limit: native.limit, close };
}

/** `mode`, of a replicated one: which of its pools the caller takes from. */
async function typeorm(options, { version = 'typeorm', mode, role } = {}) {
  require('reflect-metadata');
  const { DataSource } = require(version);
  const source = await new DataSource(options).initialize();
  return {
    value: source,
    role,
    take: async () => {
      const runner = source.createQueryRunner(mode);
      await runner.connect();
      return runner;
    },
    give: (runner) => runner.release(),
    limit:
      options.type === 'postgres' &&
      !mode &&
      ((ms = 0) => (source.driver.master.options.connectionTimeoutMillis = ms)),
    close: () => source.destroy(),
  };
}

function typeormPostgres(at, how = {}) {
  const one = { ...at, username: at.user };
  const where = how.mode ? { replication: { master: one, slaves: [one] } } : one;
  const extra = { max: MAX, idleTimeoutMillis: IDLE_MS };
  return typeorm({ type: 'postgres', ...where, extra }, how);
}

function typeormMysql(at, how = {}) {
  const one = { ...at, username: at.user, database: 'mysql' };
  // By default a node is given up for good after five errors.
  const replication = { master: one, slaves: [one], removeNodeErrorCount: 1_000_000 };
  const where = how.mode ? { replication } : one;
  return typeorm({ type: 'mysql', ...where, extra: { connectionLimit: MAX } }, how);
}

/** It holds a connection for a transaction only: the caller takes one as that does. */
async function typeormMssql({ host, port }, version) {
  const { user: username, ...settings } = SQL_SERVER;
  const known = { database: 'any', schema: 'dbo' };
  const made = await typeorm(
    { type: 'mssql', host, port, username, ...settings, ...known, pool: TARN },
    { version },
  );
  const pool = made.value.driver.master;
  return {
    ...made,
    take: () => pool.acquire({}),
    give: (connection) => pool.release(connection),
    queue: () => pool.pending,
  };
}

async function typeormOracle(at, version) {
  const native = await oraclePool(at);
  const driver = { createPool: (_options, done) => done(null, native.value) };
  const known = { database: 'any', schema: 'any' };
  const made = await typeorm({ type: 'oracle', connectString: 'any', ...known, driver }, { version });
  return { ...made, queue: native.queue, limit: native.limit };
}

const SEQUELIZE_POOL = { max: MAX, min: 0, evict: 500, idle: IDLE_MS, acquire: LIMIT_MS };

/** `role`, of a replicated one: which of its pools the caller takes from. */
function sequelized(dialect, at, role) {
  const { Sequelize } = require('sequelize');
  const { host, port, database, user: username, password } = at;
  const one = { host, port, database, username, password };
  const where = role ? { replication: { read: [one], write: one } } : one;
  const sequelize = new Sequelize({ dialect, ...where, pool: SEQUELIZE_POOL, logging: false });
  const manager = sequelize.connectionManager;
  return {
    value: sequelize,
    role: role === 'read' ? role : '',
    take: () => manager.getConnection(role === 'read' ? { type: 'SELECT' } : undefined),
    give: (connection) => manager.releaseConnection(connection),
    queue: () => (role ? manager.pool[role] : manager.pool).waiting,
    limit: (ms = LIMIT_MS) => ((role ? manager.pool[role] : manager.pool).acquireTimeoutMillis = ms),
    close: () => sequelize.close(),
  };
}

function sequelized7(at, role) {
  const { Sequelize } = require('@sequelize/core');
  const { PostgresDialect } = require('@sequelize/postgres');
  const where = role ? { replication: { read: [at], write: at } } : at;
  const options = { dialect: PostgresDialect, ...where, pool: SEQUELIZE_POOL, logging: false };
  const sequelize = new Sequelize(options);
  const { pool } = sequelize;
  return {
    value: sequelize,
    role: role === 'read' ? role : '',
    take: () => pool.acquire({ type: role ?? 'write' }),
    give: (connection) => pool.release(connection),
    queue: () => pool.getPool(role ?? 'write').waiting,
    limit: (ms = LIMIT_MS) => (pool.getPool(role ?? 'write').acquireTimeoutMillis = ms),
    close: () => sequelize.close(),
  };
}

async function mikroOrm(at, role) {
  const { MikroORM, EntitySchema } = require('@mikro-orm/postgresql');
  const discovery = { warnWhenNoEntities: false };
  const orm = await MikroORM.init({ ...mikroOrmOptions(at, role, EntitySchema), discovery, pool: TARN });
  const { client } = orm.em.getConnection(role ? 'read' : 'write').getKnex();
  client.logger = quiet;
  return {
    value: orm,
    role,
    take: () => client.acquireConnection(),
    give: (connection) => client.releaseConnection(connection),
    queue: () => client.pool.numPendingAcquires(),
    limit: (ms = LIMIT_MS) => (client.pool.acquireTimeoutMillis = ms),
    close: () => orm.close(true),
  };
}

async function mikroOrm7(at, role) {
  const { MikroORM, EntitySchema } = await import('./mikro-orm7/index.mjs');
  const pool = { max: MAX, idleTimeoutMillis: IDLE_MS };
  const orm = await MikroORM.init({ ...mikroOrmOptions(at, role, EntitySchema), pool });
  await orm.connect();
  const native = await orm.em.getConnection(role ? 'read' : 'write').getNativeClient();
  return { ...pgMade(native), value: orm, role, close: () => orm.close(true) };
}

function mikroOrmOptions(at, role, EntitySchema) {
  const Thing = new EntitySchema({ name: 'Thing', properties: { id: { type: 'number', primary: true } } });
  const replicas = role ? [{ name: 'reader', host: at.host, port: at.port }] : [];
  return { ...at, dbName: at.database, entities: [Thing], replicas, logger: () => {} };
}

/** What holds a connection in Kysely is a callback that has not come to its end. */
function kyselyed(at) {
  const { Kysely, PostgresDialect } = require('kysely');
  const made = pgPool(at);
  const db = new Kysely({ dialect: new PostgresDialect({ pool: made.value }) });
  const take = () =>
    new Promise((resolve, reject) => {
      const held = () => new Promise((give) => resolve(give));
      db.connection().execute(held).catch(reject);
    });
  return { ...made, take, give: (give) => give(), close: () => db.destroy() };
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
    limit: (ms) => (pool._config.acquireTimeoutMillis = ms),
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
    acquireTimeout: FIXED_LIMIT_MS,
    minimumIdle: 0,
    initializationTimeout: 1_000,
  });
  pool.on('error', () => {});
  return {
    value: pool,
    take: () => pool.getConnection(),
    give: (connection) => connection.release(),
    queue: () => pool.taskQueueSize(),
    limit() {},
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
    limit: (ms = LIMIT_MS) => (pool.pool.acquireTimeoutMillis = ms),
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
  waitQueueTimeoutMS: FIXED_LIMIT_MS,
};

/** A caller holds a connection for as long as its command is not answered. */
function mongoMade(value, client, close) {
  const command = async (name, options) => client.db('any').command({ [name]: 1 }, options);
  return {
    value,
    async take() {
      const held = new AbortController();
      const out = new Promise((resolve) => client.once('connectionCheckedOut', resolve));
      const ended = command('hold3600000', { signal: held.signal });
      ended.catch(() => {});
      await Promise.race([out, ended]);
      return held;
    },
    give: (held) => held.abort(),
    use: (ms) => command(`hold${ms}`),
    queue: () => {
      const [{ pool }] = client.topology.s.servers.values();
      return pool.waitQueue.toArray().filter(({ cancelled }) => !cancelled).length;
    },
    limit() {},
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
  const settings = { minimum: 0, maximum: MAX, acquireTimeout: FIXED_LIMIT_MS, cleanupDelay: IDLE_MS };
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
    limit() {},
    close: () => pool.destroy(),
  };
}

/**
 * Nobody but Oracle speaks its protocol far enough to log in: the driver's own pools, the common and the thin one, with
 * connections of its own in them whose session is a socket to an echo and knows a question.
 */
async function oraclePool(at) {
  const oracledb = require('oracledb');
  echoing(require('oracledb/lib/thin/connection.js').prototype, at);
  const pool = await oracledb.createPool({
    user: 'user',
    password: 'secret',
    connectString: `${at.host}:${at.port}/any`,
    poolMin: 0,
    poolMax: MAX,
    poolIncrement: 1,
    poolTimeout: IDLE_MS / 1_000,
    queueTimeout: LIMIT_MS,
  });
  return {
    value: pool,
    take: () => pool.getConnection(),
    give: (connection) => connection.close(),
    queue: () => pool._pendingRequestQueue.size,
    limit: (ms = LIMIT_MS) => (pool._queueTimeout = ms),
    close: () => pool.close(0),
  };
}

/** Knex opens each by itself, and has it below tarn. */
function knexOracle(at) {
  const Connection = require('oracledb/lib/connection.js');
  const { OUT_FORMAT_OBJECT } = require('oracledb');
  const driver = {
    OUT_FORMAT_OBJECT,
    getConnection(_settings, done) {
      const connection = new Connection();
      echoConnection(at).then((impl) => {
        connection._impl = impl;
        done(null, connection);
      }, done);
    },
  };
  const client = class extends require('knex/lib/dialects/oracledb/index.js') {
    _driver() {
      return driver;
    }
  };
  return knexed({ client, connection: { connectString: `${at.host}:${at.port}/any` }, pool: TARN });
}

/** A thin connection as its pool makes one, of no pool. */
async function echoConnection(at) {
  const Connection = require('oracledb/lib/thin/connection.js');
  echoing(Connection.prototype, at);
  const connection = new Connection();
  await connection.connect();
  return connection;
}

/** Gives the class of thin connections the few parts of a session that its pool uses. */
function echoing(connection, at) {
  connection.connect = async function () {
    const stream = net.connect(at);
    stream.on('error', () => {});
    const disconnect = () => stream.destroy();
    this.nscon = {
      ntAdapter: { stream, connected: true },
      get connected() {
        return !stream.destroyed;
      },
      disconnect,
      forceDisconnect: disconnect,
    };
    await asked(stream);
  };
  connection.isHealthy = function () {
    return this.nscon.connected;
  };
  connection.ping = function () {
    return asked(this.nscon.ntAdapter.stream);
  };
  connection.close = async function () {
    if (this._pool && !this._dropSess) return this._pool.release(this);
    this.nscon.disconnect();
    return undefined;
  };
  connection.getOracleServerVersion = () => 2300000000;
  connection.getOracleServerVersionString = () => '23.0.0.0.0';
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

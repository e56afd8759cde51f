/** From an ORM to its pools: real pools, none of them connected, in the shapes that the ORMs keep them in. */
import knexFactory from 'knex';
import { createPool, createPoolCluster } from 'mysql2';
import { createPool as createPromisePool } from 'mysql2/promise';
import { Pool } from 'pg';
import { adapterFor, partsOf } from '../../../lib/sources/pools/index.js';
import { databaseOf } from '../../../lib/sources/pools/target.js';

const AT = { host: '127.0.0.1', port: 1 };
const pg = (): Pool => new Pool({ ...AT, max: 3 });
const mysql = () => createPool({ ...AT, connectionLimit: 3 });
const summary = (value: unknown) =>
  partsOf(value).map(({ role, adapter }) => [role, adapter!.driver, adapter!.pool]);

/** In the shape of sequelize-pool's. */
const sequelizePool = () => ({
  size: 0,
  available: 0,
  using: 0,
  waiting: 0,
  maxSize: 5,
  acquire() {},
  release() {},
  destroy() {},
});
const dataSource = (driver: object): object => ({ isInitialized: true, createQueryRunner() {}, driver });

test('a TypeORM data source of PostgreSQL has the pool of its master and those of its slaves', () => {
  const [master, one, two] = [pg(), pg(), pg()];
  expect(summary(dataSource({ master, slaves: [one, two] }))).toEqual([
    ['', 'typeorm/pg', master],
    ['replica1', 'typeorm/pg', one],
    ['replica2', 'typeorm/pg', two],
  ]);
});

test('a TypeORM data source of MySQL has one pool, or those of a cluster, its master first', () => {
  const pool = mysql();
  expect(summary(dataSource({ pool }))).toEqual([['', 'typeorm/mysql2', pool]]);
  const poolCluster = createPoolCluster();
  poolCluster.add('SLAVE0', AT);
  poolCluster.add('MASTER', AT);
  expect(summary(dataSource({ poolCluster })).map(([role, driver]) => [role, driver])).toEqual([
    ['', 'typeorm/mysql2'],
    ['slave0', 'typeorm/mysql2'],
  ]);
  expect(summary(poolCluster).map(([role, driver]) => [role, driver])).toEqual([
    ['', 'mysql2'],
    ['slave0', 'mysql2'],
  ]);
});

test('a master that its cluster has dropped is gone, and no replica passes for it', async () => {
  const poolCluster = createPoolCluster({ removeNodeErrorCount: 1 });
  poolCluster.add('SLAVE0', AT);
  poolCluster.add('MASTER', AT);
  const [, replica] = summary(dataSource({ poolCluster }));
  await new Promise((asked) => poolCluster.getConnection('MASTER', asked));
  expect(summary(dataSource({ poolCluster }))).toEqual([['', 'typeorm', null], replica]);
  expect(adapterFor(poolCluster)!.pool).toBeNull();
  poolCluster.add('MASTER', AT);
  expect(adapterFor(poolCluster)!.pool).not.toBeNull();
});

test('a data source that is not initialized yet is one, without a pool', () => {
  expect(adapterFor(dataSource({ slaves: [] }))).toMatchObject({ driver: 'typeorm', pool: null });
});

test('a Sequelize 7 instance is read although its connection manager throws', () => {
  const sequelize = {
    define() {},
    authenticate() {},
    transaction() {},
    close() {},
    dialect: { name: 'postgres' },
    pool: { read: sequelizePool(), write: sequelizePool() },
    get connectionManager(): never {
      throw new Error('moved');
    },
  };
  expect(summary(sequelize)).toEqual([
    ['', 'sequelize/postgres', sequelize.pool.write],
    ['read', 'sequelize/postgres', sequelize.pool.read],
  ]);
  expect(adapterFor(sequelize)!.target()).toBeNull();
  const closed = Object.assign(Object.create(sequelize) as object, { isClosed: () => true });
  expect(summary(closed)).toEqual([['', 'sequelize/postgres', null]]);
});

test('the writer of a replicated Sequelize is sought where it was told to be, before there is a connection', () => {
  const pool = sequelizePool();
  const sequelize = (write?: object) => ({
    define() {},
    authenticate() {},
    transaction() {},
    close() {},
    dialect: { name: 'postgres' },
    config: { host: 'localhost', port: 5432, database: 'common' },
    options: { replication: write ? { write, read: [] } : false },
    connectionManager: { pool: { ...pool, write: pool } },
  });
  const replicated = sequelize({ host: 'writer.internal', database: 'orders' });
  const address = (value: unknown) => adapterFor(value)!.target()!.address;
  expect(address(replicated)).toEqual({ host: 'writer.internal', port: 5432 });
  expect(databaseOf(replicated)).toBe('orders');
  expect(address(sequelize())).toEqual({ host: 'localhost', port: 5432 });
  expect(databaseOf(sequelize())).toBe('common');
});

test('what hides its pool behind a promise has none until that has come, and is asked while connected only', async () => {
  let pool = pg();
  let asked = 0;
  const connection = {
    connected: false,
    getNativeClient: () => {
      asked += 1;
      return Promise.resolve(pool);
    },
  };
  const orm = { em: { getConnection() {}, getDriver: () => ({ connection }), fork() {} } };
  expect(adapterFor(orm)).toMatchObject({ driver: 'mikro-orm', pool: null });
  expect(asked).toBe(0);
  connection.connected = true;
  expect(adapterFor(orm)!.pool).toBeNull();
  await Promise.resolve();
  expect(adapterFor(orm)).toMatchObject({ driver: 'mikro-orm/pg', pool });
  connection.connected = false;
  const askedWhileConnected = asked;
  expect(adapterFor(orm)).toMatchObject({ pool: null });
  expect(asked).toBe(askedWhileConnected);
  pool = pg();
  connection.connected = true;
  expect(adapterFor(orm)).toMatchObject({ pool: null });
  await Promise.resolve();
  expect(adapterFor(orm)).toMatchObject({ driver: 'mikro-orm/pg', pool });
});

test('of what has connected anew between two looks the new pool is found', async () => {
  let pool = pg();
  const connection = { connected: true, getNativeClient: () => Promise.resolve(pool) };
  const orm = { em: { getConnection() {}, getDriver: () => ({ connection }), fork() {} } };
  adapterFor(orm);
  await Promise.resolve();
  pool = pg();
  adapterFor(orm);
  await Promise.resolve();
  expect(adapterFor(orm)!.pool).toBe(pool);
});

test('MikroORM has the pool of its connection and those of its replicas, each told from the other before it is there', () => {
  const connection = (pool?: Pool) => ({
    getKnex() {},
    client: pool && knexFactory({ client: 'pg', connectionPool: pool } as object),
  });
  const [main, one, two] = [pg(), pg(), pg()];
  const driver = (...pools: (Pool | undefined)[]) => {
    const [own, ...replicas] = pools.map(connection);
    return { connection: own, replicas };
  };
  const orm = (its: object) => ({ em: { getConnection() {}, getDriver: () => its, fork() {} } });
  expect(summary(orm(driver(main, one, two)))).toEqual([
    ['', 'mikro-orm/knex/pg', main],
    ['replica1', 'mikro-orm/knex/pg', one],
    ['replica2', 'mikro-orm/knex/pg', two],
  ]);
  const early = driver(undefined, undefined);
  expect(partsOf(orm(early)).map(({ role, adapter }) => [role, adapter!.identity])).toEqual([
    ['', early.connection],
    ['replica1', early.replicas[0]],
  ]);
});

test('Drizzle, a Prisma adapter and its client lead to the pool they were given', () => {
  const pool = pg();
  expect(summary({ $client: pool, select() {}, insert() {}, transaction() {} })).toEqual([
    ['', 'drizzle/pg', pool],
  ]);
  const connected = { adapterName: '@prisma/adapter-pg', underlyingDriver: () => pool };
  const factory = { externalPool: pool, connect() {} };
  for (const value of [factory, { _engineConfig: { adapter: factory } }, connected])
    expect(summary(value)).toEqual([['', 'prisma/pg', pool]]);
});

test.each([
  ['pg', pg],
  ['mysql2', mysql],
])('the own pool of %s given to Knex is that pool', async (client, make) => {
  const pool = make();
  const knex = knexFactory({ client, connectionPool: pool } as object);
  const adapter = adapterFor(knex)!;
  expect(adapter).toMatchObject({ driver: `knex/${client}`, pool });
  expect(adapter.gauges()).toEqual({ max: 3, used: 0, idle: 0, opening: 0, waiting: 0 });
  await knex.destroy();
});

test('a mysql2 pool is the same one behind its promises, has no limit with 0, and is none once it is closed', async () => {
  const pool = createPromisePool({ ...AT, connectionLimit: 0 });
  const adapter = adapterFor(pool)!;
  expect(adapter.driver).toBe('mysql2');
  expect(adapter.pool).toBe(adapterFor((pool as unknown as { pool: object }).pool)!.pool);
  expect(adapter.gauges().max).toBe(Infinity);
  expect(adapter.target()).toEqual({ protocol: 'mysql', address: AT });
  await pool.end();
  expect(adapter.pool).toBeNull();
});

test('a value that answers to every name is no pool, and none of its methods is called', () => {
  const called: PropertyKey[] = [];
  const anything: unknown = new Proxy(
    {},
    { get: (_target, key) => (typeof key === 'symbol' ? undefined : () => called.push(key)) },
  );
  expect(adapterFor(anything)).toBeNull();
  expect(called).toEqual([]);
});

test('Mongoose itself goes by the first of its connections, without its getter', () => {
  const connection = { getClient: () => null, model() {}, readyState: 0 };
  const mongoose = {
    createConnection() {},
    model() {},
    connect() {},
    connections: [connection],
    get connection(): never {
      throw new Error('a getter was run');
    },
  };
  expect(adapterFor(mongoose)).toMatchObject({ driver: 'mongoose', pool: null });
  mongoose.connections = [];
  expect(partsOf(mongoose)).toEqual([]);
});

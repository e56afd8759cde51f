import { createServer } from 'node:http';
import knexFactory, { type Knex } from 'knex';
import { createPool } from 'mysql2';
import { Pool } from 'pg';

import { poolFacts, processFacts, serverFacts } from '../../lib/sources/configuration.js';

const open: Knex[] = [];
const knex = (config: Knex.Config): Knex => {
  const made = knexFactory(config);
  open.push(made);
  return made;
};
afterAll(() => Promise.all(open.map((one) => one.destroy())));

/** Knex's own oracledb client, with a stand-in for the driver: nothing is connected. */
const OracleClient = require('knex/lib/dialects/oracledb') as new (config: Knex.Config) => {
  getPoolSettings(given: object): object;
};
class Oracle extends OracleClient {
  _driver(): unknown {
    return { OUT_FORMAT_OBJECT: 1, fetchAsString: [] };
  }
}
/** As Knex 3.1 has it: what it does not know in the settings of a pool goes on to tarn. */
class Oracle31 extends Oracle {
  override getPoolSettings(given: object): object {
    return { ...given, ...super.getPoolSettings(given) };
  }
}

describe('the facts of a pool', () => {
  it('are read off pg with its defaults, and with everything set', () => {
    const bare = new Pool({ host: 'db' });
    expect(poolFacts('main', bare)).toEqual({
      name: 'main',
      driver: 'pg',
      dialect: 'pg',
      min: 0,
      minSetting: 'min',
      keepAliveMs: null,
      connectTimeoutMs: 0,
      callTimeoutMs: null,
      evictsLost: null,
      hearsErrors: false,
    });
    const full = new Pool({
      host: 'db',
      min: 1,
      keepAlive: true,
      keepAliveInitialDelayMillis: 9_000,
      connectionTimeoutMillis: 3_000,
    } as object).on('error', () => {});
    expect(poolFacts('main', full)).toMatchObject({
      min: 1,
      keepAliveMs: 9_000,
      connectTimeoutMs: 3_000,
      hearsErrors: true,
    });
  });

  it.each<[Knex.Config, object]>([
    [
      { client: 'pg', connection: { host: 'db' } },
      { driver: 'knex/pg', min: 2, keepAliveMs: null },
    ],
    [
      { client: 'pg', connection: { host: 'db', keepAlive: true } as object, pool: { min: 0 } },
      { min: 0, keepAliveMs: 0, connectTimeoutMs: null, hearsErrors: null, evictsLost: null },
    ],
    [
      { client: 'mysql2', connection: { host: 'db' } },
      { driver: 'knex/mysql2', keepAliveMs: 0 },
    ],
    [
      { client: 'mysql2', connection: { host: 'db', keepAliveInitialDelay: 30_000 } as object },
      { keepAliveMs: 30_000 },
    ],
  ])('are read off Knex with %j', (config, facts) => {
    expect(poolFacts('main', knex(config))).toMatchObject(facts);
  });

  it('tell a Knex that recognizes lost oracledb connections from one that does not', () => {
    const facts = (client: typeof Oracle, connectString = 'db') =>
      poolFacts('main', knex({ client: client as never, connection: { connectString } as object }));
    expect(facts(Oracle)).toMatchObject({ driver: 'knex/oracledb', evictsLost: true, keepAliveMs: null });
    expect(facts(Oracle31)).toMatchObject({ evictsLost: false });
    expect(facts(Oracle, '(DESCRIPTION=(EXPIRE_TIME=2)(ADDRESS=...))')).toMatchObject({
      keepAliveMs: 120_000,
    });
  });

  it('tell of oracledb below Knex what the connect string and the preparation of a connection say', () => {
    const facts = (connectString: string, pool = {}) =>
      poolFacts('main', knex({ client: Oracle as never, connection: { connectString } as object, pool }));
    expect(facts('db:1521/x')).toMatchObject({ connectTimeoutMs: 0, callTimeoutMs: 0 });
    expect(facts('db:1521/x?connect_timeout=9&expire_time=1')).toMatchObject({
      connectTimeoutMs: 9_000,
      keepAliveMs: 60_000,
    });
    expect(facts('(DESCRIPTION=(TRANSPORT_CONNECT_TIMEOUT=3)(CONNECT_TIMEOUT=9))')).toMatchObject({
      connectTimeoutMs: 9_000,
    });
    expect(facts('db:1521/x', { afterCreate() {} })).toMatchObject({ callTimeoutMs: null });
  });

  it('are read off the pool below an ORM, not off the ORM', () => {
    const orm = (driver: object): object => ({
      isInitialized: true,
      createQueryRunner() {},
      driver,
      options: {},
    });
    const extra = { host: 'db', keepAlive: true, keepAliveInitialDelayMillis: 9_000, min: 1 } as object;
    expect(poolFacts('main', orm({ master: new Pool(extra) }))).toMatchObject({
      driver: 'typeorm/pg',
      dialect: 'pg',
      min: 1,
      keepAliveMs: 9_000,
      connectTimeoutMs: 0,
      hearsErrors: false,
    });
    const mysql = createPool({ host: 'db', keepAliveInitialDelay: 9_000 });
    expect(poolFacts('main', orm({ pool: mysql }))).toMatchObject({
      driver: 'typeorm/mysql2',
      keepAliveMs: 9_000,
    });
    expect(poolFacts('main', orm({ slaves: [] }))).toBeNull();
  });

  it('are read off Sequelize, whose pool has its own words, by the options of its dialect', () => {
    const pool = { size: 0, available: 0, using: 0, waiting: 0, maxSize: 5, minSize: 2 };
    const calls = { acquire() {}, release() {}, destroy() {} };
    const methods = { define() {}, authenticate() {}, transaction() {}, close() {} };
    const sequelize = (name: string, dialectOptions?: object): object => ({
      ...methods,
      dialect: { name },
      connectionManager: { pool: { ...pool, ...calls } },
      config: { dialectOptions },
    });
    const facts = (name: string, options?: object) => poolFacts('main', sequelize(name, options));
    expect(facts('postgres', { keepAlive: true })).toMatchObject({
      minSetting: 'min',
      min: 2,
      keepAliveMs: 0,
    });
    expect(facts('mysql')).toMatchObject({ dialect: 'mysql2', keepAliveMs: 0 });
    expect(facts('mariadb')).toMatchObject({ keepAliveMs: null });
    expect(facts('mariadb', { keepAliveDelay: 30_000 })).toMatchObject({ keepAliveMs: 30_000 });
  });

  it('are none of what is no pool, and survive getters that throw', () => {
    expect(poolFacts('main', {})).toBeNull();
    const hostile = new Pool({ host: 'db' });
    Object.defineProperty(hostile.options, 'keepAlive', {
      get: () => {
        throw new Error('no');
      },
    });
    expect(poolFacts('main', hostile)).toMatchObject({ keepAliveMs: null });
  });
});

test('the facts of a server are its limits; no server has none', () => {
  const server = createServer();
  server.keepAliveTimeout = 7_000;
  server.headersTimeout = 8_000;
  expect(serverFacts(server)).toEqual({ keepAliveTimeoutMs: 7_000, headersTimeoutMs: 8_000 });
  expect(serverFacts(undefined)).toBeNull();
});

test.each([
  [1, 'node\0dist/main.js\0', 'node'],
  [19, 'npm run start:prod\0', 'npm'],
  [19, '/usr/local/bin/node\0/usr/local/bin/npm\0run\0', 'npm'],
  [19, '/sbin/docker-init\0--\0npm\0', 'other'],
  [19, '', 'other'],
])('process %d below "%s" has %s as the first process', (pid, commandLine, firstProcess) => {
  expect(processFacts(pid, commandLine)).toEqual({ firstProcess });
});

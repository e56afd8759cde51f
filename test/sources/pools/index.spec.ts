import knexFactory from 'knex';
import { Pool } from 'pg';
import { ACCEPTED_POOLS, adapterFor } from '../../../lib/sources/pools/index.js';
import { isNetworkError, codeOf } from '../../../lib/sources/pools/duck.js';
import { PoolSource } from '../../../lib/sources/pools/source.js';
import { ASKING } from './observed.js';

test('a pg Pool is recognized', async () => {
  const pool = new Pool({ max: 7 });
  const adapter = adapterFor(pool)!;
  expect(adapter).toMatchObject({ driver: 'pg', pool });
  expect(adapter.gauges()).toEqual({ max: 7, used: 0, idle: 0, opening: 0, waiting: 0 });
  await pool.end();
  expect(adapterFor(pool)!.pool).toBeNull();
});

test.each(['pg', 'mysql2'])('a Knex instance for %s is recognized', async (client) => {
  const knex = knexFactory({ client, connection: { host: '127.0.0.1', port: 1 }, pool: { max: 4 } });
  const adapter = adapterFor(knex)!;
  expect(adapter.driver).toBe(`knex/${client}`);
  expect(adapter.gauges().max).toBe(4);
  expect(adapter.target()).toEqual({
    protocol: client === 'pg' ? 'pg' : 'mysql',
    address: { host: '127.0.0.1', port: 1 },
  });
  await knex.destroy();
  expect(adapterFor(knex)!.pool).toBeNull();
});

/** What Knex of that dialect is asked, on such a connection. */
async function askedBelowKnex(dialect: string, connection: object): Promise<readonly string[]> {
  const asked: string[] = [];
  const client = {
    dialect,
    acquireConnection() {},
    on() {},
    removeListener() {},
    _query: (_connection: object, { sql }: { sql: string }) => Promise.resolve(asked.push(sql)),
  };
  await adapterFor(Object.assign(() => {}, { client, raw() {}, destroy() {} }))!.ask(connection);
  return asked;
}

test('Knex asks Oracle in the way of Oracle, others plainly', async () => {
  expect(await askedBelowKnex('oracle', {})).toEqual(['select 1 from dual']);
  for (const dialect of ['mssql', 'mysql']) expect(await askedBelowKnex(dialect, {})).toEqual(['select 1']);
});

test("below Knex a connection of oracledb is asked by its own ping, which Knex does not commit; mysql2's is not", async () => {
  let pings = 0;
  const connection = { ping: async () => void (pings += 1) };
  expect(await askedBelowKnex('oracle', connection)).toEqual([]);
  expect(pings).toBe(1);
  expect(await askedBelowKnex('mysql', connection)).toEqual(['select 1']);
  expect(pings).toBe(1);
});

const hostile = new Proxy(
  {},
  {
    get() {
      throw new Error('do not look at me');
    },
  },
);

test.each([
  ['nothing', undefined],
  ['null', null],
  ['a number', 5],
  ['a string', 'postgres://db'],
  ['a plain object', { totalCount: 1 }],
  ['a function', () => {}],
  ['a class', class Service {}],
  ['an object whose getters throw', hostile],
  [
    'a function whose getters throw',
    new Proxy(() => {}, {
      get: () => {
        throw new Error('no');
      },
    }),
  ],
  ['a promise', Promise.resolve()],
])('%s is not a pool', (_name, value) => {
  expect(adapterFor(value)).toBeNull();
});

test('a resolver that answers something else is told what it gave and what is accepted', () => {
  class Repository {}
  let value: unknown = new Repository();
  const source = new PoolSource('main', () => value, ASKING);
  expect(source.sample(1)).toBeNull();
  expect(source.problem).toBe(`pool "main" must be ${ACCEPTED_POOLS}, got an object of class Repository`);
  value = hostile;
  expect(source.sample(2)).toBeNull();
  expect(source.problem).toContain('got an object');
  value = 'postgres://user:secret@db';
  expect(source.sample(3)).toBeNull();
  expect(source.problem).toContain('got a string');
  expect(source.problem).not.toContain('secret');
  value = undefined;
  expect(source.sample(4)).toBeNull();
  expect(source.problem).toBeNull();
});

test.each<[unknown, boolean]>([
  [{ code: 'ECONNRESET' }, true],
  [{ code: 'ETIMEDOUT' }, true],
  [{ code: '57P01' }, true],
  [{ code: '08006' }, true],
  [{ code: 'PROTOCOL_CONNECTION_LOST' }, true],
  [{ code: 'NJS-500' }, true],
  ...['03113', '03114', '03135', '12170', '12514', '12537', '12541', '12543', '12545', '12547', '12560'].map(
    (number): [unknown, boolean] => [{ code: `ORA-${number}` }, true],
  ),
  [{ code: 'DPI-1010' }, true],
  [{ code: 'DPI-1080' }, true],
  [{ code: 'ORA-00001', message: 'unique constraint violated' }, false],
  [{ code: 'ETIMEOUT', name: 'ConnectionError' }, true],
  [
    { code: 'ETIMEOUT', name: 'RequestError', message: 'Timeout: Request failed to complete in 15000ms' },
    false,
  ],
  [new Error('Connection terminated unexpectedly'), true],
  [{ code: '23505', message: 'duplicate key' }, false],
  [{ code: 'ER_DUP_ENTRY' }, false],
  [new Error('rolled back'), false],
  [true, false],
  [undefined, false],
])('%p is of the network: %p', (error, expected) => {
  expect(isNetworkError(error)).toBe(expected);
});

test('an error is told by its code and never by its message', () => {
  expect(codeOf({ code: '28P01', message: 'password of "joe"' })).toBe('28P01');
  expect(codeOf(Object.assign(new Error('x'), { name: 'TimeoutError' }))).toBe('TIMEOUT');
  expect(codeOf(new Error('password of "joe"'))).toBe('CONNECTION_FAILED');
});

/** What is heard of the calls that ask a pool for a connection: the pools are ours, the errors those of the drivers. */
import type { PoolEvents } from '../../../lib/sources/pools/adapter.js';
import { Requests } from '../../../lib/sources/pools/requests.js';

const connection = {};
let told: string[];
let requests: Requests;
let answer: () => Promise<unknown>;
let pool: { take(): Promise<unknown> };

const events = {
  checkout: () => told.push('checkout'),
  createFailure: () => told.push('createFailure'),
  timeout: () => told.push('timeout'),
} as unknown as PoolEvents;

beforeEach(() => {
  told = [];
  answer = async () => connection;
  requests = new Requests();
  pool = { take: () => answer() };
});

function named(name: string): Error {
  return new (class extends Error {
    override name = name;
  })();
}

class TimeoutError extends Error {}

test.each<[string, unknown, string[]]>([
  ['tarn and generic-pool', named('TimeoutError'), ['timeout']],
  ['sequelize-pool, whose class alone says it', new TimeoutError('Operation timeout'), ['timeout']],
  ['pg, in its queue', new Error('timeout exceeded when trying to connect'), ['timeout']],
  [
    'pg, while it connects',
    new Error('Connection terminated due to connection timeout'),
    ['timeout', 'createFailure'],
  ],
  ['mariadb', { code: 'ER_GET_CONNECTION_TIMEOUT' }, ['timeout']],
  ['oracledb', { code: 'NJS-040' }, ['timeout']],
  ['no way to the database', { code: 'ECONNREFUSED' }, ['createFailure']],
  ['no way to the database, below Sequelize', { parent: { code: 'ECONNREFUSED' } }, ['createFailure']],
  ['a login that is refused', { code: 'ER_ACCESS_DENIED_ERROR' }, ['createFailure']],
  ['a queue that is full', new Error('Queue limit reached.'), []],
  ['a queue of oracledb that is full', { code: 'NJS-076' }, []],
  ['a pool of mariadb that is closed', { code: 'ER_POOL_ALREADY_CLOSED' }, []],
])('how a caller was left without a connection is told: %s', async (_name, error, expected) => {
  requests.hear(pool, 'take', events);
  answer = () => Promise.reject(error);
  await expect(pool.take()).rejects.toBe(error);
  expect(told).toEqual(expected);
});

test('a pool with events of its own is heard for what they leave out', async () => {
  requests.hear(pool, 'take', events, { hasEvents: { checkout: true, createFailure: true } });
  await pool.take();
  answer = () => Promise.reject({ code: 'ECONNREFUSED' });
  await pool.take().catch(() => {});
  answer = () => Promise.reject(named('TimeoutError'));
  await pool.take().catch(() => {});
  expect(told).toEqual(['timeout']);
});

test('our own call passes unheard, and the next of the host does not', async () => {
  requests.hear(pool, 'take', events);
  await requests.unheard(() => pool.take());
  expect(told).toEqual([]);
  await pool.take();
  expect(told).toEqual(['checkout']);
});

test('whoever asks while somebody follows is told with the connection that he gets', async () => {
  requests.hear(pool, 'take', events);
  const got: unknown[] = [];
  let caller = 'early';
  const early = pool.take();
  const end = requests.followed(
    () => caller,
    (one, by) => got.push([one === connection, by]),
  );
  await early;
  caller = 'first';
  const first = pool.take();
  caller = 'second';
  await Promise.all([first, pool.take()]);
  end();
  await pool.take();
  expect(got).toEqual([
    [true, 'first'],
    [true, 'second'],
  ]);
});

test('a follower that throws costs a name, and the host nothing', async () => {
  requests.hear(pool, 'take', events);
  const got: unknown[] = [];
  requests.followed(
    () => {
      throw new Error('ours');
    },
    (_one, by) => got.push(by),
  );
  await expect(pool.take()).resolves.toBe(connection);
  expect(got).toEqual([null]);
});

test('what is answered may stand for a connection, or for none', async () => {
  requests.hear(pool, 'take', events, {
    connectionOf: (value) => (value === connection ? connection : null),
  });
  await pool.take();
  answer = async () => [{ rows: 1 }];
  await pool.take();
  expect(told).toEqual(['checkout']);
});

/** What follows from the counters and events of mariadb's pool; a real one is driven by `test/pools`. */
import { EventEmitter } from 'node:events';
import type { PoolAdapter, PoolEvents } from '../../../lib/sources/pools/adapter.js';
import { recognizeMariadb } from '../../../lib/sources/pools/mariadb.js';
import { PoolSource } from '../../../lib/sources/pools/source.js';
import { ASKING } from './observed.js';

class Pool extends EventEmitter {
  closed = false;
  active = 0;
  idle = 0;
  queue = 0;
  answer: Promise<unknown> = new Promise(() => {});

  totalConnections(): number {
    return this.active + this.idle;
  }
  activeConnections(): number {
    return this.active;
  }
  idleConnections(): number {
    return this.idle;
  }
  taskQueueSize(): number {
    return this.queue;
  }
  getConnection(): Promise<unknown> {
    return this.answer;
  }
  query(): Promise<unknown> {
    return this.answer;
  }
  execute = this.query.bind(this);
  batch = this.query.bind(this);
  importFile = this.query.bind(this);
  override toString(): string {
    return 'active=0 idle=0 limit=2';
  }
}

let pool: Pool;
let adapter: PoolAdapter;
let told: string[];
let end: () => void;

beforeEach(() => {
  pool = new Pool();
  told = [];
  adapter = recognizeMariadb(pool)!;
  const tell = (what: string) => () => void told.push(what);
  end = adapter.attach({
    checkout: tell('checkout'),
    createFailure: tell('createFailure'),
    timeout: tell('timeout'),
    opened: tell('opened'),
  } as unknown as PoolEvents);
});

test.each([
  ['somebody waits, none is idle and there is room', { active: 1, idle: 0, queue: 1 }, 1],
  ['nobody waits', { active: 1, idle: 0, queue: 0 }, 0],
  ['one is idle', { active: 0, idle: 1, queue: 1 }, 0],
  ['there is no room', { active: 2, idle: 0, queue: 1 }, 0],
])('a connection is being opened while %s: %p', (_when, state, opening) => {
  Object.assign(pool, state);
  expect(adapter.gauges()).toMatchObject({ opening, waiting: state.queue, used: state.active, max: 2 });
});

test('whoever queued first is served first: the waiters are the last who were told to queue', () => {
  const waiters = (queue: number): readonly object[] => {
    pool.queue = queue;
    return adapter.waiters();
  };
  for (let i = 0; i < 3; i++) pool.emit('enqueue');
  const [, second, third] = waiters(3);
  expect(waiters(2)).toEqual([second, third]);
  pool.emit('enqueue');
  expect(waiters(2)[0]).toBe(third);
  expect(waiters(0)).toEqual([]);
});

test('what it could not open is heard beside the host, who is the only listener for errors', () => {
  pool.queue = 1;
  expect(() => pool.emit('error', Object.assign(new Error('no'), { code: 'ER_POOL_NO_CONNECTION' }))).toThrow(
    'no',
  );
  expect(told).toEqual(['createFailure']);
  expect(pool.listenerCount('error')).toBe(0);
});

test('what could not be opened for our ping alone is not the failure of a caller', () => {
  void adapter.borrow();
  pool.queue = 1;
  pool.on('error', () => {});
  pool.emit('error', { code: 'ER_POOL_NO_CONNECTION' });
  expect(told).toEqual([]);
});

test.each(['getConnection', 'query', 'execute', 'batch', 'importFile'] as const)(
  'a caller of %s whom the pool gave up is told',
  async (name) => {
    const error = { code: 'ER_GET_CONNECTION_TIMEOUT' };
    pool.answer = Promise.reject(error);
    await expect(pool[name]()).rejects.toBe(error);
    expect(told).toEqual(['timeout']);
    end();
    await expect(pool[name]()).rejects.toBe(error);
    expect(told).toEqual(['timeout']);
  },
);

test('where hygiene can close nothing it says so, once for all pools that one name stands for', () => {
  const told: string[] = [];
  const source = new PoolSource(
    'main',
    () => pool,
    { ...ASKING, hygiene: true },
    (line) => told.push(line),
  );
  source.sample(performance.now());
  pool = new Pool();
  source.sample(performance.now());
  source.close();
  expect(told).toEqual(['closes nothing: a pool of mariadb lets nobody close single idle connections']);
});

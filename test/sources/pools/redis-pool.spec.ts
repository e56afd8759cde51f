/** The pool of node-redis, as a stand-in of its object; test/pools drives the real one. */
import type { PoolEvents } from '../../../lib/sources/pools/adapter.js';
import { adapterFor } from '../../../lib/sources/pools/index.js';
import { ping } from '../../../lib/sources/pools/ping.js';

type Task = (client: object) => unknown;

const client = (port: number, isReady = true) => ({
  isOpen: true,
  isReady,
  options: { socket: { host: '127.0.0.1', port } },
  ping: () => Promise.resolve('PONG'),
});

/** What it does with a task is said by each test. */
function poolOf(execute: (task: Task) => Promise<unknown>) {
  const counters = { idleClients: 0, clientsInUse: 0, totalClients: 0, tasksQueueLength: 0 };
  const pool = { ...counters, isOpen: true, isClosing: false, execute };
  return Object.assign(pool, { _self: pool });
}

/** Gives this client to every task. */
const giving = (one: object) => poolOf(async (task) => task(one));

function heard(value: object) {
  const told: string[] = [];
  const tell = (what: string) => (_on: unknown, detail?: unknown) => {
    told.push(detail === undefined || detail === null ? what : `${what} ${typeof detail}`);
  };
  const events = { checkout: tell('checkout'), checkin: tell('checkin'), createFailure: tell('failure') };
  const adapter = adapterFor(value)!;
  return { adapter, told, end: adapter.attach(events as unknown as PoolEvents) };
}

test.each([
  ['before it connects', { isOpen: false }],
  ['while it closes', { isClosing: true }],
])('%s it is known and has no pool', (_when, state) => {
  const value = Object.assign(giving(client(1)), state);
  expect(adapterFor(value)).toMatchObject({ driver: 'pool/redis', pool: null });
});

test('all views of one pool are that pool', () => {
  const pool = giving(client(1));
  expect(adapterFor(Object.create(pool) as object)!.pool).toBe(pool);
});

test('a client is in use from the moment its task is called until the promise of that ends, well or not', async () => {
  const pool = giving(client(1));
  const { adapter, told } = heard(pool);
  let end = (_error?: Error): void => {};
  const task = () => new Promise<void>((done, fail) => (end = (error) => (error ? fail(error) : done())));
  for (const error of [undefined, new Error('of the task')]) {
    const asked = pool.execute(task);
    expect(adapter.used()).toHaveLength(1);
    end(error);
    await asked.catch(() => {});
    expect(adapter.used()).toEqual([]);
  }
  expect(told).toEqual(['checkout number', 'checkin', 'checkout number', 'checkin']);
});

test('a task without a promise, and one that throws, give their client back at once, and the caller gets what they said', async () => {
  const pool = giving(client(1));
  const { adapter, told } = heard(pool);
  expect(await pool.execute(() => 5)).toBe(5);
  const thrown = Object.assign(new Error('of the task'), { code: 'ECONNREFUSED' });
  await expect(
    pool.execute(() => {
      throw thrown;
    }),
  ).rejects.toBe(thrown);
  expect(adapter.used()).toEqual([]);
  expect(told).toEqual(['checkout number', 'checkin', 'checkout number', 'checkin']);
});

test('who is queued waits until he is refused, and a client that could not be opened is a failed creation', async () => {
  let refuse = (_error: Error): void => {};
  const pool = poolOf(() => new Promise((_done, fail) => (refuse = fail)));
  const { adapter, told } = heard(pool);
  for (const code of ['ECONNREFUSED', undefined]) {
    const asked = pool.execute(() => {});
    expect(adapter.waiters()).toHaveLength(1);
    refuse(Object.assign(new Error('refused'), { code }));
    await expect(asked).rejects.toThrow('refused');
    expect(adapter.waiters()).toEqual([]);
  }
  expect(told).toEqual(['failure']);
});

test('its size is known once somebody has to wait and no client is opened for him', () => {
  let opened = 1;
  const pool = poolOf(() => {
    pool.tasksQueueLength += 1;
    pool.clientsInUse += opened;
    pool.totalClients += opened;
    return new Promise(() => {});
  });
  const { adapter } = heard(pool);
  void pool.execute(() => {});
  expect(adapter.gauges()).toEqual({ max: Infinity, used: 0, idle: 0, opening: 1, waiting: 1 });
  opened = 0;
  void pool.execute(() => {});
  expect(adapter.gauges()).toEqual({ max: 1, used: 0, idle: 0, opening: 1, waiting: 2 });
});

test('one that refuses all, as it is closing, does not tell its size', async () => {
  const pool = poolOf(() => Promise.reject(new Error('closed')));
  const { adapter } = heard(pool);
  await expect(pool.execute(() => {})).rejects.toThrow('closed');
  expect(adapter.gauges().max).toBe(Infinity);
});

test('a free client without a connection is dead, one that is closed is gone', async () => {
  const [one, other] = [client(1), client(2)];
  let next = one;
  const pool = poolOf(async (task) => task(next));
  const { adapter } = heard(pool);
  await pool.execute(() => {});
  next = other;
  await pool.execute(() => {});
  one.isReady = false;
  Object.assign(other, { isReady: false, isOpen: false });
  expect(adapter.dead()).toBe(1);
  next = one;
  void pool.execute(() => new Promise(() => {}));
  expect(adapter.dead()).toBe(0);
});

test('where it is shows in the first client seen', async () => {
  const pool = giving(client(7));
  const { adapter } = heard(pool);
  expect(adapter.target()).toBeNull();
  await pool.execute(() => {});
  expect(adapter.target()).toMatchObject({ protocol: 'tcp', address: { host: '127.0.0.1', port: 7 } });
});

describe('a ping', () => {
  test('goes to a free client, and is no checkout', async () => {
    const pool = Object.assign(giving(client(1)), { idleClients: 1, clientsInUse: 1 });
    const { adapter, told } = heard(pool);
    const { answer } = ping(adapter, 1_000);
    expect(adapter.gauges()).toMatchObject({ used: 0, opening: 0 });
    expect(await answer).toMatchObject({ kind: 'answered' });
    expect(adapter.gauges()).toMatchObject({ used: 0, opening: 1 });
    expect(told).toEqual([]);
  });

  test('that is not answered gives the client back, and ends when the driver has let go of it', async () => {
    let answer = (_said: string): void => {};
    let isBack = false;
    const one = { ...client(1), ping: () => new Promise<string>((done) => (answer = done)) };
    const pool = poolOf(async (task) => {
      await task(one);
      isBack = true;
    });
    pool.idleClients = 1;
    const asked = ping(adapterFor(pool)!, 30);
    expect(await asked.answer).toMatchObject({ kind: 'failed', code: 'TIMEOUT' });
    expect(isBack).toBe(true);
    let isSettled = false;
    void asked.settled.then(() => (isSettled = true));
    await new Promise((done) => setTimeout(done, 20));
    expect(isSettled).toBe(false);
    answer('PONG');
    await asked.settled;
  });

  test('on a client that loses its connection meanwhile leaves the answer to a connect', async () => {
    const one = { ...client(1), ping: () => new Promise<string>(() => {}) };
    const pool = Object.assign(giving(one), { idleClients: 1 });
    const { answer } = ping(adapterFor(pool)!, 30);
    one.isReady = false;
    expect(await answer).toEqual({ kind: 'behind' });
  });

  test('takes no place in the queue where no client is free', async () => {
    const execute = jest.fn(() => new Promise(() => {}));
    expect(await ping(adapterFor(poolOf(execute))!, 30).answer).toEqual({ kind: 'behind' });
    expect(execute).not.toHaveBeenCalled();
  });

  test.each([
    ['the free one has no connection', giving(client(1, false))],
    ['it refuses', poolOf(() => Promise.reject(new Error('closed')))],
  ])('is put to nobody where %s, and leaves the answer to a connect', async (_why, pool) => {
    const asked = ping(adapterFor(Object.assign(pool, { idleClients: 1 }))!, 30);
    expect(await asked.answer).toEqual({ kind: 'behind' });
    await asked.settled;
  });
});

test('after the end nobody hears, and the pool is as it was', async () => {
  const pool = giving(client(1));
  const { execute } = pool;
  const { told, end } = heard(pool);
  end();
  await pool.execute(() => {});
  expect(told).toEqual([]);
  expect(pool.execute).toBe(execute);
});

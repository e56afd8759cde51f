/** Every state of a pool on a real PostgreSQL, through pg and through Knex. */
import { EventEmitter } from 'node:events';
import knexFactory, { type Knex } from 'knex';
import { Pool, type PoolClient } from 'pg';
import { Observed } from './observed.js';
import { startPostgres, until, type Server } from './servers.js';

jest.setTimeout(60_000);

let server: Server;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.end());

/** What a test needs of either driver. */
interface Bench {
  pool: unknown;
  query(sql: string): Promise<unknown>;
  /** Takes a connection and answers how to return it. */
  take(): Promise<() => void>;
  total(): number;
  waiting(): number;
  end(): Promise<void>;
}

function pgBench(max: number): Bench {
  const pool = new Pool({ ...settings(), max });
  const errors = new EventEmitter();
  pool.on('error', (error) => errors.emit('seen', error));
  return {
    pool,
    query: (sql) => pool.query(sql),
    take: async () => {
      const client: PoolClient = await pool.connect();
      client.on('error', () => {});
      return () => client.release();
    },
    total: () => pool.totalCount,
    waiting: () => pool.waitingCount,
    end: () => pool.end(),
  };
}

function knexBench(max: number): Bench {
  const knex: Knex = knexFactory({
    client: 'pg',
    connection: settings(),
    pool: { min: 0, max },
    log: { warn() {}, error() {} },
  });
  return {
    pool: knex,
    query: (sql) => knex.raw(sql),
    take: async () => {
      const connection = await knex.client.acquireConnection();
      return () => void knex.client.releaseConnection(connection);
    },
    total: () =>
      knex.client.pool.numUsed() + knex.client.pool.numFree() + knex.client.pool.numPendingCreates(),
    waiting: () => knex.client.pool.numPendingAcquires(),
    end: () => knex.destroy(),
  };
}

function settings() {
  return {
    host: '127.0.0.1',
    port: server.port,
    user: server.user,
    password: server.password,
    database: 'postgres',
  };
}

describe.each([
  ['pg', pgBench],
  ['knex/pg', knexBench],
])('%s', (driver, makeBench) => {
  let bench: Bench;
  let observed: Observed;
  const returns: (() => void)[] = [];

  function begin(max: number): void {
    bench = makeBench(max);
    const take = bench.take;
    // Whatever is taken is given back after the test, also when it fails half way.
    bench.take = async () => {
      const giveBack = await take();
      let isOut = true;
      const once = (): void => {
        if (isOut) giveBack();
        isOut = false;
      };
      returns.push(once);
      return once;
    };
    observed = new Observed(() => bench.pool);
  }

  async function leak(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await bench.take();
  }

  afterEach(async () => {
    server.thaw();
    observed.close();
    let isEnded = false;
    void bench.end().then(() => (isEnded = true));
    await until('the pool has ended', () => {
      for (const giveBack of returns.splice(0)) giveBack();
      return isEnded;
    });
  });

  test('an idle pool is up, known by our ping, and the ping is in none of the figures', async () => {
    begin(2);
    await observed.sees('up');
    expect(observed.source.owned).toMatchObject({ peers: [`127.0.0.1:${server.port}`], driver });
    const before = observed.readings.length;
    await until('several pings', () => observed.readings.length > before + 30);
    expect(observed.reading).toMatchObject({
      driver,
      max: 2,
      used: 0,
      waiting: 0,
      checkouts: 0,
      checkins: 0,
    });
    expect(observed.readings.every((r) => r.used === 0 && r.waiting === 0 && r.opening === 0)).toBe(true);
    expect(observed.reading!.database).toMatchObject({ isReachable: true, knownBy: 'ping', errorCode: null });
    expect(observed.reading!.database.pingMs).toBeGreaterThan(0);
    expect(observed.reading!.queryMs).toBeNull();
  });

  test('a busy pool is up, known by its traffic, and nothing is asked', async () => {
    begin(3);
    let isBusy = true;
    const worker = async (): Promise<void> => {
      while (isBusy) await bench.query('select pg_sleep(0.02)');
    };
    const work = [worker(), worker(), worker()];
    await until('traffic', () => observed.reading?.database.knownBy === 'traffic');
    const before = observed.readings.length;
    await until('a second of it', () => observed.readings.length > before + 20);
    isBusy = false;
    await Promise.all(work);
    const during = observed.readings.slice(before);
    expect(during.every((r) => r.database.knownBy === 'traffic')).toBe(true);
    expect(during.at(-1)!.checkouts).toBeGreaterThan(10);
    expect(during.at(-1)!.checkinsInWindow).toBeGreaterThan(10);
  });

  test('a pool with more callers than connections is starved while it moves, and well again after', async () => {
    begin(1);
    let isBusy = true;
    const worker = async (): Promise<void> => {
      while (isBusy) await bench.query('select pg_sleep(0.1)');
    };
    const work = Array.from({ length: 8 }, worker);
    const finding = await observed.sees('POOL_STARVED');
    expect(finding).toMatchObject({ status: 'degraded', remedy: 'drain' });
    expect(finding.message).toMatch(
      /^pool "main": 1 of 1 are used and \d wait, the first for \d+ ms \(threshold 300 ms\)$/,
    );
    await until('a mean wait', () => (observed.reading!.acquireWaitMs ?? 0) > 300);
    expect(observed.findings.some((f) => f.code === 'POOL_WEDGED' || f.code === 'DB_UNREACHABLE')).toBe(
      false,
    );
    isBusy = false;
    await Promise.all(work);
    await until('no queue', () => observed.reading!.waiting === 0);
    expect(observed.reading!.stillMs).toBeNull();
  });

  test('a pool whose connections leaked is wedged while the database is there, and heals when they come back', async () => {
    begin(2);
    await observed.sees('up');
    await leak(2);
    const waiters = [bench.take(), bench.take()];
    await observed.sees('POOL_STARVED');
    const finding = await observed.sees('POOL_WEDGED');
    expect(finding).toMatchObject({ status: 'down', remedy: 'restart' });
    expect(finding.message).toMatch(
      /^pool "main": no connection returned for \d+ ms while 2 of 2 are used and 2 wait \(threshold 1500 ms\)$/,
    );
    expect(finding.data).toMatchObject({
      knownBy: 'connect',
      isReachable: true,
      used: 2,
      max: 2,
      waiting: 2,
    });
    expect(bench.waiting()).toBe(2);
    expect(observed.reading!.oldestCheckoutMs).toBeGreaterThan(1_500);
    for (const giveBack of returns.splice(0)) giveBack();
    for (const waiter of waiters) (await waiter)();
    await observed.sees('up');
    expect(observed.reading).toMatchObject({ stillMs: null, checkouts: 4, checkins: 4 });
  });

  test('a leak and a stopped database is the database, until it is back: then it is the leak again', async () => {
    begin(2);
    await observed.sees('up');
    await leak(2);
    const waiter = bench.take();
    await observed.sees('POOL_WEDGED');
    await server.stop();
    try {
      const finding = await observed.sees('DB_UNREACHABLE', 10_000);
      expect(finding).toMatchObject({
        status: 'down',
        remedy: 'none',
        data: { knownBy: 'connect', errorCode: 'ECONNREFUSED' },
      });
    } finally {
      await server.start();
    }
    await observed.sees('POOL_WEDGED', 10_000);
    for (const giveBack of returns.splice(0)) giveBack();
    (await waiter)();
    await observed.sees('up');
  });

  test('a stopped database is noticed and its return is noticed', async () => {
    begin(2);
    await bench.query('select 1');
    await observed.sees('up');
    await server.stop();
    try {
      const finding = await observed.sees('DB_UNREACHABLE', 10_000);
      expect(finding).toMatchObject({ status: 'down', remedy: 'none' });
      await until('refused', () => observed.reading!.database.errorCode === 'ECONNREFUSED');
    } finally {
      await server.start();
    }
    await observed.sees('up', 10_000);
    await bench.query('select 1');
  });

  test('callers who wait for a server that accepts and stays silent are told that the pool is not full', async () => {
    begin(2);
    await observed.sees('up');
    await leak(1);
    for (const giveBack of returns.splice(0)) giveBack();
    // The connections there are live on in their backends: take them away, so that new ones are wanted.
    await until('at rest', () => observed.reading!.used === 0);
    observed.close();
    await bench.end();
    server.freezeListener();
    begin(2);
    const waiters = [bench.take(), bench.take()];
    try {
      const finding = await observed.sees('DB_UNREACHABLE', 15_000);
      expect(finding.message).toMatch(
        /^pool "main": not full \(0 of 2 used, \d opening\) while 2 wait: database unreachable, TIMEOUT by connect/,
      );
      expect(finding.remedy).toBe('none');
    } finally {
      server.thaw();
    }
    for (const waiter of waiters) (await waiter)();
    await observed.sees('up', 15_000);
  });

  test('a ping into a server that hangs is one ping: its connection goes, the next one waits for its end', async () => {
    begin(2);
    await bench.query('select 1');
    await observed.sees('up');
    server.freeze();
    try {
      const finding = await observed.sees('DB_UNREACHABLE', 15_000);
      expect(finding.data).toMatchObject({ errorCode: 'TIMEOUT' });
      const before = observed.readings.length;
      await until('more of it', () => observed.readings.length > before + 40);
      expect(bench.total()).toBeLessThanOrEqual(1);
      expect(bench.waiting()).toBeLessThanOrEqual(1);
      expect(observed.reading).toMatchObject({ used: 0, waiting: 0 });
    } finally {
      server.thaw();
    }
    await observed.sees('up', 15_000);
    await bench.query('select 1');
  });

  test('a pool at its limit with slow queries is not pinged', async () => {
    begin(2);
    await observed.sees('up');
    const slow = [bench.query('select pg_sleep(1.5)'), bench.query('select pg_sleep(1.5)')];
    const before = observed.readings.length;
    // Only as long as both last: queries of 1.5 s are slow, and said to be, once they have ended.
    let waiting = 0;
    let overAt: number | undefined;
    void Promise.race(slow).then(() => (overAt = observed.readings.length));
    await until('two pings would have been due', () => {
      // pg lets even a query that it can serve wait until the next tick.
      if (overAt === undefined && observed.readings.length > before + 1) waiting += bench.waiting();
      return overAt !== undefined || observed.readings.length > before + 20;
    });
    expect(waiting).toBe(0);
    expect(observed.findings.slice(before, overAt).filter((f) => f.status !== 'up')).toEqual([]);
    await Promise.all(slow);
  });

  test('many samples while the pool is full leave no waiter behind', async () => {
    begin(2);
    await observed.sees('up');
    await leak(2);
    for (let i = 0; i < 200; i++) observed.sample();
    expect(bench.waiting()).toBe(0);
    for (const giveBack of returns.splice(0)) giveBack();
    await observed.sees('up');
    expect(bench.total()).toBe(2);
  });

  test('a resolver that has nothing yet, or throws, gives no reading; the pool is read once it is there', async () => {
    bench = makeBench(1);
    const answers: (() => unknown)[] = [
      () => undefined,
      () => null,
      () => {
        throw new Error('not yet');
      },
    ];
    let answer = answers[0]!;
    observed = new Observed(() => answer());
    for (answer of answers) expect(observed.sample()).toBeNull();
    expect(observed.source.problem).toBeNull();
    answer = () => bench.pool;
    await observed.sees('up');
  });

  test('another pool from the resolver is attached to and the old one let go', async () => {
    begin(1);
    const first = bench;
    await observed.sees('up');
    const [before] = listenersOf(first.pool);
    bench = makeBench(3);
    await until('the new pool', () => observed.reading?.max === 3);
    expect(listenersOf(first.pool)[0]).toBeLessThan(before!);
    await first.end();
    await observed.sees('up');
  });

  test('closing takes every listener away and ends a ping that hangs', async () => {
    bench = makeBench(1);
    await bench.query('select 1');
    const before = listenersOf(bench.pool);
    observed = new Observed(() => bench.pool, { pingTimeoutMs: 60_000 });
    observed.sample();
    expect(listenersOf(bench.pool)).not.toEqual(before);
    await observed.sees('up');
    server.freeze();
    await until('a hung ping', () => bench.total() === 1 && observed.reading!.database.ageMs! > 500);
    observed.close();
    await until('the connection is gone', () => bench.total() === 0 || isFree(bench.pool));
    server.thaw();
    expect(listenersOf(bench.pool)).toEqual(before);
  });
});

function listenersOf(pool: unknown): number[] {
  const events = pool instanceof Pool ? pool : (pool as Knex).client.pool?.emitter;
  const count = (emitter: EventEmitter): number =>
    emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
  return pool instanceof Pool ? [count(pool)] : [count(events), count((pool as Knex).client)];
}

function isFree(pool: unknown): boolean {
  return !(pool instanceof Pool) && (pool as Knex).client.pool.numUsed() === 0;
}

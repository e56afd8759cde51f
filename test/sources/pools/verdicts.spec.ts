/** What single connections tell, on a real PostgreSQL: leaks and who took them, and what hygiene does about the dead. */
import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
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

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const LEAK = { leakAfterMs: 600, wedgedAfterMs: 60_000 };

/** What a test needs of either driver. */
interface Bench {
  pool: unknown;
  query(sql: string): Promise<unknown>;
  /** Takes a connection and never returns it; a query on it; its return. */
  take(): Promise<{ query(sql: string): Promise<unknown>; giveBack(): void }>;
  idle(): number;
}

function settings(port = server.port) {
  return { host: '127.0.0.1', port, user: server.user, password: server.password, database: 'postgres' };
}

function pgBench(max: number, port?: number): Bench {
  const pool = new Pool({ ...settings(port), max, idleTimeoutMillis: 0 });
  pool.on('error', () => {});
  const out = new Set<PoolClient>();
  closers.push(async () => {
    for (const client of out) client.release();
    await pool.end();
  });
  return {
    pool,
    query: (sql) => pool.query(sql),
    take: async function takePg() {
      const client = await pool.connect();
      client.on('error', () => {});
      out.add(client);
      const giveBack = (): void => {
        if (out.delete(client)) client.release();
      };
      return { query: (sql: string) => client.query(sql), giveBack };
    },
    idle: () => pool.idleCount,
  };
}

function knexBench(max: number, port?: number): Bench {
  const knex: Knex = knexFactory({
    client: 'pg',
    connection: settings(port),
    pool: { min: 0, max },
    log: { warn() {}, error() {} },
  });
  const out = new Set<Knex.Transaction>();
  closers.push(async () => {
    for (const trx of out) await trx.rollback();
    await knex.destroy();
  });
  return {
    pool: knex,
    query: async (sql) => knex.raw(sql),
    take: async function takeKnex() {
      const trx = await knex.transaction();
      out.add(trx);
      const giveBack = (): void => void (out.delete(trx) && trx.rollback());
      return { query: async (sql: string) => trx.raw(sql), giveBack };
    },
    idle: () => knex.client.pool.numFree(),
  };
}

function observe(bench: Bench, asking: ConstructorParameters<typeof Observed>[1]): Observed {
  const observed = new Observed(() => bench.pool, asking);
  closers.push(() => observed.close());
  return observed;
}

async function listen(handle: () => Promise<unknown>): Promise<string> {
  const http: HttpServer = createHttp((_request, response) => {
    void handle().finally(() => response.end());
  }).listen(0, '127.0.0.1');
  await new Promise((done) => http.once('listening', done));
  closers.push(() => new Promise((done) => http.close(done).closeAllConnections()));
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

describe.each([
  ['pg', pgBench],
  ['knex/pg', knexBench],
])('%s', (_driver, makeBench) => {
  test('a connection out in silence beyond the threshold is a leak, until it comes back', async () => {
    const bench = makeBench(5);
    const observed = observe(bench, LEAK);
    await observed.sees('up');
    const held = await bench.take();
    await held.query('select 1');
    const finding = await observed.sees('POOL_LEAK');
    expect(finding).toMatchObject({
      status: 'degraded',
      remedy: 'none',
      data: { silent: 1, used: 1, max: 5 },
    });
    expect(finding.data['oldestSilentMs']).toBeGreaterThanOrEqual(600);
    expect(finding.message).toMatch(
      /^pool "main": 1 of 5 are out with nothing sent or received for up to \d+ ms.* \(threshold 600 ms\)$/,
    );
    held.giveBack();
    await observed.sees('up');
    expect(observed.reading).toMatchObject({ silent: 0, oldestSilentMs: null });
  });

  test('a query that lasts longer than the threshold is no leak, nor is one asked right after another', async () => {
    const bench = makeBench(5);
    const observed = observe(bench, LEAK);
    await observed.sees('up');
    const held = await bench.take();
    await held.query('select 1');
    await held.query('select pg_sleep(1.5)');
    expect(observed.reading!.oldestCheckoutMs).toBeGreaterThan(1_400);
    expect(observed.findings.filter(({ code }) => code === 'POOL_LEAK')).toEqual([]);
    await observed.sees('POOL_LEAK');
  });

  test('a connection out for long on which something moves now and then is no leak', async () => {
    const bench = makeBench(5);
    const observed = observe(bench, LEAK);
    await observed.sees('up');
    const held = await bench.take();
    const since = performance.now();
    while (performance.now() - since < 1_500) {
      await held.query('select 1');
      await new Promise((done) => setTimeout(done, 100));
    }
    expect(observed.reading!.oldestCheckoutMs).toBeGreaterThan(1_400);
    expect(observed.findings.filter(({ code }) => code === 'POOL_LEAK')).toEqual([]);
  });

  test('a pool leaked whole is wedged, and the wedge says who took what', async () => {
    const bench = makeBench(5);
    const before = Object.getOwnPropertyNames(bench.pool);
    const observed = observe(bench, { ...LEAK, wedgedAfterMs: 1_500 });
    await observed.sees('up');
    const url = await listen(() => bench.take());
    for (let i = 0; i < 4; i++) await fetch(`${url}/early?token=secret`);
    await until('pressure', () => observed.readings.at(-3)?.used === 4);
    await fetch(`${url}/orders/7?token=secret`);
    await until('all are silent', () => observed.reading!.silent === 5);
    expect(await observed.sees('POOL_LEAK')).toMatchObject({ status: 'degraded', remedy: 'restart' });
    const waiter = bench.query('select 1').catch(() => {});
    const finding = await observed.sees('POOL_WEDGED');
    expect(finding.message).toMatch(
      /; 5 of 5 are out with nothing sent or received for up to \d+ ms, taken by GET \/orders\/7 at [^(]*\btake\b[^(]*\(test\/sources\/pools\/verdicts\.spec\.ts:\d+\)/,
    );
    expect(finding.message).not.toContain('secret');
    expect(finding.message).not.toContain('node_modules');
    observed.close();
    expect(Object.getOwnPropertyNames(bench.pool)).toEqual(before);
    void waiter;
  });

  test('queries that hold a pool are told of: it is slow, and wedged once none has come back', async () => {
    const bench = makeBench(2);
    const observed = observe(bench, { leakAfterMs: 600, wedgedAfterMs: 2_500 });
    await observed.sees('up');
    const queries = ['select pg_sleep(4)', 'select pg_sleep(4)', 'select 1'].map((sql) => bench.query(sql));
    expect((await observed.sees('DB_SLOW')).message).toMatch(
      /^pool "main": 2 of 2 wait for the database, for up to \d+ ms, \d+ ms on average, while 2 of 2 are used and 1 wait/,
    );
    const finding = await observed.sees('POOL_WEDGED');
    expect(finding.message).toMatch(
      /\(threshold 2500 ms\); 2 of 2 wait for the database, for up to 2\d\d\d ms$/,
    );
    expect(finding.data).toMatchObject({ asking: 2, silent: 0 });
    await Promise.all(queries);
    await until('none is under way', () => observed.reading!.asking === 0);
    expect(observed.reading!.oldestQueryMs).toBeNull();
    await observed.sees('up');
  });

  test('whoever takes a connection from a pool that is well is not recorded', async () => {
    const bench = makeBench(5);
    const observed = observe(bench, LEAK);
    await observed.sees('up');
    await bench.take();
    await observed.sees('POOL_LEAK');
    expect(observed.finding!.data['silentBy']).toBeNull();
    // Now there is a leak, and the next one is recorded.
    const second = await bench.take();
    await until('the second', () => observed.reading!.silent === 2);
    expect(observed.reading!.silentBy).toMatch(/^at [^(]*\btake\b[^(]*\(test/);
    second.giveBack();
    await bench.query('select 1');
    await until('the first alone', () => observed.reading!.silent === 1);
    expect(observed.reading!.silentBy).toBeNull();
  });
});

test.each([
  ['pg', pgBench],
  ['knex/pg', knexBench],
])(
  'a server that answers and lets nobody in is unreachable, and the pool is said not to be full: %s',
  async (_, make) => {
    // What pgbouncer does when it has no server: it speaks, and the login never ends.
    const mute = createServer((socket) => {
      socket.on('error', () => {}).on('data', (bytes) => bytes.length === 8 && socket.write('N'));
    }).listen(0, '127.0.0.1');
    await new Promise((done) => mute.once('listening', done));
    const sockets: Socket[] = [];
    mute.on('connection', (socket) => sockets.push(socket));
    const bench = make(3, (mute.address() as AddressInfo).port);
    const observed = observe(bench, { wedgedAfterMs: 800, pingEveryMs: 60_000 });
    const waiters = [bench.query('select 1'), bench.query('select 1')].map((one) => one.catch(() => {}));
    const finding = await observed.sees('DB_UNREACHABLE');
    expect(finding.message).toMatch(
      /^pool "main": not full \(0 of 3 used, \d opening\) while 2 wait: no connection opened for \d+ ms \(threshold 800 ms\)$/,
    );
    expect(finding).toMatchObject({ remedy: 'none', data: { isReachable: true, knownBy: 'connect' } });
    observed.close();
    await new Promise((done) => {
      mute.close(done);
      for (const socket of sockets) socket.destroy();
    });
    await Promise.all(waiters);
  },
);

/** Stands between a pool and the server; resets what goes through it. */
async function relay(): Promise<{ port: number; cut(count: number): void }> {
  const sockets = new Set<Socket>();
  const between = createServer((inbound) => {
    const outbound = connect(server.port, '127.0.0.1');
    for (const socket of [inbound, outbound]) socket.on('error', () => {});
    sockets.add(inbound);
    inbound.on('close', () => {
      sockets.delete(inbound);
      outbound.destroy();
    });
    outbound.on('close', () => inbound.destroy());
    inbound.pipe(outbound).pipe(inbound);
  }).listen(0, '127.0.0.1');
  await new Promise((done) => between.once('listening', done));
  const cut = (count: number): void => [...sockets].slice(0, count).forEach((one) => one.resetAndDestroy());
  closers.push(() => {
    cut(Infinity);
    return new Promise((done) => between.close(done));
  });
  return { port: (between.address() as AddressInfo).port, cut };
}

describe('hygiene', () => {
  async function fill(bench: Bench, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => bench.query('select pg_sleep(0.2)')));
    await until('all idle', () => bench.idle() === count);
  }
  const QUIET = { pingEveryMs: 60_000, wedgedAfterMs: 60_000 };

  test('a dead connection that lies idle in the pool of Knex is closed without a query, counted and told', async () => {
    const between = await relay();
    const bench = knexBench(4, between.port);
    await fill(bench, 3);
    const observed = observe(bench, { ...QUIET, hygiene: true });
    await observed.sees('up');
    between.cut(1);
    await until('it is gone', () => bench.idle() === 2);
    await until('it is counted', () => observed.reading!.evicted === 1);
    expect(observed.reading).toMatchObject({ evicted: 1, dead: 0 });
    expect(observed.told).toEqual(['closed dead idle connections: 1 (1 so far)']);
    await bench.query('select 1');
    expect(observed.findings.filter(({ status }) => status === 'down')).toEqual([]);
  });

  test('without it nothing is closed, and the dead are counted', async () => {
    const between = await relay();
    const bench = knexBench(4, between.port);
    await fill(bench, 3);
    const observed = observe(bench, { ...QUIET, pingEveryMs: 60_000 });
    await observed.sees('up');
    const held = await bench.take();
    const before = bench.idle();
    between.cut(3);
    await until('they are seen', () => observed.readings.some(({ dead }) => dead >= 2));
    expect(observed.reading).toMatchObject({ evicted: 0, retired: 0 });
    expect(observed.told).toEqual([]);
    expect(before).toBe(2);
    held.giveBack();
  });

  test.each([
    ['pg', pgBench],
    ['knex/pg', knexBench],
  ])(
    'after a burst of resets the idle ones born before it go one by one, never one in use: %s',
    async (_, make) => {
      const between = await relay();
      const bench = make(6, between.port);
      const observed = observe(bench, { ...QUIET, hygiene: true });
      await observed.sees('up');
      await fill(bench, 6);
      await until('seen', () => observed.reading!.idle === 6);
      const held = [await bench.take(), await bench.take(), await bench.take(), await bench.take()];
      // The two that nobody holds and two that somebody does were opened in no order that matters: cut any two.
      between.cut(2);
      const alive: typeof held = [];
      for (const one of held)
        await one.query('select 1').then(
          () => alive.push(one),
          () => {},
        );
      const idleDead = 2 - (held.length - alive.length);
      await until('the other idle ones are retired', () => observed.reading!.retired >= 2 - idleDead);
      // Those in use go on working, and are retired after they came back.
      for (const one of alive) await one.query('select 1');
      for (const one of held) one.giveBack();
      await until('all from before the burst are gone', () => observed.reading!.retired >= 4);
      expect(observed.told.filter((line) => line.startsWith('closed an idle'))).toHaveLength(
        observed.reading!.retired,
      );
      const { retired } = observed.reading!;
      await fill(bench, 2);
      const { length } = observed.readings;
      await until('more samples', () => observed.readings.length > length + 10);
      expect(observed.reading).toMatchObject({ retired, idle: 2 });
    },
  );
});

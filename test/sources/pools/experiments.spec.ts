/**
 * The four experiments that show what a ping through the pool does to it, on a real PostgreSQL and a pool of two: each
 * with the plain ping beside ours.
 */
import knexFactory, { type Knex } from 'knex';
import { Client, Pool } from 'pg';
import { Observed } from './observed.js';
import { startPostgres, until, type Server } from './servers.js';

jest.setTimeout(60_000);

let server: Server;
/** Beside the pools: counts what the server was asked. */
let witness: Client;
beforeAll(async () => {
  server = await startPostgres();
  witness = new Client(settings());
  await witness.connect();
});
afterAll(async () => {
  await witness.end();
  await server.end();
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  server.thaw();
  for (const close of closers.splice(0).reverse()) await close();
});

function settings() {
  return {
    host: '127.0.0.1',
    port: server.port,
    user: server.user,
    password: server.password,
    database: 'postgres',
    application_name: 'experiment',
  };
}

interface Bench {
  pool: unknown;
  query(sql: string): Promise<unknown>;
  waiting(): number;
  used(): number;
}

function pgBench(): Bench {
  const pool = new Pool({ ...settings(), max: 2 });
  pool.on('error', () => {});
  closers.push(() => pool.end());
  return {
    pool,
    query: (sql) => pool.query(sql),
    waiting: () => pool.waitingCount,
    used: () => pool.totalCount - pool.idleCount,
  };
}

function knexBench(): Bench {
  const quiet = { warn() {}, error() {} };
  const knex: Knex = knexFactory({
    client: 'pg',
    connection: settings(),
    pool: { min: 0, max: 2 },
    log: quiet,
  });
  closers.push(() => knex.destroy());
  return {
    pool: knex,
    // A raw of Knex runs when it is awaited.
    query: async (sql) => knex.raw(sql),
    waiting: () => knex.client.pool.numPendingAcquires(),
    used: () => knex.client.pool.numUsed(),
  };
}

function observe(bench: Bench, asking: ConstructorParameters<typeof Observed>[1]): Observed {
  const observed = new Observed(() => bench.pool, asking);
  closers.push(() => observed.close());
  return observed;
}

/** Connections of the pools that the server has, and what it was last asked on them. */
async function lastAsked(): Promise<string[]> {
  const { rows } = await witness.query<{ query: string }>(
    "select query from pg_stat_activity where application_name = 'experiment' and pid <> pg_backend_pid()",
  );
  return rows.map(({ query }) => query);
}

async function isLate(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(true), ms)));
  return Promise.race([work.then(() => false), late]).finally(() => clearTimeout(timer));
}

describe.each([
  ['pg', pgBench],
  ['knex/pg', knexBench],
])('%s', (driver, makeBench) => {
  test('1: two long queries hold up a plain ping for as long as they last, and ours is not sent', async () => {
    const bench = makeBench();
    const observed = observe(bench, { pingEveryMs: 100 });
    await observed.sees('up');
    const work = [bench.query('select pg_sleep(1)'), bench.query('select pg_sleep(1)')];
    await until('both run', () => bench.used() === 2);
    const { length } = observed.readings;
    expect(await isLate(bench.query('select 1'), 500)).toBe(true);
    await until('samples', () => observed.readings.length > length + 5);
    const during = observed.readings.slice(length, length + 5);
    // One waits: the plain ping.
    expect(during.map(({ waiting }) => waiting)).toEqual(during.map(() => 1));
    expect(observed.findings.filter(({ status }) => status === 'down')).toEqual([]);
    await Promise.all(work);
  });

  test('2: twenty plain pings with a time limit leave twenty waiters that all run later, and ours leave none', async () => {
    const bench = makeBench();
    const observed = observe(bench, { pingEveryMs: 100, pingTimeoutMs: 200, wedgedAfterMs: 60_000 });
    await observed.sees('up');
    const work = [bench.query('select pg_sleep(1)'), bench.query('select pg_sleep(1)')];
    await until('both run', () => bench.used() === 2);
    for (let i = 0; i < 20; i++) observed.sample();
    const { length } = observed.readings;
    await until('ten time limits', () => observed.readings.length > length + 10);
    expect(bench.waiting()).toBe(0);
    const plain = Array.from({ length: 20 }, () => bench.query('select 1'));
    expect(await Promise.all(plain.map((one) => isLate(one, 100)))).toEqual(plain.map(() => true));
    // pg moves the first of them on in the next turn.
    expect(bench.waiting()).toBeGreaterThanOrEqual(18);
    await Promise.all(work);
    expect(await Promise.all(plain)).toHaveLength(20);
  });

  test('3: a connection that comes after the time limit is given back, and the pool keeps both of its own', async () => {
    const bench = makeBench();
    await Promise.all([bench.query('select pg_sleep(0.1)'), bench.query('select pg_sleep(0.1)')]);
    server.freeze();
    const observed = observe(bench, { pingEveryMs: 100, pingTimeoutMs: 100, wedgedAfterMs: 60_000 });
    await observed.sees('DB_UNREACHABLE');
    const { length } = observed.readings;
    await until('several time limits', () => observed.readings.length > length + 20);
    server.thaw();
    await observed.sees('up', 10_000);
    await until('nothing of ours is out', () => bench.used() === 0);
    const both = [bench.query('select pg_sleep(0.3)'), bench.query('select pg_sleep(0.3)')];
    expect(await isLate(Promise.all(both), 5_000)).toBe(false);
  });

  test('4: traffic comes first, the flight is single, a full pool is told as such, and the next ping finds it well', async () => {
    const bench = makeBench();
    const observed = observe(bench, { pingEveryMs: 300 });
    await observed.sees('up');
    for (let i = 0; i < 30; i++) await bench.query('select 2');
    observed.sample();
    expect(observed.reading!.database.knownBy).toBe('traffic');
    expect((await lastAsked()).filter((query) => query === 'select 1')).toHaveLength(0);
    const work = Array.from({ length: 4 }, () => bench.query('select pg_sleep(0.8)'));
    const finding = await observed.sees('POOL_STARVED');
    expect(finding.message).toMatch(/2 of 2 are used and 2 wait/);
    expect(bench.waiting()).toBe(2);
    await Promise.all(work);
    await until('a ping', () => observed.reading!.database.knownBy === 'ping');
    // On a slow machine it is seen that one of the four waits for the second connection.
    const beyond = observed.readings.filter(({ waiting, opening }) => waiting > 2 + opening);
    expect(beyond).toEqual([]);
    expect(await lastAsked()).toHaveLength(2);
    expect(driver).toBe(observed.reading!.driver);
  });
});

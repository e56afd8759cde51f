/** Knex over mysql2 on a real MariaDB: the states that depend on what that driver does. */
import knexFactory, { type Knex } from 'knex';
import { Observed } from './observed.js';
import { findMysql, startMysql, until, type Server } from './servers.js';

jest.setTimeout(90_000);

const binary = findMysql();
if (!binary && process.env['CI'])
  throw new Error('no mariadbd or mysqld on PATH, and in CI nothing is skipped');
if (!binary) process.stdout.write('skipped: no mariadbd or mysqld on PATH\n');
const suite = binary ? describe : describe.skip;

suite('knex/mysql2', () => {
  let server: Server;
  let knex: Knex;
  let observed: Observed;
  const taken: object[] = [];

  beforeAll(async () => {
    server = await startMysql(binary!);
  });
  afterAll(() => server.end());

  function begin(max: number): void {
    knex = knexFactory({
      client: 'mysql2',
      connection: { host: '127.0.0.1', port: server.port, user: server.user, password: server.password },
      pool: { min: 0, max },
      log: { warn() {}, error() {} },
    });
    observed = new Observed(() => knex);
  }

  async function leak(count: number): Promise<void> {
    for (let i = 0; i < count; i++) taken.push(await knex.client.acquireConnection());
  }

  function giveBack(): void {
    for (const connection of taken.splice(0)) void knex.client.releaseConnection(connection);
  }

  afterEach(async () => {
    server.thaw();
    observed.close();
    giveBack();
    await knex.destroy();
  });

  test('traffic proves the database and its queries are timed', async () => {
    begin(2);
    await observed.sees('up');
    await knex.raw('select sleep(0.2)');
    observed.sample();
    expect(observed.reading).toMatchObject({ driver: 'knex/mysql2', checkouts: 1, checkins: 1 });
    expect(observed.reading!.database.knownBy).toBe('traffic');
    expect(observed.reading!.queryMs).toBeGreaterThanOrEqual(195);
  });

  test('a leak is a wedge while the server greets, and the database once it is gone', async () => {
    begin(2);
    await observed.sees('up');
    await leak(2);
    const waiter = knex.client.acquireConnection();
    await observed.sees('POOL_WEDGED');
    expect(observed.reading!.database.knownBy).toBe('connect');
    await server.stop();
    try {
      await observed.sees('DB_UNREACHABLE', 15_000);
    } finally {
      await server.start();
    }
    await observed.sees('POOL_WEDGED', 15_000);
    giveBack();
    taken.push(await waiter);
    await observed.sees('up');
  });

  test('a checkout in silence is a leak, a long query on it is not', async () => {
    begin(4);
    observed.close();
    observed = new Observed(() => knex, { leakAfterMs: 600, wedgedAfterMs: 60_000 });
    await observed.sees('up');
    await leak(1);
    await knex.raw('select sleep(1.5)').connection(taken[0]!);
    expect(observed.findings.filter(({ code }) => code === 'POOL_LEAK')).toEqual([]);
    expect(await observed.sees('POOL_LEAK')).toMatchObject({ status: 'degraded', data: { silent: 1 } });
    giveBack();
    await observed.sees('up');
  });

  test('hygiene closes what the server has ended while it lay idle', async () => {
    begin(4);
    observed.close();
    await knex.raw('select 1');
    observed = new Observed(() => knex, { pingEveryMs: 60_000, hygiene: true });
    await observed.sees('up');
    await server.stop();
    try {
      await until('it is closed', () => observed.reading!.evicted === 1);
    } finally {
      await server.start();
    }
    await observed.sees('up', 15_000);
  });

  test('a ping into a frozen server is ended with its connection, and the thaw is noticed', async () => {
    begin(2);
    await knex.raw('select 1');
    await observed.sees('up');
    server.freeze();
    try {
      const finding = await observed.sees('DB_UNREACHABLE', 15_000);
      expect(finding.data).toMatchObject({ errorCode: 'TIMEOUT' });
      await until('the pool is free of it', () => knex.client.pool.numUsed() === 0);
      // The first one has ended although the server still says nothing: only then is there a second.
      await until('the next ping', () => knex.client.pool.numPendingCreates() === 1);
    } finally {
      server.thaw();
    }
    await observed.sees('up', 20_000);
    await until('pings are answered again', () => observed.reading!.database.knownBy === 'ping');
    expect(observed.reading!.database.isReachable).toBe(true);
  });

  test('a stopped server is noticed and its return is noticed', async () => {
    begin(2);
    await knex.raw('select 1');
    await observed.sees('up');
    await server.stop();
    try {
      expect((await observed.sees('DB_UNREACHABLE', 15_000)).remedy).toBe('none');
    } finally {
      await server.start();
    }
    await observed.sees('up', 15_000);
  });
});

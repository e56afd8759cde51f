/** What a host must not notice of us: its crashes, its listeners, its process's end, its connections. */
import { spawn } from 'node:child_process';
import { createServer, connect, type AddressInfo, type Server as NetServer, type Socket } from 'node:net';
import { join } from 'node:path';
import knexFactory, { type Knex } from 'knex';
import { Pool } from 'pg';
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

function observe(resolve: () => unknown, asking?: ConstructorParameters<typeof Observed>[1]): Observed {
  const observed = new Observed(resolve, asking);
  closers.push(() => observed.close());
  return observed;
}

function pgPool(options: object): Pool {
  const pool = new Pool({ ...settings(), ...options });
  closers.push(() => pool.ended || pool.end());
  return pool;
}

function knexOf(options: object): Knex {
  const knex = knexFactory({
    client: 'pg',
    connection: settings(),
    pool: { min: 0, max: 2 },
    ...options,
  } as Knex.Config);
  closers.push(() => knex.destroy());
  return knex;
}

const settings = () => ({
  host: '127.0.0.1',
  port: server.port,
  user: server.user,
  password: server.password,
  database: 'postgres',
});

/** Stands between a client and the server, and can fall silent or cut. */
class Relay {
  private readonly pairs: [Socket, Socket][] = [];
  private server!: NetServer;
  port = 0;
  /** New connections are accepted and never answered. */
  isSilent = false;

  async listen(): Promise<void> {
    this.server = createServer((inbound) => {
      const outbound = connect(server.port, '127.0.0.1');
      this.pairs.push([inbound, outbound]);
      for (const socket of [inbound, outbound]) socket.on('error', () => {});
      if (this.isSilent) return;
      inbound.pipe(outbound).pipe(inbound);
    }).listen(0, '127.0.0.1');
    await new Promise((done) => this.server.once('listening', done));
    this.port = (this.server.address() as AddressInfo).port;
  }

  hold(): void {
    for (const [inbound] of this.pairs) inbound.unpipe();
    for (const [inbound] of this.pairs) inbound.pause();
  }

  cut(): void {
    for (const [inbound, outbound] of this.pairs.splice(0)) {
      inbound.resetAndDestroy();
      outbound.destroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((done) => this.server.close(done));
  }
}

function startHost(scenario: string, isWatched: boolean, hasListener: boolean) {
  const child = spawn(process.execPath, [join(__dirname, 'host.cjs'), scenario], {
    env: { ...process.env, HOST: JSON.stringify({ settings: settings(), isWatched, hasListener }) },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  return { child, ended, output: () => output };
}

test.each([
  ['without an error listener crashes', false],
  ['with an error listener lives on', true],
])('a host %s when the server stops, watched or not', async (_claim, hasListener) => {
  const hosts = [startHost('stop', false, hasListener), startHost('stop', true, hasListener)];
  await until('both are ready', () => hosts.every((host) => host.output().includes('ready')), 30_000);
  await server.stop();
  try {
    if (hasListener) {
      await until('both were told', () => hosts.every((host) => host.output().includes('pool error 57P01')));
      for (const host of hosts) host.child.stdin.write('end\n');
      expect(await Promise.all(hosts.map((host) => host.ended))).toEqual([0, 0]);
    } else {
      expect(await Promise.all(hosts.map((host) => host.ended))).toEqual([1, 1]);
      for (const host of hosts) expect(host.output()).toContain("Unhandled 'error' event");
    }
  } finally {
    await server.start();
  }
});

test('a process with nothing left to do ends, although it is pinged more often than its pool lets go', async () => {
  const host = startHost('idle', true, true);
  const patience = setTimeout(() => host.child.kill('SIGKILL'), 20_000);
  expect(await host.ended).toBe(0);
  clearTimeout(patience);
});

describe('through a relay', () => {
  let relay: Relay;
  let pool: Pool;

  beforeEach(async () => {
    relay = new Relay();
    await relay.listen();
    closers.push(() => relay.close());
    // No error listener on this pool: whatever it emits as an error ends the test run.
    pool = pgPool({ port: relay.port, max: 1 });
  });

  test('a connection that is reset under our ping costs that connection and nothing else', async () => {
    await pool.query('select 1');
    const observed = observe(() => pool, { pingTimeoutMs: 10_000 });
    await observed.sees('up');
    relay.hold();
    await until('a ping under way', () => pool.totalCount === 1 && pool.idleCount === 0);
    relay.cut();
    await until('the database is looked for', () => observed.reading!.database.knownBy === 'connect');
    await until('a ping on another', () => observed.reading!.database.knownBy === 'ping');
    expect(observed.findings.filter(({ status }) => status === 'down')).toEqual([]);
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  test.each(['pg', 'knex'])(
    'a host that waits behind a ping that hangs gets a fresh connection: %s',
    async (driver) => {
      const knex = knexOf({ connection: { ...settings(), port: relay.port }, pool: { min: 0, max: 1 } });
      const query = (): Promise<{ rows: object[] }> =>
        driver === 'pg' ? pool.query('select 1 as one') : knex.raw('select 1 as one');
      const isOut = (): boolean =>
        driver === 'pg' ? pool.totalCount > pool.idleCount : knex.client.pool.numUsed() === 1;
      await query();
      const observed = observe(() => (driver === 'pg' ? pool : knex), { pingTimeoutMs: 500 });
      await observed.sees('up');
      relay.hold();
      await until('a ping under way', isOut);
      // The relay passes new connections on: only the old one is dead.
      expect((await query()).rows).toEqual([{ one: 1 }]);
      await observed.sees('up');
    },
  );

  test.each(['pg', 'knex'])(
    'a ping that was given up leaves nothing in a pool that cannot connect: %s',
    async (driver) => {
      const knex = knexOf({ connection: { ...settings(), port: relay.port }, pool: { min: 0, max: 1 } });
      relay.isSilent = true;
      const observed = observe(() => (driver === 'pg' ? pool : knex), {
        pingTimeoutMs: 500,
        pingEveryMs: 60_000,
      });
      const left = (): number => (driver === 'pg' ? pool.totalCount : knex.client.pool.numPendingAcquires());
      await until('a ping under way', () => left() === 1);
      await until('nothing is left', () => left() === 0);
      expect(observed.reading).toMatchObject({ used: 0, waiting: 0 });
      relay.cut();
      relay.isSilent = false;
      await observed.sees('up');
    },
  );

  test.each(['pg', 'knex'])(
    'connections that die while they are out are noticed though nothing is due: %s',
    async (driver) => {
      const knex = knexOf({ connection: { ...settings(), port: relay.port }, pool: { min: 0, max: 1 } });
      const observed = observe(() => (driver === 'pg' ? pool : knex), {
        pingEveryMs: 60_000,
        wedgedAfterMs: 60_000,
      });
      await observed.sees('up');
      const client = driver === 'pg' ? await pool.connect() : await knex.client.acquireConnection();
      client.on('error', () => {});
      await until('it is seen', () => observed.reading!.used === 1);
      relay.isSilent = true;
      relay.cut();
      await until('the database is looked for', () => observed.reading!.database.errorCode === 'TIMEOUT');
      relay.isSilent = false;
      await until('it is found', () => observed.reading!.database.knownBy === 'connect');
      if (driver === 'pg') client.release();
      else await knex.client.releaseConnection(client);
    },
  );
});

test('a host that comes while a ping has the only connection waits for no longer than the ping', async () => {
  const pool = pgPool({ max: 1 });
  const observed = observe(() => pool, { pingEveryMs: 50 });
  await observed.sees('up');
  for (let i = 0; i < 50; i++) await pool.query('select 1');
  observed.sample();
  expect(observed.reading!.checkouts).toBe(50);
  expect(observed.findings.every((f) => f.status === 'up')).toBe(true);
});

test('our pings are in none of the events of Knex, and the events of the host are as before', async () => {
  const knex = knexOf({});
  const seen: string[] = [];
  for (const event of ['query', 'query-response', 'query-error']) {
    knex.on(event, (...args: { sql?: string }[]) =>
      seen.push(`${event} ${args.find((arg) => arg?.sql)?.sql}`),
    );
  }
  const observed = observe(() => knex, { pingEveryMs: 50 });
  await observed.sees('up');
  await until('many pings', () => observed.readings.length > 20);
  expect(observed.reading!.database.ageMs).toBeLessThan(900);
  expect(seen).toEqual([]);
  await knex.raw('select 2');
  await expect(knex.raw('select no')).rejects.toThrow('no');
  expect(seen).toEqual([
    'query select 2',
    'query-response select 2',
    'query select no',
    'query-error select no',
  ]);
});

test('a Knex that is destroyed is not there, and is read again when it is initialized again', async () => {
  const knex = knexOf({});
  const observed = observe(() => knex);
  await observed.sees('up');
  await knex.destroy();
  expect(observed.sample()).toBeNull();
  expect(observed.source.problem).toBeNull();
  knex.initialize();
  await until('it is there', () => observed.sample()?.database.isReachable === true);
  expect(observed.reading!.checkouts).toBe(0);
});

test('a pg Pool given to Knex as its connectionPool is read as the pool it is', async () => {
  const pool = pgPool({ max: 3 });
  const knex = knexOf({ connection: undefined, pool: undefined, connectionPool: pool });
  const observed = observe(() => knex);
  await observed.sees('up');
  await knex.raw('select 1');
  observed.sample();
  expect(observed.reading).toMatchObject({ driver: 'knex/pg', max: 3, checkouts: 1, checkins: 1 });
});

test('connections that were out before we came count as held from first sight', async () => {
  const pool = pgPool({ max: 2 });
  const client = await pool.connect();
  const observed = observe(() => pool);
  observed.sample();
  expect(observed.reading).toMatchObject({ used: 1, checkouts: 0, oldestCheckoutMs: 0 });
  client.release();
  await until('it is back', () => observed.reading!.used === 0);
  expect(observed.reading).toMatchObject({ checkins: 1, oldestCheckoutMs: null });
});

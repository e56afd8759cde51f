/**
 * Pools are found among the providers of a real Nest application; none of them is connected to anything.
 */
import { Logger, Module, type INestApplicationContext, type Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import knex from 'knex';
import { Pool } from 'pg';
import { VitalsModule, VitalsService, type VitalsOptions } from '../lib/index.js';
import { until } from './verdict/make.js';
import { lazyRedis } from './lazy-redis.js';

const OWN = ['eventLoop', 'resets', 'swallowed', 'vitals'];
const applications: INestApplicationContext[] = [];
const pool = (): Pool => new Pool({ host: '127.0.0.1', port: 1 });

afterEach(async () => {
  for (const app of applications.splice(0)) await app.close();
});

/** The names under which pools are reported by an application with these providers. */
async function found(providers: Provider[], options: VitalsOptions = {}): Promise<string[]> {
  @Module({ imports: [VitalsModule.forRoot(options)], providers })
  class AppModule {}
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
  applications.push(app);
  const { details } = app.get(VitalsService).snapshot;
  return details.map(({ name }) => name).filter((name) => !OWN.includes(name));
}

it('names a pool after its token, and after its driver where the token is a class', async () => {
  class Orders {}
  const providers = [
    { provide: 'REPORTS', useValue: pool() },
    {
      provide: Symbol('audit log'),
      useValue: knex({ client: 'pg', connection: { host: '127.0.0.1', port: 1 } }),
    },
    { provide: Orders, useFactory: pool },
  ];
  expect(await found(providers)).toEqual(['REPORTS', 'audit-log', 'pg']);
});

it('reports a pool once, however many tokens it has', async () => {
  const providers = [
    { provide: 'FIRST', useFactory: pool },
    { provide: 'SECOND', useExisting: 'FIRST' },
  ];
  expect(await found(providers)).toEqual(['FIRST']);
});

it('gives a second pool of the same name a number', async () => {
  class One {}
  class Two {}
  expect(await found([One, Two].map((provide) => ({ provide, useFactory: pool })))).toEqual(['pg', 'pg-2']);
});

it('numbers a pool whose name a check or the module itself has', async () => {
  const providers = ['MAIL', 'vitals'].map((provide) => ({ provide, useFactory: pool }));
  expect(await found(providers, { checks: { MAIL: () => true } })).toEqual(['MAIL', 'MAIL-2', 'vitals-2']);
});

it('leaves a pool that the options name under that name only, also behind a function', async () => {
  const [given, lazy] = [pool(), pool()];
  const providers = [
    { provide: 'GIVEN', useValue: given },
    { provide: 'LAZY', useValue: lazy },
  ];
  expect(await found(providers, { pools: { main: given, late: () => lazy } })).toEqual(['main', 'late']);
});

it('passes over a provider that throws when it is looked at', async () => {
  const hostile = new Proxy(
    {},
    {
      get: (_target, key) => {
        if (key === 'then' || typeof key === 'symbol' || /^on[A-Z]|^before/.test(key)) return undefined;
        throw new Error('do not look');
      },
    },
  );
  const providers = [
    { provide: 'HOSTILE', useValue: hostile },
    { provide: 'DB', useFactory: pool },
  ];
  expect(await found(providers)).toEqual(['DB']);
});

const dataSource = (master: unknown, slaves: unknown[] = []): object => ({
  isInitialized: true,
  createQueryRunner() {},
  driver: { master, slaves, database: 'orders' },
});

it('finds the pools below an ORM, its replicas by their role', async () => {
  class DataSource {}
  const [master, slave] = [pool(), pool()];
  const providers = [
    { provide: DataSource, useValue: dataSource(master, [slave]) },
    { provide: 'REPORTS', useValue: dataSource(pool(), [pool()]) },
  ];
  const names = ['typeorm-pg', 'typeorm-pg-replica1', 'REPORTS', 'REPORTS-replica1'];
  expect(await found(providers)).toEqual(names);
});

it('does not find a pool again that the options name, or that another provider has, through an ORM', async () => {
  const [given, shared] = [pool(), pool()];
  const providers = [
    { provide: 'ORM', useValue: dataSource(given) },
    { provide: 'POOL', useValue: shared },
    { provide: 'DRIZZLE', useValue: { $client: shared, select() {}, insert() {}, transaction() {} } },
  ];
  expect(await found(providers, { pools: { main: given } })).toEqual(['main', 'POOL']);
});

const mikroOrm = (connected: boolean, client: object) => {
  const connection = { connected, getNativeClient: () => Promise.resolve(client) };
  return { getConnection() {}, getDriver: () => ({ connection }), fork() {} };
};

it.each([true, false])(
  'finds one pool behind all that share an entity manager, connected: %s',
  async (connected) => {
    const lines: string[] = [];
    const log = jest
      .spyOn(Logger.prototype, 'log')
      .mockImplementation((line: string) => void lines.push(line));
    const [em, other] = [mikroOrm(connected, pool()), mikroOrm(connected, pool())];
    const repository = (manager: object) => ({ useFactory: () => ({ em: manager }) });
    const providers = [
      { provide: 'ORM', ...repository(em) },
      { provide: 'ORDERS', ...repository(em) },
      { provide: 'OTHER', ...repository(other) },
      { provide: 'INVOICES', ...repository(em) },
    ];
    await found(providers);
    await found(providers, { pools: { main: { em } } });
    log.mockRestore();
    expect(lines.filter((line) => line.startsWith('found'))).toEqual([
      'found pool "ORM" (mikro-orm)',
      'found pool "OTHER" (mikro-orm)',
      'found pool "OTHER" (mikro-orm' + (connected ? '/pg, 127.0.0.1:1)' : ')'),
    ]);
  },
);

it('does not find the pool of an ORM again that the options name', async () => {
  const [master, slave] = [pool(), pool()];
  const source = dataSource(master, [slave]);
  const providers = [
    { provide: 'ORM', useValue: source },
    { provide: 'POOL', useValue: master },
  ];
  expect(await found(providers, { pools: { main: () => source } })).toEqual(['main', 'ORM-replica1']);
});

it('logs what it has found once, by driver, host and database, and neither a password nor a URL', async () => {
  const lines: string[] = [];
  const log = jest.spyOn(Logger.prototype, 'log').mockImplementation((line: string) => void lines.push(line));
  const connectionString = 'postgres://joe:secret@db.internal:5433/orders?sslmode=disable';
  const settings = { host: 'db.internal', user: 'joe', password: 'secret', database: 'orders' };
  await found([
    { provide: 'URL', useFactory: () => new Pool({ connectionString }) },
    { provide: 'KNEX', useValue: knex({ client: 'mysql2', connection: settings }) },
    { provide: 'ORM', useFactory: () => dataSource(pool()) },
    { provide: 'LATE', useFactory: () => dataSource(undefined) },
  ]);
  log.mockRestore();
  expect(lines.filter((line) => line.startsWith('found'))).toEqual([
    'found pool "URL" (pg, db.internal:5433, database "orders")',
    'found pool "KNEX" (knex/mysql2, db.internal:3306, database "orders")',
    'found pool "ORM" (typeorm/pg, 127.0.0.1:1, database "orders")',
    'found pool "LATE" (typeorm, database "orders")',
  ]);
  expect(lines.join()).not.toMatch(/secret|joe|:\/\//);
});

it('does not wait for a client that connects when it is first used, and reports it from then on', async () => {
  const redis = lazyRedis();
  const providers = [{ provide: 'CACHE', useValue: redis }];
  expect(await found(providers, { everyMs: 100 })).toEqual([]);
  const vitals = applications[0]!.get(VitalsService);
  expect(vitals.snapshot).toMatchObject({ phase: 'running', status: 'ok' });
  redis.status = 'connecting';
  const cache = () => vitals.snapshot.details.find(({ name }) => name === 'CACHE');
  await until('its detail', () => cache() !== undefined);
  expect(cache()!.code).toBe('DB_UNREACHABLE');
  redis.status = 'end';
  await until('ok', () => vitals.snapshot.status === 'ok');
  expect(cache()).toBeUndefined();
});

it('waits for such a client where the options name it', async () => {
  expect(await found([], { pools: { cache: lazyRedis() } })).toEqual(['cache']);
  expect(applications[0]!.get(VitalsService).snapshot).toMatchObject({ phase: 'starting', status: 'error' });
});

it('waits for a found pool that cannot be read, and says so', async () => {
  const broken = {
    ...lazyRedis(),
    status: 'ready',
    on() {
      throw new Error('not to be listened to');
    },
  };
  await found([{ provide: 'CACHE', useValue: broken }]);
  const { phase, details } = applications[0]!.get(VitalsService).snapshot;
  expect(phase).toBe('starting');
  expect(details.find(({ name }) => name === 'CACHE')!.message).toContain('could not be read');
});

it('finds nothing with discover: false', async () => {
  expect(await found([{ provide: 'DB', useFactory: pool }], { discover: false })).toEqual([]);
});

/**
 * The pool inside Prisma 6's engine, read from its metrics. The engine is a native library that cannot be had here: a
 * stand-in answers in the form of `prisma.$metrics.json()`.
 */
import { adapterFor } from '../../../lib/sources/pools/index.js';
import type { PoolEvents } from '../../../lib/sources/pools/adapter.js';
import { Observed } from './observed.js';
import { startPostgres, until } from './servers.js';

jest.setTimeout(60_000);

const URL_OF_SCHEMA = 'postgresql://user:secret@db.internal:6432/tours?connection_limit=5';

class Engine {
  open = 3;
  busy = 1;
  idle = 2;
  waiting = 0;
  queries = 10;
  waitedMs = 2;
  asked: string[] = [];
  looks = 0;

  readonly client = {
    $connect() {},
    $disconnect() {},
    $queryRawUnsafe: async (query: string) => void this.asked.push(query),
    $metrics: { json: () => this.json() },
    _engineConfig: { inlineDatasources: { db: { url: { fromEnvVar: null, value: URL_OF_SCHEMA } } } },
  };

  private async json(): Promise<object> {
    this.looks++;
    const entry = (key: string, value: unknown) => ({ key, labels: {}, value, description: '' });
    return {
      counters: [entry('prisma_pool_connections_opened_total', this.open)],
      gauges: [
        entry('prisma_pool_connections_open', this.open),
        entry('prisma_pool_connections_busy', this.busy),
        entry('prisma_pool_connections_idle', this.idle),
        entry('prisma_client_queries_wait', this.waiting),
      ],
      histograms: [
        entry('prisma_datasource_queries_duration_histogram_ms', {
          buckets: [],
          sum: this.queries * 4,
          count: this.queries,
        }),
        entry('prisma_client_queries_wait_histogram_ms', {
          buckets: [],
          sum: this.queries * this.waitedMs,
          count: this.queries,
        }),
      ],
    };
  }
}

const told = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('reads what the engine counts, one look at a time, and sends no query for it', async () => {
  const engine = new Engine();
  const adapter = adapterFor(engine.client)!;
  expect(adapter.driver).toBe('prisma/engine');
  adapter.gauges();
  adapter.gauges();
  expect(engine.looks).toBe(1);
  await told();
  expect(adapter.gauges()).toEqual({ max: 5, used: 1, idle: 2, opening: 0, waiting: 0 });
  expect(engine.asked).toEqual([]);
});

it('tells movements, waits and answers from what was counted since the last look', async () => {
  const engine = new Engine();
  const adapter = adapterFor(engine.client)!;
  const calls: unknown[][] = [];
  const events = new Proxy(
    {},
    {
      get:
        (_, name) =>
        (...given: unknown[]) =>
          calls.push([name, ...given]),
    },
  ) as PoolEvents;
  adapter.attach(events);
  adapter.gauges();
  await told();
  expect(calls).toEqual([]);
  engine.queries += 2;
  engine.open += 1;
  adapter.gauges();
  await told();
  expect(calls.map(([name]) => name)).toEqual([
    'checkout',
    'checkin',
    'checkout',
    'checkin',
    'answer',
    'opened',
  ]);
  expect(calls[0]![2]).toBe(2);
  expect(calls[4]![1]).toBe(4);
});

it('knows where the database is, by the schema, the code or a variable, and never a password', () => {
  const at = (config: object): unknown =>
    adapterFor({ ...new Engine().client, _engineConfig: config })!.target()?.address;
  expect(at({ inlineDatasources: { db: { url: { value: URL_OF_SCHEMA } } } })).toEqual({
    host: 'db.internal',
    port: 6432,
  });
  expect(at({ overrideDatasources: { db: { url: 'mysql://u:p@my.internal/x' } } })).toEqual({
    host: 'my.internal',
    port: 3306,
  });
  process.env['PRISMA_METRICS_URL'] = 'postgres://u:p@env.internal/x';
  expect(at({ inlineDatasources: { db: { url: { fromEnvVar: 'PRISMA_METRICS_URL' } } } })).toEqual({
    host: 'env.internal',
    port: 5432,
  });
  delete process.env['PRISMA_METRICS_URL'];
  expect(at({})).toBeUndefined();
});

it('is no pool where the preview feature is off and the getter throws', () => {
  const { $metrics: _, ...client } = new Engine().client;
  Object.defineProperty(client, '$metrics', {
    get: () => {
      throw new Error('`metrics` preview feature must be enabled');
    },
  });
  expect(adapterFor(client)).toBeNull();
});

it('is survived when the engine does not answer, and asked again', async () => {
  const engine = new Engine();
  engine.client.$metrics.json = () => Promise.reject(new Error('engine stopped'));
  const adapter = adapterFor(engine.client)!;
  expect(adapter.gauges()).toMatchObject({ max: 5, used: 0 });
  await told();
  expect(adapter.gauges()).toMatchObject({ max: 5, used: 0 });
});

it('is starved while queries wait and others come back, and is not pinged then', async () => {
  const server = await startPostgres();
  const engine = new Engine();
  Object.assign(engine, { open: 5, busy: 5, idle: 0, waiting: 7, waitedMs: 400, queries: 0 });
  engine.client._engineConfig.inlineDatasources.db.url.value = `postgres://127.0.0.1:${server.port}/x?connection_limit=5`;
  const work = setInterval(() => (engine.queries += 3), 20);
  const observed = new Observed(() => engine.client, { pingEveryMs: 100 });
  try {
    await observed.sees('POOL_STARVED');
    // Before the first look had come back it was not known to be full.
    const asked = engine.asked.length;
    const { length } = observed.readings;
    await until('ten readings', () => observed.readings.length > length + 10);
    expect(engine.asked).toHaveLength(asked);
  } finally {
    clearInterval(work);
    observed.close();
    await server.end();
  }
});

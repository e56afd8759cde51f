/** The claims, each a line `ok` or `FAILED`. */
const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const net = require('node:net');
require('reflect-metadata');
const { Module, Logger } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { metrics: otel } = require('@opentelemetry/api');
const { AggregationTemporality, MeterProvider, MetricReader } = require('@opentelemetry/sdk-metrics');
const { Pool } = require('pg');
const prometheus = require('prom-client');
const prometheus14 = require('prom-client-14');
const { VitalsModule, VitalsService } = require('nestjs-vitals');
const { startDatabase } = require('./database.cjs');

const MAX_PEERS = 50;
class Reader extends MetricReader {
  onShutdown() {}
  onForceFlush() {}
}
const reader = new Reader({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
otel.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));

async function claim(text, prove) {
  try {
    await prove();
    console.log(`ok     ${text}`);
  } catch (error) {
    console.log(`FAILED ${text}\n         ${String(error.message).replaceAll('\n', '\n         ')}`);
  }
}

async function until(isSo, what) {
  for (const deadline = Date.now() + 20_000; !(await isSo()); await new Promise((r) => setTimeout(r, 20)))
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
}

async function start(options, pool) {
  class AppModule {}
  Module({
    imports: [
      VitalsModule.forRoot({
        everyMs: 100,
        drain: false,
        watchdog: false,
        details: 'full',
        ...(pool ? { pools: { main: { pool, pingEveryMs: 200 } } } : {}),
        ...options,
      }),
    ],
  })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
  app.getHttpAdapter().get('/metrics', (_, res) =>
    (options.metrics.registry ?? prometheus.register).metrics().then(
      (text) => res.type('text/plain').send(text),
      (error) => res.status(500).send(error.message),
    ),
  );
  await app.listen(0, '127.0.0.1');
  const at = `http://127.0.0.1:${app.getHttpServer().address().port}`;
  return {
    app,
    scrape: async () => {
      const response = await fetch(`${at}/metrics`);
      return { status: response.status, text: await response.text() };
    },
    health: async () => (await fetch(`${at}/api/v1/health`)).json(),
  };
}

function valueOf(text, name, labels = '') {
  const line = text.split('\n').find((one) => one.startsWith(`${name}${labels} `));
  assert.ok(line, `${name}${labels} is not in\n${text}`);
  return Number(line.split(' ').at(-1));
}

function promtool(text) {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
  assert.equal(`${stdout}${stderr}`.trim(), '');
}

/** `peers` servers, of which each resets one connection of ours. */
async function reset(peers) {
  for (let i = 0; i < peers; i++) {
    const server = net
      .createServer((socket) => socket.once('data', () => socket.resetAndDestroy()))
      .listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    const socket = net.connect(server.address().port, '127.0.0.1').on('error', () => {});
    socket.once('connect', () => socket.write('x')).resume();
    await new Promise((done) => socket.once('close', done));
    server.close();
  }
}

async function main() {
  const database = startDatabase(0);
  await new Promise((done) => database.once('listening', done));
  const pool = new Pool({ host: '127.0.0.1', port: database.address().port, max: 2 });
  pool.on('error', () => {});
  const host = await start({ metrics: true }, pool);
  const held = [await pool.connect(), await pool.connect()];
  const waits = pool.connect();
  await until(
    async () =>
      (await host.health()).details.main.waiting === 1 ||
      JSON.stringify(await host.health()).includes('"waiting":1'),
    'one waits',
  );

  await claim('promtool finds nothing to say about a scrape', async () => {
    const { status, text } = await host.scrape();
    assert.equal(status, 200);
    promtool(text);
  });
  await claim('the pool is what the endpoint says it is', async () => {
    const { text } = await host.scrape();
    const of = (name) => valueOf(text, `vitals_pool_${name}`, '{pool="main"}');
    assert.deepEqual(
      [
        'connections',
        'connections_active',
        'connections_idle',
        'connections_pending',
        'connections_max',
        'checkouts_total',
      ].map(of),
      [2, 2, 0, 1, 2, 2],
    );
    assert.ok(of('oldest_checkout_seconds') < 60);
  });
  await claim('a caller whom the pool gave up is a timeout', async () => {
    pool.options.connectionTimeoutMillis = 100;
    await assert.rejects(pool.connect(), /timeout exceeded/);
    pool.options.connectionTimeoutMillis = 0;
    const of = async () => valueOf((await host.scrape()).text, 'vitals_pool_timeouts_total', '{pool="main"}');
    await until(async () => (await of()) === 1, 'it is counted');
  });
  await claim('the event loop is told in seconds', async () => {
    const { text } = await host.scrape();
    const p99 = valueOf(text, 'vitals_event_loop_delay_p99_seconds');
    const max = valueOf(text, 'vitals_event_loop_delay_max_seconds');
    assert.ok(p99 >= 0 && p99 <= max && max < 10, `${p99} ${max}`);
    const share = valueOf(text, 'vitals_event_loop_utilization_ratio');
    assert.ok(share >= 0 && share <= 1, `${share}`);
  });
  await claim('one of the verdicts is 1, and it is the endpoint’s', async () => {
    const [{ text }, { status }] = [await host.scrape(), await host.health()];
    const all = ['ok', 'degraded', 'error'].map((one) => valueOf(text, 'vitals_status', `{status="${one}"}`));
    assert.deepEqual(
      all,
      ['ok', 'degraded', 'error'].map((one) => Number(one === status)),
    );
  });
  await claim('resets have direction, peer and phase, and add up to what the endpoint says', async () => {
    await reset(3);
    await until(
      async () => JSON.stringify((await host.health()).details.resets).includes('"total":3'),
      'three resets',
    );
    const lines = (await host.scrape()).text
      .split('\n')
      .filter((line) => line.startsWith('vitals_resets_total{'));
    assert.equal(lines.length, 3);
    for (const line of lines)
      assert.match(
        line,
        /direction="outbound",peer="127\.0\.0\.1:\d+",phase="(connect|handshake|idle|mid-request|first-write-after-idle)"\} 1$/,
      );
  });
  await claim('a thousand peers are fifty and `other`', async () => {
    await reset(MAX_PEERS + 20);
    const { text } = await host.scrape();
    const peers = new Set(
      [...text.matchAll(/^vitals_resets_total\{.*peer="([^"]+)"/gm)].map(([, peer]) => peer),
    );
    assert.equal(peers.size, MAX_PEERS + 1);
    assert.ok(peers.has('other'));
  });
  await claim('OpenTelemetry collects the same under the names of its conventions', async () => {
    const { resourceMetrics, errors } = await reader.collect();
    assert.deepEqual(errors, []);
    const all = new Map(
      resourceMetrics.scopeMetrics
        .find(({ scope }) => scope.name === 'nestjs-vitals')
        .metrics.map((metric) => [metric.descriptor.name, metric]),
    );
    const points = all
      .get('db.client.connection.count')
      .dataPoints.map(({ attributes, value }) => [
        attributes['db.client.connection.pool.name'],
        attributes['db.client.connection.state'],
        value,
      ]);
    assert.deepEqual(points.sort(), [
      ['main', 'idle', 0],
      ['main', 'used', 2],
    ]);
    assert.equal(all.get('db.client.connection.pending_requests').dataPoints[0].value, 1);
    assert.equal(all.get('db.client.connection.pending_requests').descriptor.unit, '{request}');
    assert.equal(all.get('db.client.connection.max').dataPoints[0].value, 2);
    assert.equal(all.get('db.client.connection.timeouts').dataPoints[0].value, 1);
    assert.equal(all.get('db.client.connection.timeouts').descriptor.unit, '{timeout}');
    assert.equal(all.get('nodejs.eventloop.delay.p99').descriptor.unit, 's');
    assert.ok(all.get('nodejs.eventloop.utilization').dataPoints[0].value <= 1);
  });
  await claim('a figure that cannot be read is left out, and the scrape answers 200', async () => {
    const runtime = host.app.get(VitalsService).runtime;
    assert.ok(runtime, 'the service has its runtime');
    Object.defineProperty(runtime, 'snapshot', {
      configurable: true,
      get: () => {
        throw new Error('no');
      },
    });
    const { status, text } = await host.scrape();
    delete runtime.snapshot;
    assert.equal(status, 200);
    assert.doesNotMatch(text, /^vitals_pool_connections_active\{/m);
    promtool(text);
  });
  await claim(
    'a later module takes the registry over, and the end of the earlier one takes nothing from it',
    async () => {
      const later = await start({ metrics: true, resets: false });
      await host.app.close();
      assert.ok(prometheus.register.getSingleMetric('vitals_status'));
      const { text } = await later.scrape();
      assert.equal(valueOf(text, 'vitals_status', '{status="ok"}'), 1);
      assert.doesNotMatch(text, /pool="main"/);
      await later.app.close();
      assert.deepEqual(
        prometheus.register.getMetricsAsArray().map(({ name }) => name),
        [],
      );
      let isRead = false;
      const runtime = host.app.get(VitalsService).runtime;
      Object.defineProperty(runtime, 'snapshot', { get: () => (isRead = true) });
      await reader.collect();
      assert.equal(isRead, false);
    },
  );
  await claim('a registry of version 14 is filled as well, and a metric of the host’s stays', async () => {
    const registry = new prometheus14.Registry();
    const own = new prometheus14.Gauge({ name: 'vitals_restarts', help: 'mine', registers: [registry] });
    own.set(7);
    const other = await start({ metrics: { registry }, resets: false });
    const { status, text } = await other.scrape();
    assert.equal(status, 200);
    assert.equal(valueOf(text, 'vitals_status', '{status="ok"}'), 1);
    assert.equal(valueOf(text, 'vitals_restarts'), 7);
    promtool(text.replace('# HELP vitals_restarts mine', '# HELP vitals_restarts mine'));
    await other.app.close();
    assert.equal(registry.getSingleMetric('vitals_restarts'), own);
    assert.equal(registry.getSingleMetric('vitals_status'), undefined);
  });
  await claim('where neither is installed the start fails and says what to install', () => {
    const said = execFileSync(process.execPath, [process.env.BARE], { encoding: 'utf8' }).trim();
    assert.equal(
      said,
      'options.metrics needs prom-client or @opentelemetry/api, and it is not installed; run: npm install prom-client',
    );
  });
  for (const client of held) client.release();
  (await waits).release();
  process.exit(0);
}

Logger.overrideLogger(false);
void main();

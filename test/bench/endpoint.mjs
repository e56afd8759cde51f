/**
 * What the endpoint costs, as ratios measured side by side in one run: every round asks every server once, in turn, so
 * that whatever else the machine does meets them all alike. Usage: npm run bench [-- --rounds 7 --seconds 2]
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import pg from 'pg';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({ options: { rounds: { type: 'string' }, seconds: { type: 'string' } } });
const ROUNDS = Number(values.rounds ?? 7);
const SECONDS = Number(values.seconds ?? 2);
const HEALTH = '/api/v1/health';

class Server {
  static async start(kind, env = {}) {
    const child = fork(join(here, 'endpoint-server.cjs'), {
      env: { ...process.env, KIND: kind, ...env },
      execArgv: ['--expose-gc'],
    });
    const [{ port }] = await once(child, 'message');
    return Object.assign(new Server(), { child, port });
  }

  async ask(ask) {
    this.child.send({ ask });
    return (await once(this.child, 'message'))[0];
  }

  url(path) {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** Requests per second and the server's CPU time per request, over a fixed time of full load. */
  async load(path) {
    const before = await this.ask('usage');
    const result = await autocannon({ url: this.url(path), connections: 10, duration: SECONDS });
    const after = await this.ask('usage');
    const requests = result['2xx'] + result.non2xx;
    return { perSecond: requests / result.duration, cpuUs: (after.cpuUs - before.cpuUs) / requests };
  }

  stop() {
    this.child.disconnect();
  }
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const fixed = (number) => number.toFixed(2);

/** Rounds over all servers in turn; the ratio of two is the median of the ratios within each round. */
async function compare(servers) {
  const rounds = [];
  for (const { server, path } of Object.values(servers)) await server.load(path); // warm up
  for (let round = 0; round < ROUNDS; round++) {
    const seen = {};
    const names = Object.keys(servers);
    // Each round begins with another one, so that none is always measured on the warmer processor.
    for (const name of [...names.slice(round % names.length), ...names.slice(0, round % names.length)]) {
      seen[name] = await servers[name].server.load(servers[name].path);
    }
    rounds.push(seen);
  }
  return {
    ratio: (a, b) => median(rounds.map((seen) => seen[a].perSecond / seen[b].perSecond)),
    cpuRatio: (a, b) => median(rounds.map((seen) => seen[a].cpuUs / seen[b].cpuUs)),
    perSecond: (a) => median(rounds.map((seen) => seen[a].perSecond)),
    cpuUs: (a) => median(rounds.map((seen) => seen[a].cpuUs)),
  };
}

const rows = [];
const row = (what, measured, promised) => rows.push({ what, measured, promised });

async function endpointRows(adapter, promised) {
  const vitals = await Server.start('vitals', { ADAPTER: adapter });
  const BODY = await (await fetch(vitals.url(HEALTH))).text();
  const env = { ADAPTER: adapter, BODY };
  const others = { 'node:http': 'node:http', constant: 'constant', terminus: 'terminus' };
  const servers = { vitals: { server: vitals, path: HEALTH } };
  for (const kind of Object.values(others))
    servers[kind] = { server: await Server.start(kind, env), path: HEALTH };
  const seen = await compare(servers);
  for (const { server } of Object.values(servers)) server.stop();
  const figures = (kind) =>
    `${Math.round(seen.perSecond(kind))} requests/s, ${Math.round(seen.cpuUs(kind))} us CPU`;
  console.log(
    `${adapter}: ${Object.keys(servers)
      .map((kind) => `${kind} ${figures(kind)}`)
      .join('; ')}`,
  );
  for (const kind of Object.values(others)) {
    row(
      `${adapter}: endpoint against ${kind}, requests/s`,
      `${fixed(seen.ratio('vitals', kind))}x`,
      promised[kind] ?? '',
    );
    row(
      `${adapter}: ${kind} against endpoint, CPU per request`,
      `${fixed(seen.cpuRatio(kind, 'vitals'))}x`,
      '',
    );
  }
}

async function hostRows(adapter) {
  const env = { ADAPTER: adapter };
  const servers = {
    on: { server: await Server.start('module on', env), path: '/own' },
    off: { server: await Server.start('module off', env), path: '/own' },
  };
  const rss = {};
  for (const [name, { server }] of Object.entries(servers)) {
    await server.ask('collect');
    rss[name] = (await server.ask('usage')).rssBytes;
  }
  const seen = await compare(servers);
  for (const { server } of Object.values(servers)) server.stop();
  row(
    `${adapter}: host's own route, module on against off, requests/s`,
    `${fixed(seen.ratio('on', 'off'))}x`,
    '0.99x',
  );
  row(
    `${adapter}: host's own route, module on against off, CPU`,
    `${fixed(seen.cpuRatio('on', 'off'))}x`,
    '',
  );
  row(
    `${adapter}: memory after the start, module on less off`,
    `${fixed((rss.on - rss.off) / 1e6)} MB`,
    '3 MB',
  );
}

async function databaseRows() {
  const postgres = spawn(process.execPath, [
    join(here, '..', '..', 'example-app', 'postgres.mjs'),
    '--port',
    '0',
  ]);
  const [line] = await once(createInterface({ input: postgres.stdout }), 'line');
  const { port, user, password, database } = JSON.parse(line);
  const url = `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
  const server = await Server.start('pool', { DATABASE_URL: url });
  const client = new pg.Client(url);
  await client.connect();
  // The statistics of other sessions come with a delay; asking twice a second apart settles them.
  const transactions = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await client.query('select pg_stat_clear_snapshot()');
    const { rows: found } = await client.query(
      'select xact_commit + xact_rollback as n from pg_stat_database where datname = current_database()',
    );
    return Number(found[0].n);
  };
  const span = async (work) => {
    const before = await transactions();
    const startedAt = performance.now();
    await work();
    return { count: (await transactions()) - before, ms: performance.now() - startedAt };
  };
  const asked = await span(() => autocannon({ url: server.url(HEALTH), connections: 10, amount: 10_000 }));
  const quiet = await span(() => new Promise((resolve) => setTimeout(resolve, asked.ms)));
  row(
    'transactions while 10 000 health requests come / in as long a time without any',
    `${asked.count} / ${quiet.count}`,
    'equal, give or take one ping',
  );
  const wedged = await Server.start('pool', { DATABASE_URL: url });
  await wedged.ask('leak');
  const deadline = Date.now() + 15_000;
  while (!(await (await fetch(wedged.url(HEALTH))).text()).includes('POOL_WEDGED')) {
    if (Date.now() > deadline) throw new Error('the leaked pool was not reported as wedged within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const seen = await compare({ healthy: { server, path: HEALTH }, wedged: { server: wedged, path: HEALTH } });
  row(
    'endpoint while the pool is wedged against healthy, requests/s',
    `${fixed(seen.ratio('wedged', 'healthy'))}x`,
    '0.95x',
  );
  wedged.stop();
  await client.end();
  server.stop();
  postgres.stdin.end();
  await once(postgres, 'exit');
}

await endpointRows('express', { 'node:http': '0.95x', terminus: '3x' });
await endpointRows('fastify', { 'node:http': '0.95x', terminus: '1.7x' });
await hostRows('express');
await hostRows('fastify');
await databaseRows();
console.log(`\nmedians of ${ROUNDS} rounds of ${SECONDS} s, 10 connections, Node ${process.version}`);
console.table(rows);

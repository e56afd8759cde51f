/**
 * What a watched pool costs its callers, beside the same pool unwatched, in one run, on an embedded PostgreSQL: the cheapest
 * checkout there is, and the cheapest query. `node test/bench/pools.mjs [rounds]`; needs the build in dist/. Prints medians.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import knexFactory from 'knex';
import pg from 'pg';

const ROUNDS = Number(process.argv[2] ?? 7);
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { PoolSource } = createRequire(import.meta.url)(join(ROOT, 'dist/cjs/sources/pools/source.js'));
const ASKING = {
  pingEveryMs: 10_000,
  pingTimeoutMs: 2_000,
  wedgedAfterMs: 30_000,
  leakAfterMs: 30_000,
  windowMs: 10_000,
};

const server = spawn(process.execPath, [join(ROOT, 'example-app', 'postgres.mjs'), '--port', '0'], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const [line] = await once(createInterface({ input: server.stdout }), 'line');
const { port, user, password } = JSON.parse(line);
const at = { host: '127.0.0.1', port, user, password, database: 'postgres' };

const DRIVERS = {
  pg() {
    const pool = new pg.Pool({ ...at, max: 4, idleTimeoutMillis: 0 });
    pool.on('error', () => {});
    return {
      value: pool,
      checkout: async () => (await pool.connect()).release(),
      query: () => pool.query('select 1'),
      end: () => pool.end(),
    };
  },
  'knex/pg'() {
    const knex = knexFactory({ client: 'pg', connection: at, pool: { min: 0, max: 4 } });
    const { client } = knex;
    return {
      value: knex,
      checkout: async () => client.releaseConnection(await client.acquireConnection()),
      query: () => knex.raw('select 1'),
      end: () => knex.destroy(),
    };
  },
};

async function microseconds(call, times) {
  const from = performance.now();
  for (let i = 0; i < times; i++) await call();
  return ((performance.now() - from) * 1_000) / times;
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

for (const [name, make] of Object.entries(DRIVERS)) {
  const [plain, watched] = [make(), make()];
  const source = new PoolSource(name, () => watched.value, ASKING);
  source.sample(performance.now());
  const timer = setInterval(() => source.sample(performance.now()), 1_000);
  for (const [what, times] of Object.entries({ checkout: 20_000, query: 3_000 })) {
    const [without, beside] = [[], []];
    for (let round = 0; round <= ROUNDS; round++) {
      const pair = [await microseconds(plain[what], times), await microseconds(watched[what], times)];
      // The first is for warming up.
      if (round > 0) [without, beside].forEach((all, i) => all.push(pair[i]));
    }
    const [a, b] = [median(without), median(beside)];
    console.log(
      `${name} ${what}: ${a.toFixed(1)} us, watched ${b.toFixed(1)} us: ${(b - a).toFixed(1)} us more, ${(b / a).toFixed(2)} times`,
    );
  }
  clearInterval(timer);
  source.close();
  await Promise.all([plain.end(), watched.end()]);
}
server.stdin.end();

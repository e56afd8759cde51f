/**
 * The service of the matrix. HANG: what befalls it, once, a second after it listens; the file `hung` in INCIDENTS says
 * that it has been. BLOCKED_MS of slow start comes before everything else. It prints nothing of its own but its troubles.
 */
const { execSync } = require('node:child_process');
const { existsSync, writeFileSync } = require('node:fs');

const {
  HANG = 'none',
  SLOW_START_MS = '0',
  OPTIONS = '{}',
  PORT = '3000',
  INCIDENTS = '/incidents',
} = process.env;
const until = Date.now() + Number(SLOW_START_MS);
while (Date.now() < until);

require('reflect-metadata');
const { Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { Pool } = require('pg');
const { VitalsModule } = require('nestjs-vitals');
const { startDatabase } = require('./database.cjs');

const DATABASE_PORT = 5432;
const pool = new Pool({ host: '127.0.0.1', port: DATABASE_PORT, max: 2, connectionTimeoutMillis: 1_000 });
pool.on('error', () => {});

const HANGS = {
  loop: function parseTours() {
    for (;;);
  },
  regex: function matchTours() {
    return /^(a+)+$/.test(`${'a'.repeat(60)}b`);
  },
  wait: function waitForTours() {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
  exec: function convertTours() {
    execSync('exec sleep 54321', { stdio: 'ignore' });
  },
  microtasks: async function floodWithTours() {
    for (;;) await Promise.resolve();
  },
  garbage: function collectTours() {
    let kept = new Map();
    for (;;) {
      kept = new Map([...kept].slice(0, 100_000));
      for (let i = 0; i < 100_000; i++) kept.set({}, { i });
    }
  },
  /** Both connections are taken and kept; the database goes on answering. */
  async wedge() {
    for (let i = 0; i < 2; i++) await pool.connect();
    setInterval(() => void pool.connect().catch(() => {}), 100);
  },
  swallow() {
    process.on('uncaughtException', () => {});
    setInterval(() => {
      throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
    }, 20);
  },
  'dead database'() {
    for (const socket of database.sockets) socket.destroy();
    database.close();
  },
  /** What a debugger holds at a breakpoint is no hang. */
  debugger() {
    require('node:inspector').open(0, '127.0.0.1');
    const end = Date.now() + 15_000;
    while (Date.now() < end);
  },
};

const database = startDatabase(DATABASE_PORT);

async function main() {
  class AppModule {}
  Module({
    imports: [
      VitalsModule.forRoot({
        pools: { main: { pool, wedgedAfterMs: 2_000, pingEveryMs: 1_000 } },
        ...JSON.parse(OPTIONS),
      }),
    ],
  })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: ['log', 'warn', 'error'] });
  app.setGlobalPrefix('api');
  process.on('SIGTERM', async () => {
    await app.close();
    process.exit(0);
  });
  await app.listen(Number(PORT), '127.0.0.1');
  if (!HANGS[HANG] || existsSync(`${INCIDENTS}/hung`)) return;
  setTimeout(() => {
    writeFileSync(`${INCIDENTS}/hung`, String(Date.now()));
    HANGS[HANG]();
  }, 1_000);
}

void main();

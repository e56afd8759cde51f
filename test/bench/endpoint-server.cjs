/**
 * One server under measurement, in a process of its own. KIND says which; it reports its port and, when asked, the CPU
 * time it has used. Its logs are off: they would be measured too.
 */
require('reflect-metadata');
const { createServer } = require('node:http');
const { join } = require('node:path');
const { Controller, Get, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');

const { KIND, ADAPTER = 'express', DATABASE_URL, BODY } = process.env;
const dist = join(__dirname, '..', '..', 'dist', 'cjs');

function controller(path, prototype, decorate = () => {}) {
  class Anonymous {}
  Anonymous.prototype.answer = prototype;
  const descriptor = Object.getOwnPropertyDescriptor(Anonymous.prototype, 'answer');
  Get()(Anonymous.prototype, 'answer', descriptor);
  Controller(path)(Anonymous);
  decorate(Anonymous);
  return Anonymous;
}

function vitals(options = {}) {
  const { VitalsModule } = require(dist);
  return VitalsModule.forRoot({ drain: false, ...options });
}

function terminus() {
  const { HealthCheckService, TerminusModule } = require('@nestjs/terminus');
  class HealthController {
    answer() {
      return this.health.check([() => ({ ok: { status: 'up' } })]);
    }
  }
  const { Inject } = require('@nestjs/common');
  Inject(HealthCheckService)(HealthController.prototype, 'health');
  Get()(
    HealthController.prototype,
    'answer',
    Object.getOwnPropertyDescriptor(HealthController.prototype, 'answer'),
  );
  Controller('api/v1/health')(HealthController);
  return { imports: [TerminusModule.forRoot({ logger: false })], controllers: [HealthController] };
}

const own = () => controller('own', () => ({ hello: 'world' }));
const KINDS = {
  vitals: () => ({ imports: [vitals()] }),
  constant: () => ({ controllers: [controller('api/v1/health', () => JSON.parse(BODY))] }),
  terminus,
  'module off': () => ({ controllers: [own()] }),
  'module on': () => ({ imports: [vitals()], controllers: [own()] }),
  pool: () => {
    const { Pool } = require('pg');
    const pool = new Pool({ connectionString: DATABASE_URL, max: 4 });
    pool.on('error', () => {});
    globalThis.pool = pool;
    return { imports: [vitals({ pools: { main: { pool, wedgedAfterMs: 1_000 } } })] };
  },
};

async function start() {
  if (KIND === 'node:http') {
    const body = Buffer.from(BODY);
    const server = createServer((request, response) => {
      response.statusCode = 200;
      response.setHeader('Content-Type', 'application/json; charset=utf-8');
      response.setHeader('Content-Length', body.length);
      response.end(body);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server.address().port;
  }
  class AppModule {}
  Module(KINDS[KIND]())(AppModule);
  const adapter = ADAPTER === 'fastify' ? [new (require('@nestjs/platform-fastify').FastifyAdapter)()] : [];
  const app = await NestFactory.create(AppModule, ...adapter, { logger: false });
  await app.listen(0, '127.0.0.1');
  return app.getHttpServer().address().port;
}

process.on('message', async ({ ask }) => {
  if (ask === 'usage') {
    const { user, system } = process.cpuUsage();
    process.send({ cpuUs: user + system, rssBytes: process.memoryUsage.rss() });
  }
  if (ask === 'leak') {
    await Promise.all(Array.from({ length: 4 }, () => globalThis.pool.connect()));
    globalThis.pool.connect().catch(() => {});
    process.send({ leaked: true });
  }
  if (ask === 'collect') {
    globalThis.gc?.();
    process.send({ collected: true });
  }
});
process.on('disconnect', () => process.exit(0));
start().then((port) => process.send({ port }));

// A fresh application with a real pool, as a reader of the README would write it, and routes to make it sick.
import { createRequire } from 'node:module';

const { FORMAT, DRIVER, PG } = process.env;
const connection = JSON.parse(PG);
const require = createRequire(import.meta.url);
const { common, core, vitals } = FORMAT === 'cjs' ? require('./load.cjs') : await import('./load.mjs');
const pg = FORMAT === 'cjs' ? require('pg') : (await import('pg')).default;
const knex = FORMAT === 'cjs' ? require('knex').knex : (await import('knex')).default;
const MAX = 4;

const pool =
  DRIVER === 'pg'
    ? new pg.Pool({ ...connection, max: MAX, connectionTimeoutMillis: 20_000 })
    : knex({ client: 'pg', connection, pool: { min: 0, max: MAX }, acquireConnectionTimeout: 20_000 });
// As pg's own manual asks: without it the first idle connection that the database ends would end the process.
if (DRIVER === 'pg') pool.on('error', () => {});

const leaked = [];
const take = () => (DRIVER === 'pg' ? pool.connect() : pool.client.acquireConnection());
const give = (one) => (DRIVER === 'pg' ? one.release() : pool.client.releaseConnection(one));
const query = () => (DRIVER === 'pg' ? pool.query('select 1') : pool.raw('select 1'));

class SickController {
  async leak() {
    for (let number = 0; number < MAX; number++) leaked.push(await take());
    // These wait for a connection that does not come; they fail when their own time is up.
    for (let number = 0; number < 2; number++) query().catch(() => null);
    return { leaked: leaked.length };
  }
  heal() {
    for (const one of leaked.splice(0)) give(one);
    return { leaked: 0 };
  }
  async query() {
    await query();
    return { done: true };
  }
}
common.Controller('sick')(SickController);
for (const name of ['leak', 'heal', 'query']) {
  common.Get(name)(
    SickController.prototype,
    name,
    Object.getOwnPropertyDescriptor(SickController.prototype, name),
  );
}

class AppModule {}
common.Module({
  imports: [
    vitals.VitalsModule.forRoot({
      everyMs: 200,
      drain: false,
      eventLoop: false,
      details: 'full',
      pools: { main: { pool: () => pool, wedgedAfterMs: 3_000, pingEveryMs: 500, pingTimeoutMs: 2_000 } },
    }),
  ],
  controllers: [SickController],
})(AppModule);
const app = await core.NestFactory.create(AppModule, { logger: ['error'] });
await app.listen(0, '127.0.0.1');
console.log(JSON.stringify({ port: app.getHttpServer().address().port }));
process.stdin.resume().on('end', () => process.exit(0));

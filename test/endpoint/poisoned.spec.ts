/** From a dead connection in a real Knex pool to what a person reads: the answer over HTTP, and the log. */
import { Logger, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Knex } from 'knex';
import request from 'supertest';
import { VitalsModule } from '../../lib/index.js';
import { Listener, lostOracleKnex } from '../sources/pools/lost-oracle.js';
import { until } from '../sources/pools/servers.js';

jest.setTimeout(30_000);

let listener: Listener;
let knex: Knex;
let app: INestApplication;
let lines: string[];

beforeEach(async () => {
  listener = new Listener();
  await listener.listen();
  knex = lostOracleKnex(listener.port, 2, 'localhost');
  @Module({
    imports: [
      VitalsModule.forRoot({
        details: 'full',
        everyMs: 100,
        eventLoop: false,
        pools: { main: { pool: knex, failAfter: 1, pingEveryMs: 60_000 } },
      }),
    ],
  })
  class AppModule {}
  lines = [];
  for (const level of ['log', 'warn', 'error'] as const)
    jest
      .spyOn(Logger.prototype, level)
      .mockImplementation((...told: unknown[]) => void lines.push(String(told[0])));
  app = await NestFactory.create(AppModule, { logger: false });
  await app.listen(0, '127.0.0.1');
});
afterEach(async () => {
  jest.restoreAllMocks();
  await app.close();
  await knex.destroy();
  await listener.close();
});

const health = async (): Promise<{ details: Record<string, { code?: string; message: string }> }> =>
  (await request(app.getHttpServer()).get('/api/v1/health')).body;
const query = (): Promise<unknown> => knex.raw('select 1 from dual');
const FIX =
  /the same connection failed \d+ checkouts in a row within \d+ ms, NJS-500, and is handed out again, .*; upgrade Knex to 3\.2\.0 or later, or set hygiene: true for this pool$/;

test('a connection that fails for ever is named with its fix in the answer and in the line of the transition', async () => {
  await query();
  listener.resetAll();
  const [{ resource }] = knex.client.pool.free;
  await until('the reset is there', () => !resource.isHealthy());
  for (let i = 0; i < 6; i++) await expect(query()).rejects.toMatchObject({ code: 'NJS-500' });
  const transition = /^main: .*-> down POOL_POISONED/;
  await until('the transition is in the log', () => lines.some((line) => transition.test(line)));
  const body = await health();
  expect(body.details['main']).toMatchObject({ code: 'POOL_POISONED', message: expect.stringMatching(FIX) });
  expect(lines.filter((line) => transition.test(line))).toEqual([expect.stringMatching(FIX)]);
  expect(body.details['resets']).toMatchObject({
    data: {
      origins: [
        {
          peer: `127.0.0.1:${listener.port}`,
          pool: 'main',
          setting: 'upgrade Knex to 3.2.0 or later: the pool hands a lost connection out for ever',
        },
      ],
    },
  });
});

/** What the audit says of a real Nest application, and when: of what is there later than the start, then. */
import { Logger, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Pool } from 'pg';
import request from 'supertest';
import { VitalsModule } from '../../lib/index.js';
import { until } from '../sources/pools/servers.js';

let app: INestApplication;
let late: Pool | undefined;
let lines: string[];

beforeEach(async () => {
  late = undefined;
  const early = new Pool({ host: '127.0.0.1', port: 1 });
  @Module({
    imports: [
      VitalsModule.forRoot({
        details: 'full',
        everyMs: 100,
        eventLoop: false,
        pools: { early, late: () => late },
      }),
    ],
  })
  class AppModule {}
  lines = [];
  jest
    .spyOn(Logger.prototype, 'log')
    .mockImplementation((...told: unknown[]) => void lines.push(String(told[0])));
  app = await NestFactory.create(AppModule, { logger: false });
});
afterEach(async () => {
  jest.restoreAllMocks();
  await app.close();
});

const said = (start: RegExp): string[] => lines.filter((line) => start.test(line));
const UNHEARD =
  "nobody listens to its 'error': the reset of an idle connection ends the process; add pool.on('error', ...)";

test('a pool is audited at boot, or when it is first there; each line is in the log once and in the answer', async () => {
  await app.listen(0, '127.0.0.1');
  expect(said(/^pool "early": /)).toContain(`pool "early": ${UNHEARD}`);
  expect(said(/^pool "late": /)).toEqual([]);
  late = new Pool({ host: '127.0.0.1', port: 1, keepAlive: true, keepAliveInitialDelayMillis: 9_000 });
  await until('the late pool is audited', () => said(/^pool "late": /).length > 0);
  expect(said(/^pool "late": /)).toEqual([
    'pool "late": connectionTimeoutMillis 0: callers wait without end for a connection; set connectionTimeoutMillis: 5000',
    `pool "late": ${UNHEARD}`,
  ]);
  const advice = async (): Promise<string[]> => {
    const { body } = await request(app.getHttpServer()).get('/api/v1/health');
    return body.details.resets.data.advice;
  };
  await until('readings after it', () => said(/^HTTP server: /).length > 0);
  await new Promise((done) => setTimeout(done, 100));
  await expect(advice()).resolves.toEqual(expect.arrayContaining([`pool "late": ${UNHEARD}`]));
  expect(new Set(lines.filter((line) => line.includes('; set '))).size).toBe(
    lines.filter((line) => line.includes('; set ')).length,
  );
});

test('the server is audited once it listens, with the limits that were set as late as that', async () => {
  await app.init();
  expect(said(/^HTTP server: /)).toEqual([]);
  await app.listen(0, '127.0.0.1');
  const server = app.getHttpServer();
  [server.keepAliveTimeout, server.headersTimeout] = [61_000, 60_500];
  await until('the server is audited', () => said(/^HTTP server: /).length > 0);
  expect(said(/^HTTP server: /)).toEqual([
    'HTTP server: headersTimeout 60500 ms is not above keepAliveTimeout (61000 ms): kept connections are reset; set server.headersTimeout = 62000',
  ]);
});

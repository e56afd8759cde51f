import { once } from 'node:events';
import {
  createServer,
  request,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
} from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Catch, Module, type CanActivate, type INestApplication } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { map } from 'rxjs';
import { Answers } from '../../../lib/endpoint/answers.js';
import { Endpoint, mountOnServer } from '../../../lib/endpoint/mount.js';
import { Pages } from '../../../lib/endpoint/pages.js';
import { VitalsModule, type Details, type VitalsOptions } from '../../../lib/index.js';
import { finding, snapshotOf } from '../../verdict/make.js';

jest.setTimeout(30_000);

const PATH = '/api/v1/health';
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';
const well = snapshotOf([{ seen: finding() }]);

interface Seen {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(
  port: number,
  path: string,
  { method = 'GET', accept }: { method?: string; accept?: string } = {},
) {
  return new Promise<Seen>((resolve, reject) => {
    const headers = accept === undefined ? {} : { accept };
    const call = request({ port, host: '127.0.0.1', path, method, headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    call.on('error', reject);
    call.end();
  });
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(
  details: Details | ((request: IncomingMessage) => Details),
  pages: (answers: Answers) => Pages = (answers) => new Pages(answers),
): Promise<{ port: number; failures: unknown[] }> {
  const answers = new Answers(null, 1_000);
  const failures: unknown[] = [];
  const told = { snapshot: well, phase: well.phase };
  const endpoint = new Endpoint(
    PATH,
    told,
    answers,
    details,
    (error) => failures.push(error),
    pages(answers),
  );
  const server: Server = createServer((_, response) => response.end('host'));
  mountOnServer(server, endpoint);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, failures };
}

describe('the page at the server', () => {
  it.each([undefined, '*/*', 'application/json', 'text/plain', 'application/health+json', 'image/png'])(
    'is not for who sends Accept: %s',
    async (accept) => {
      const { port } = await serve('codes');
      const { headers } = await ask(port, PATH, { accept });
      expect(headers['content-type']).not.toContain('html');
      expect(headers.vary).toBe('Accept');
    },
  );

  it('is the same by GET, HEAD and OPTIONS but for the body', async () => {
    const { port } = await serve('codes');
    const got = await ask(port, PATH, { accept: BROWSER });
    expect(got.body).toMatch(/^<!doctype html>/);
    expect([got.headers['content-type'], got.headers.vary]).toEqual(['text/html; charset=utf-8', 'Accept']);
    const head = await ask(port, PATH, { accept: BROWSER, method: 'HEAD' });
    expect([head.status, head.body]).toEqual([200, '']);
    expect(Object.keys(head.headers)).toEqual(Object.keys(got.headers));
    expect(head.headers['content-length']).toBe(got.headers['content-length']);
    const options = await ask(port, PATH, { accept: BROWSER, method: 'OPTIONS' });
    expect([options.headers.allow, options.body.length]).toEqual(['GET, HEAD, OPTIONS', got.body.length]);
    expect((await ask(port, PATH, { accept: BROWSER, method: 'POST' })).status).toBe(405);
  });

  it('is at the health route only', async () => {
    const { port } = await serve('codes');
    for (const route of ['/live', '/ready'])
      expect((await ask(port, PATH + route, { accept: BROWSER })).headers['content-type']).toMatch(/json/);
  });

  it.each<Details | (() => never)>([
    'none',
    () => {
      throw new Error('no audience');
    },
  ])('is JSON for those who may see nothing, case %#', async (details) => {
    const { port } = await serve(details);
    for (const path of [PATH, `${PATH}?page=`]) {
      const { status, body } = await ask(port, path, { accept: path === PATH ? BROWSER : undefined });
      expect([status, body]).toEqual([200, '{"status":"ok","info":{},"error":{},"details":{}}']);
    }
  });

  it('that fails is answered with 503 and JSON, and told once', async () => {
    const { port, failures } = await serve('codes', (answers) => {
      return new Pages(answers, { incidents: () => Promise.reject(new Error('no disk')) });
    });
    for (let i = 0; i < 3; i++) {
      const { status, headers } = await ask(port, PATH, { accept: BROWSER });
      expect([status, headers['content-type']]).toEqual([503, 'application/json; charset=utf-8']);
    }
    expect(failures).toEqual([new Error('no disk')]);
    expect((await ask(port, PATH)).status).toBe(200);
  });
});

class Denying implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

@Catch()
class Rewriting {
  catch(): void {
    throw new Error('never asked');
  }
}

const wrapping = {
  intercept: (_: unknown, next: { handle(): any }) => next.handle().pipe(map((data) => ({ data }))),
};

async function boot(adapter: ExpressAdapter | FastifyAdapter, options: VitalsOptions): Promise<number> {
  @Module({
    imports: [VitalsModule.forRoot({ drain: false, resets: false, ...options })],
    providers: [
      { provide: APP_GUARD, useClass: Denying },
      { provide: APP_FILTER, useClass: Rewriting },
      { provide: APP_INTERCEPTOR, useValue: wrapping },
    ],
  })
  class AppModule {}
  const app: INestApplication = await NestFactory.create(AppModule, adapter, { logger: false });
  app.setGlobalPrefix('api');
  await app.listen(0, '127.0.0.1');
  closing.push(() => app.close());
  return (app.getHttpServer().address() as AddressInfo).port;
}

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('the page in a host on %s, behind a prefix, a guard, a filter and an interceptor', (_, adapter) => {
  it('comes to a browser, and what it asks for comes to the page', async () => {
    const port = await boot(adapter(), {});
    const { status, headers, body } = await ask(port, PATH, { accept: BROWSER });
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(body).toContain('All is well; there is nothing to do.');
    const { page } = JSON.parse((await ask(port, `${PATH}?page=`, { accept: 'application/json' })).body);
    expect(page.charts.map(({ id }: { id: string }) => id)).toEqual(['delay', 'utilization']);
  });

  it('says when vitals restarts, and how the processes before this one ended', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'page-'));
    closing.push(() => rmSync(directory, { recursive: true }));
    const startedAt = new Date(Date.now() - 90_000).toISOString();
    const end = { by: 'crash', code: 'TypeError', message: 'x is undefined', at: startedAt, bootMs: 5_000 };
    const run = { id: 'a', pid: 815, startTicks: 0, namespace: '', host: 'h', boot: 'b', startedBootMs: 0 };
    writeFileSync(join(directory, 'past-0000000001-a.json'), JSON.stringify({ ...run, startedAt, end }));
    const port = await boot(adapter(), {
      details: 'full',
      incidents: { directory },
      recovery: { exit: true, afterMs: 600_000 },
      checks: { ill: { check: () => false, remedy: 'restart', failAfter: 1 } },
    });
    const { body } = await ask(port, PATH, { accept: BROWSER });
    expect(body).toMatch(/Vitals ends this process in 1\d min if this lasts; its restart policy/);
    expect(body).toContain(`host ${hostname()} · pid ${process.pid}`);
    expect(body).toMatch(/A process crashed<\/h3>.*TypeError, after 5 s · pid 815 · x is undefined/);
    expect(body).toContain('it lasts');
  });

  it('comes by the host’s router as well', async () => {
    const port = await boot(adapter(), { mount: 'router' });
    const { body } = await ask(port, PATH, { accept: BROWSER });
    // The guard of the host is in front of controllers, not of what is registered on its adapter.
    expect(body).toContain('All is well; there is nothing to do.');
  });

  it('is not there where details is none', async () => {
    const port = await boot(adapter(), { details: 'none' });
    expect((await ask(port, PATH, { accept: BROWSER })).headers['content-type']).toMatch(/json/);
  });
});

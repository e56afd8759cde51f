import { EventEmitter, once } from 'node:events';
import {
  createServer,
  request,
  ServerResponse,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
} from 'node:http';
import * as http2 from 'node:http2';
import { createConnection, type AddressInfo } from 'node:net';
import { Answers } from '../../lib/endpoint/answers.js';
import {
  Endpoint,
  mountOnRouter,
  mountOnServer,
  rawRequest,
  rawResponse,
  type Told,
} from '../../lib/endpoint/mount.js';
import type { Details } from '../../lib/options.js';
import type { Snapshot } from '../../lib/verdict/snapshot.js';
import { down, finding, snapshotOf } from '../verdict/make.js';

// Real timers and processes on a machine that may be busy.
jest.setTimeout(30_000);

const PATH = '/api/v1/health';
const well = snapshotOf([{ seen: finding({ message: 'secret' }) }]);
const sick = snapshotOf([{ seen: down() }]);
const draining = snapshotOf([{ seen: finding() }], { phase: 'draining' });

class Fixed implements Told {
  constructor(public snapshot: Snapshot) {}
  get phase() {
    return this.snapshot.phase;
  }
}

const servers: { close(): unknown; closeAllConnections?(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections?.();
    server.close();
  }
});

async function listen<T extends Server | http2.Http2Server>(server: T): Promise<T & { port: number }> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}

function endpointOf(
  told: Told = new Fixed(well),
  details: Details | ((request: IncomingMessage) => Details) = 'codes',
  path = PATH,
): Endpoint {
  return new Endpoint(path, told, new Answers(typeof details === 'string' ? details : null, 1_000), details);
}

const host = () => createServer((_, response) => response.end('host'));

interface Seen {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

function ask(
  { port }: { port: number },
  path: string,
  {
    method = 'GET',
    headers = {},
    body,
  }: { method?: string; headers?: OutgoingHttpHeaders; body?: string } = {},
): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const call = request({ port, host: '127.0.0.1', path, method, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: text }),
      );
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** Writes `text` as it stands and reads until the other side closes, or until `isEnough`. */
function raw(
  { port }: { port: number },
  text: string,
  isEnough: (got: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(text));
    let got = '';
    socket.on('data', (bytes) => {
      got += String(bytes);
      if (isEnough(got)) socket.destroy();
    });
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
  });
}

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

describe('mountOnServer', () => {
  it('answers its three paths and leaves every other to the host', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf());
    for (const path of [PATH, `${PATH}/`, `${PATH}/live`, `${PATH}/ready?verbose`]) {
      expect(await ask(server, path)).toMatchObject({ status: 200, headers: { 'x-health-status': 'ok' } });
    }
    for (const path of ['/', '/api/v1', `${PATH}z`, `${PATH}/other`, `/x${PATH}`]) {
      expect((await ask(server, path)).body).toBe('host');
    }
  });

  it('never lets the host see a health request', async () => {
    const seen: string[] = [];
    const server = await listen(
      createServer((incoming, response) => (seen.push(incoming.url!), void response.end())),
    );
    mountOnServer(server, endpointOf());
    await ask(server, PATH);
    await ask(server, `${PATH}/live`, { method: 'POST', body: 'x' });
    await ask(server, '/mine');
    expect(seen).toEqual(['/mine']);
  });

  it('calls every listener of the host, in order, with the server as this', async () => {
    const calls: unknown[] = [];
    const server = createServer();
    server.on('request', function (this: unknown) {
      calls.push('first', this);
    });
    server.on('request', function (this: unknown, _incoming, response) {
      calls.push('second', this);
      response.end();
    });
    await listen(server);
    mountOnServer(server, endpointOf());
    await ask(server as never, '/');
    expect(calls).toEqual(['first', server, 'second', server]);
  });

  it('calls the only listener of the host with the server as this', async () => {
    const self: unknown[] = [];
    const server = await listen(
      createServer(function (this: unknown, _incoming, response) {
        self.push(this);
        response.end();
      }),
    );
    mountOnServer(server, endpointOf());
    await ask(server, '/');
    expect(self).toEqual([server]);
  });

  it('calls a listener that the host added with once no more than once', async () => {
    let calls = 0;
    const server = await listen(host());
    server.once('request', () => (calls += 1));
    mountOnServer(server, endpointOf());
    await ask(server, '/');
    await ask(server, '/');
    expect(calls).toBe(1);
  });

  it('goes on answering when the host adds a listener later, and still hands its requests over once', async () => {
    let late = 0;
    const server = await listen(host());
    mountOnServer(server, endpointOf());
    server.on('request', () => (late += 1));
    expect((await ask(server, '/')).body).toBe('host');
    expect((await ask(server, PATH)).status).toBe(200);
    expect(late).toBe(2);
  });

  it('puts the listeners back when it is taken away, and can be mounted again', async () => {
    const server = await listen(host());
    const before = server.listeners('request');
    for (let i = 0; i < 3; i++) {
      const unmount = mountOnServer(server, endpointOf());
      expect((await ask(server, PATH)).status).toBe(200);
      unmount();
      unmount();
      expect(server.listeners('request')).toEqual(before);
      expect((await ask(server, PATH)).body).toBe('host');
    }
  });

  it('can be mounted for two paths at once', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf(new Fixed(well), 'codes', '/a'));
    mountOnServer(server, endpointOf(new Fixed(sick), 'codes', '/b'));
    const statuses = await Promise.all(
      ['/a', '/b', '/c'].map(async (path) => (await ask(server, path)).status),
    );
    expect(statuses).toEqual([200, 503, 200]);
  });

  it('notes when readiness was asked for over the network, and not for liveness', async () => {
    const server = await listen(host());
    const endpoint = endpointOf();
    mountOnServer(server, endpoint);
    await ask(server, `${PATH}/live`);
    await ask(server, '/');
    expect(endpoint.askedAt).toBe(-Infinity);
    const before = performance.now();
    await ask(server, `${PATH}/ready`);
    expect(endpoint.askedAt).toBeGreaterThanOrEqual(before);
  });

  it('notes it as well where a router or a controller answers, and not when no network was crossed', async () => {
    const endpoint = endpointOf();
    const injected = Object.assign(new EventEmitter(), { method: 'GET', url: PATH, headers: {}, socket: {} });
    endpoint.answer('ready', injected as never, new ServerResponse(injected as never));
    expect(endpoint.askedAt).toBe(-Infinity);
    const server = await listen(
      createServer((request, response) => endpoint.answer('ready', request, response)),
    );
    await ask(server, PATH);
    expect(endpoint.askedAt).toBeGreaterThan(-Infinity);
  });
});

describe('an answer over HTTP', () => {
  it('to HEAD is the answer to GET without the body', async () => {
    for (const snapshot of [well, sick, draining]) {
      const server = await listen(host());
      mountOnServer(server, endpointOf(new Fixed(snapshot)));
      const [head, whole] = [await ask(server, PATH, { method: 'HEAD' }), await ask(server, PATH)];
      const { date: _head, ...headers } = head.headers;
      const { date: _whole, ...expected } = whole.headers;
      expect({ status: head.status, headers }).toEqual({ status: whole.status, headers: expected });
      expect(head.body).toBe('');
      expect(Number(head.headers['content-length'])).toBe(Buffer.byteLength(whole.body));
    }
  });

  it('to OPTIONS is the answer to GET, and names the methods', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf(new Fixed(sick)));
    const answer = await ask(server, PATH, { method: 'OPTIONS' });
    expect(answer).toMatchObject({ status: 503, headers: { allow: 'GET, HEAD, OPTIONS' } });
    expect(answer.body).toBe((await ask(server, PATH)).body);
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND'])(
    'to %s is 405 with the methods and a body',
    async (method) => {
      const server = await listen(host());
      mountOnServer(server, endpointOf());
      const answer = await ask(server, PATH, { method });
      expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, OPTIONS' } });
      expect(JSON.parse(answer.body)).toMatchObject({ status: 'error' });
      expect(Number(answer.headers['content-length'])).toBe(answer.body.length);
    },
  );

  it('to a POST with a long body does not spoil the connection for the next request', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf());
    const body = 'x'.repeat(300_000);
    const text = `POST ${PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}${get(PATH, 'Connection: close\r\n')}`;
    expect((await raw(server, text)).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 405', 'HTTP/1.1 200']);
  });

  it('to a GET with a body is an answer, and the connection goes on', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf());
    const text = `${get(PATH, 'Content-Length: 3\r\n')}abc${get('/', 'Connection: close\r\n')}`;
    expect((await raw(server, text)).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
  });

  it('comes in order when requests are pipelined with those of the host', async () => {
    const server = await listen(createServer((_, response) => setTimeout(() => response.end('host'), 30)));
    mountOnServer(server, endpointOf());
    const text =
      [PATH, '/slow', `${PATH}/live`, '/slow'].map((path) => get(path)).join('') +
      get(PATH, 'Connection: close\r\n');
    const got = await raw(server, text);
    expect(got.match(/X-Health-Status: ok|host/g)).toEqual([
      'X-Health-Status: ok',
      'host',
      'X-Health-Status: ok',
      'host',
      'X-Health-Status: ok',
    ]);
  });

  it('to HTTP/1.0 has a length, is not chunked and ends the connection', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf());
    const got = await raw(server, `GET ${PATH} HTTP/1.0\r\n\r\n`);
    expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(got).toMatch(/\r\nContent-Length: \d+\r\n/);
    expect(got).not.toMatch(/chunked/i);
  });

  it('has no validators: nothing may be answered with 304', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf());
    const answer = await ask(server, PATH, {
      headers: { 'If-None-Match': '*', 'If-Modified-Since': new Date(0).toUTCString() },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('etag');
    expect(answer.headers).not.toHaveProperty('last-modified');
  });

  it('keeps headers that something of the host set before', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf());
    server.prependListener('request', (_, response) => response.setHeader('X-Request-Id', '7'));
    const answer = await ask(server, PATH);
    expect(answer.headers).toMatchObject({ 'x-request-id': '7', 'x-health-status': 'ok' });
    expect(JSON.parse(answer.body)).toMatchObject({ status: 'ok' });
  });

  it('is given to a proxy that sends the absolute form', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf());
    expect(await raw(server, get(`http://a${PATH}`, 'Connection: close\r\n'))).toContain(
      'X-Health-Status: ok',
    );
  });

  it('goes over HTTP/2 without a Connection header, draining or not', async () => {
    for (const snapshot of [well, draining]) {
      const set: string[] = [];
      // Node drops the header by itself, with a warning: it must not come to that.
      class Noted extends http2.Http2ServerResponse {
        override setHeader(name: string, value: number | string | readonly string[]): void {
          set.push(name.toLowerCase());
          super.setHeader(name, value);
        }
      }
      const server = await listen(
        http2.createServer({ Http2ServerResponse: Noted }, (_, response) => response.end('host')),
      );
      mountOnServer(server as unknown as Server, endpointOf(new Fixed(snapshot)));
      const client = http2.connect(`http://127.0.0.1:${server.port}`);
      const statuses: unknown[] = [];
      for (const path of [PATH, '/', `${PATH}/live`]) {
        const stream = client.request({ ':path': path });
        const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
        stream.resume();
        await once(stream, 'end');
        expect(headers).not.toHaveProperty('connection');
        statuses.push(headers[':status']);
      }
      client.close();
      expect(statuses).toEqual([snapshot === well ? 200 : 503, 200, 200]);
      expect(set).toContain('x-health-status');
      expect(set).not.toContain('connection');
    }
  });
});

describe('the audience', () => {
  it('is decided by a function of the request, for each request', async () => {
    const server = await listen(host());
    mountOnServer(
      server,
      endpointOf(new Fixed(well), ({ headers }) => (headers['x-key'] === 'open' ? 'full' : 'none')),
    );
    expect((await ask(server, PATH, { headers: { 'x-key': 'open' } })).body).toContain('secret');
    expect((await ask(server, PATH)).body).toBe('{"status":"ok","info":{},"error":{},"details":{}}');
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['answers nothing', () => undefined],
    ['answers a word that is none', () => 'everything'],
    ['answers a promise', () => Promise.resolve('full')],
  ])('is shown the least when the function %s', async (_what, decide) => {
    const server = await listen(host());
    mountOnServer(server, endpointOf(new Fixed(well), decide as () => Details));
    expect(await ask(server, PATH)).toMatchObject({
      status: 200,
      body: '{"status":"ok","info":{},"error":{},"details":{}}',
    });
  });
});

describe('when our own engine fails', () => {
  const broken: Told = {
    get snapshot(): Snapshot {
      throw new Error('engine');
    },
    phase: 'running',
  };

  it('readiness is 503 with a body, never a 500 and never silence, and the connection goes on', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf(broken));
    const answer = await ask(server, PATH);
    expect(answer).toMatchObject({
      status: 503,
      headers: {
        'x-health-status': 'error; vitals=CHECK_FAILED',
        'cache-control': 'no-cache, no-store, must-revalidate',
      },
    });
    expect(JSON.parse(answer.body)).toMatchObject({
      status: 'error',
      details: { vitals: { status: 'down' } },
    });
    expect(answer.body).not.toContain('engine');
    expect((await ask(server, '/')).body).toBe('host');
  });

  it('the first failure is told, and those after it are not', async () => {
    const told: unknown[] = [];
    const server = await listen(host());
    mountOnServer(
      server,
      new Endpoint(PATH, broken, new Answers('codes', 1_000), 'codes', (error) => told.push(error)),
    );
    for (let i = 0; i < 3; i++) await ask(server, PATH);
    expect(told).toEqual([new Error('engine')]);
  });

  it('liveness is 200: a restart is not known to help', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf(broken));
    expect((await ask(server, `${PATH}/live`)).status).toBe(200);
  });

  it('HEAD has no body then either, and the answer says when to ask again', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf(broken));
    const text = `HEAD ${PATH} HTTP/1.1\r\nHost: a\r\n\r\n${get('/', 'Connection: close\r\n')}`;
    expect(await raw(server, text)).toMatch(/503[^]*\r\nRetry-After: 1\r\n[^]*\r\n\r\nHTTP\/1\.1 200/);
  });
});

describe('while draining', () => {
  const closes = ({ headers }: Seen): boolean => headers['connection'] === 'close';
  const keep = { headers: { Connection: 'keep-alive' } };

  it("every answer asks the caller to part, the host's own included; before, none does", async () => {
    const told = new Fixed(well);
    const server = await listen(host());
    mountOnServer(server, endpointOf(told));
    const paths = ['/', PATH, `${PATH}/live`, `${PATH}/ready`];
    const seen = async () => {
      const all: boolean[] = [];
      for (const path of paths) all.push(closes(await ask(server, path, keep)));
      return all;
    };
    expect(await seen()).toEqual([false, false, false, false]);
    told.snapshot = draining;
    expect(await seen()).toEqual([true, true, true, true]);
  });

  it('really ends the connection', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf(new Fixed(draining)));
    expect(await raw(server, get('/') + get('/'))).toMatch(/^HTTP\/1\.1 200[^]*host$/);
  });

  it('a refused method and a failed engine ask the caller to part as well', async () => {
    const server = await listen(host());
    mountOnServer(server, endpointOf(new Fixed(draining)));
    expect(closes(await ask(server, PATH, { ...keep, method: 'POST' }))).toBe(true);
    const failing = await listen(host());
    mountOnServer(
      failing,
      endpointOf({
        get snapshot(): Snapshot {
          throw new Error('engine');
        },
        phase: 'draining',
      }),
    );
    expect(closes(await ask(failing, PATH, keep))).toBe(true);
  });
});

describe('mountOnRouter', () => {
  interface Registered {
    method: string;
    path: string;
    handler: (request: unknown, response: unknown) => unknown;
  }

  const register = (type: string | undefined, hasOptions = true): Registered[] => {
    const routes: Registered[] = [];
    const add =
      (method: string) =>
      (path: string, handler: Registered['handler']): number =>
        routes.push({ method, path, handler });
    mountOnRouter(
      {
        ...(type ? { getType: () => type } : {}),
        getHttpServer: () => undefined,
        get: add('GET'),
        ...(hasOptions ? { options: add('OPTIONS') } : {}),
      },
      endpointOf(),
    );
    return routes;
  };

  it.each([
    ['express', ['', '/live', '/ready']],
    ['fastify', ['', '/', '/live', '/live/', '/ready', '/ready/']],
    [undefined, ['', '/', '/live', '/live/', '/ready', '/ready/']],
  ])('registers on %s for GET and OPTIONS, each path once', (type, suffixes) => {
    const routes = register(type);
    for (const method of ['GET', 'OPTIONS']) {
      expect(routes.filter((route) => route.method === method).map(({ path }) => path)).toEqual(
        suffixes.map((suffix) => PATH + suffix),
      );
    }
  });

  it('does without OPTIONS where the adapter has none', () => {
    expect(new Set(register('express', false).map(({ method }) => method))).toEqual(new Set(['GET']));
  });

  it('answers past the wrappers of a framework, with the route of the path and the query of the URL', async () => {
    const routes = register('fastify');
    const { handler } = routes.find(({ path }) => path === `${PATH}/live`)!;
    let hijacked = 0;
    const server = await listen(
      createServer((incoming, response) =>
        handler({ raw: incoming }, { raw: response, hijack: () => (hijacked += 1) }),
      ),
    );
    const answer = await ask(server, '/stripped?verbose', { headers: { Accept: 'text/plain' } });
    expect(answer).toMatchObject({ status: 200, body: 'ok\n' });
    expect(hijacked).toBe(1);
  });

  it('takes a request and a response that nobody wrapped as they are', () => {
    const bare = {};
    expect(rawRequest(bare)).toBe(bare);
    expect(rawResponse(bare)).toBe(bare);
  });
});

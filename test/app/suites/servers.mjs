/**
 * Where an application is not simply created and listened to.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { adapterOf, controller } from '../build.mjs';
import { ask } from '../client.mjs';
import { freePort } from '../fixture/free-port.mjs';
import { until } from '../tally.mjs';
import { creator, HEALTH, isUp, listening, options } from './context.mjs';

export async function testServers(nest, tally, { adapter, folder }) {
  const claim = (title, prove) => tally.claim(`${adapter} | ${title}`, prove);
  const it = {
    nest,
    adapter,
    folder,
    claim,
    create: creator(nest, adapter),
    VitalsModule: nest.vitals.VitalsModule,
  };
  await testEverywhere(it);
  if (adapter === 'fastify') {
    await testFastifyOnly(it);
    await testSamePathOnFastify(it);
  } else await testExpressOnly(it);
}

async function testEverywhere({ nest, adapter, folder, create, claim, VitalsModule }) {
  await claim('a testing module answers without listen', async () => {
    const built = await nest.testing.Test.createTestingModule({
      imports: [VitalsModule.forRoot(options())],
    }).compile();
    const app = built.createNestApplication(adapterOf(nest, adapter), { logger: false });
    await app.init();
    await app.getHttpAdapter().getInstance().ready?.();
    const server = app.getHttpServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    await isUp(server.address().port);
    await app.close();
  });
  await claim('two applications in one process each tell of themselves', async () => {
    const second = { isUp: false };
    const one = await create([VitalsModule.forRoot(options())]);
    const two = await create([VitalsModule.forRoot(options({ path: '/other' }, second))]);
    await listening(one, (first) =>
      listening(two, async (other) => {
        await isUp(first);
        await until(
          () => ask(other, '/other/ready'),
          ({ status }) => status === 503,
          '503 from the second',
        );
        assert.equal((await ask(other, HEALTH)).status, 404);
        assert.equal((await ask(first, `${HEALTH}/ready`)).status, 200);
      }),
    );
  });
  await claim('https', async () => {
    const httpsOptions = pair(folder);
    const app =
      adapter === 'express'
        ? await create([VitalsModule.forRoot(options())], { httpsOptions })
        : await create([VitalsModule.forRoot(options())], { adapterOptions: { https: httpsOptions } });
    await listening(app, (port) => isUp(`https://127.0.0.1:${port}`));
  });
  await claim('a hybrid application with a microservice', async () => {
    const app = await create([VitalsModule.forRoot(options())]);
    app.connectMicroservice({
      transport: nest.microservices.Transport.TCP,
      options: { host: '127.0.0.1', port: await freePort() },
    });
    await app.startAllMicroservices();
    await listening(app, (port) => isUp(port));
  });
  await claim('a server of its own beside the application', async () => {
    const logs = [];
    const logger = {
      log: (text) => logs.push(text),
      error: (text) => logs.push(text),
      warn() {},
      debug() {},
      verbose() {},
    };
    const app = await create(
      [VitalsModule.forRoot(options({ standalone: { port: 0, host: '127.0.0.1' } }))],
      { logger },
    );
    await listening(app, async () => {
      const [, port] = await until(
        () => logs.map((line) => /^health at 127\.0\.0\.1:(\d+)\//.exec(line)).find(Boolean) ?? null,
        Boolean,
        'its address in the log',
      );
      await isUp(Number(port));
      assert.equal((await ask(Number(port), '/elsewhere')).status, 404);
    });
  });
  await claim('the default options, with everything on, answer 200 and need no configuration', async () => {
    const app = await create([VitalsModule.forRoot()]);
    await listening(app, async (port) => {
      const { status, body } = await ask(port, HEALTH);
      assert.equal(status, 200, body);
      assert.deepEqual(
        Object.keys(JSON.parse(body).details).filter((name) => name !== 'vitals'),
        ['eventLoop', 'resets', 'swallowed'],
      );
    });
  });
}

async function testFastifyOnly({ create, claim, VitalsModule, folder }) {
  await claim('app.inject', async () => {
    const flag = { isUp: true };
    const app = await create([VitalsModule.forRoot(options({}, flag))]);
    await app.init();
    const inject = async (method, url) => {
      const { statusCode, headers, payload } = await app.inject({ method, url });
      return { statusCode, headers, payload };
    };
    for (const url of [HEALTH, `${HEALTH}/`, `${HEALTH}/live`, `${HEALTH}/ready?x=1`]) {
      for (const method of ['GET', 'HEAD', 'OPTIONS']) {
        const { statusCode, headers, payload } = await until(
          () => inject(method, url),
          (a) => a.statusCode === 200,
          `${method} ${url}`,
        );
        assert.equal(payload === '', method === 'HEAD', `${method} ${url}`);
        assert.equal(headers['x-health-status'], 'ok', `${method} ${url} ${statusCode}`);
      }
    }
    flag.isUp = false;
    const { payload } = await until(
      () => inject('GET', HEALTH),
      (a) => a.statusCode === 503,
      '503',
    );
    assert.equal(JSON.parse(payload).details.switchable.code, 'CHECK_FAILED');
    await app.close();
  });
  await claim('HTTP/2 in plain text', async () => {
    const app = await create([VitalsModule.forRoot(options())], { adapterOptions: { http2: true } });
    await listening(app, async (port) => {
      const session = connect(`http://127.0.0.1:${port}`);
      const { status, body } = await overHttp2(session, `${HEALTH}/ready`);
      session.close();
      assert.deepEqual([status, JSON.parse(body).status], [200, 'ok']);
    });
  });
  await claim('HTTP/2 over TLS', async () => {
    const app = await create([VitalsModule.forRoot(options())], {
      adapterOptions: { http2: true, https: { ...pair(folder), allowHTTP1: true } },
    });
    await listening(app, async (port) => {
      const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
      const { status } = await overHttp2(session, `${HEALTH}/ready`);
      session.close();
      assert.equal(status, 200);
      await isUp(`https://127.0.0.1:${port}`);
    });
  });
}

/** What Fastify itself does with two routes of one path; whoever has such a controller removes it, or sets `path`. */
async function testSamePathOnFastify({ nest, create, claim, VitalsModule }) {
  await claim('a host that answers the same path itself: the start fails and names the path', async () => {
    const own = controller(nest, 'api/v1/health', { '': () => ({ own: true }) });
    const app = await create([VitalsModule.forRoot(options())], { metadata: { controllers: [own] } });
    await assert.rejects(app.listen(0, '127.0.0.1'), /already declared for route '\/api\/v1\/health'/);
    await app.close().catch(() => null);
  });
}

async function testExpressOnly({ nest, create, claim, VitalsModule }) {
  await claim('an instance mounted in another application', async () => {
    const app = await create([VitalsModule.forRoot(options())]);
    await app.init();
    const parent = adapterOf(nest, 'express');
    parent.getInstance().use('/sub', app.getHttpAdapter().getInstance());
    parent.initHttpServer({});
    const server = parent.getHttpServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    await isUp(server.address().port, `/sub${HEALTH}`);
    assert.equal((await ask(server.address().port, HEALTH)).status, 404);
    await new Promise((resolve) => server.close(resolve));
    await app.close();
  });
  await claim('a host that answers the same path itself: ours answers, at every URL of ours', async () => {
    const own = controller(nest, 'api/v1/health', { '': () => ({ own: true }), deep: () => ({ own: true }) });
    const app = await create([VitalsModule.forRoot(options())], { metadata: { controllers: [own] } });
    await listening(app, async (port) => {
      await isUp(port);
      assert.deepEqual((await ask(port, `${HEALTH}/deep`)).json(), { own: true });
    });
  });
}

function overHttp2(session, path) {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path });
    let status;
    let body = '';
    stream.on('response', (headers) => (status = headers[':status']));
    stream.setEncoding('utf8');
    stream.on('data', (chunk) => (body += chunk));
    stream.on('end', () => resolve({ status, body }));
    stream.on('error', reject);
    session.on('error', reject);
  });
}

function pair(folder) {
  return { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) };
}

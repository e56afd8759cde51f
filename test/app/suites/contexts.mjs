/**
 * Where an application is not simply created and listened to, and how the module is given its options.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { adapterOf, controller, decorate, injectable, moduleOf } from '../build.mjs';
import { ask } from '../client.mjs';
import { until } from '../tally.mjs';

const HEALTH = '/api/v1/health';

/** What every application here has: a check that can be switched, and readings often enough to see it soon. */
export function options(more = {}, flag = { isUp: true }) {
  const check = { check: () => flag.isUp, everyMs: 100, failAfter: 1, recoverAfter: 1 };
  return {
    everyMs: 200,
    eventLoop: false,
    resets: false,
    drain: false,
    checks: { switchable: check },
    ...more,
  };
}

export async function testContexts(nest, tally, { adapter, folder }) {
  const claim = (title, prove) => tally.claim(`${adapter} | ${title}`, prove);
  const create = (imports, { adapterOptions, metadata, ...more } = {}) =>
    nest.core.NestFactory.create(
      moduleOf(nest, { imports, ...metadata }),
      adapterOf(nest, adapter, adapterOptions),
      {
        logger: false,
        abortOnError: false,
        ...more,
      },
    );
  const { VitalsModule } = nest.vitals;
  const it = { nest, adapter, folder, create, claim, VitalsModule };

  await testServers(it);
  await testWays(it);
  await testMistakes(it);
  await testEnd(it);
  if (adapter === 'fastify') await testFastifyOnly(it);
  else await testExpressOnly(it);
}

/** Listens on the loopback, asks `use` what it wants to know, and closes. */
async function listening(app, use) {
  await app.listen(0, '127.0.0.1');
  try {
    return await use(app.getHttpServer().address().port, app);
  } finally {
    await app.close();
  }
}

async function isUp(to, path = HEALTH) {
  const { status, body } = await until(
    () => ask(to, path, { rejectUnauthorized: false }),
    (answer) => answer.status === 200,
    `200 from ${path}`,
  );
  assert.equal(JSON.parse(body).details.switchable.status, 'up', `200 at ${status}`);
}

async function testServers({ nest, adapter, folder, create, claim, VitalsModule }) {
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
      options: { host: '127.0.0.1', port: 0 },
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
        ['eventLoop', 'resets'],
      );
    });
  });
}

async function testWays({ nest, adapter, create, claim, VitalsModule }) {
  class Settings {
    flag = { isUp: true };
    createVitalsOptions() {
      return Promise.resolve(options({ path: '/from/class' }, this.flag));
    }
  }
  injectable(nest, Settings);
  const SettingsModule = moduleOf(nest, {
    providers: [Settings, { provide: 'PATH', useValue: '/from/token' }],
    exports: [Settings, 'PATH'],
  });
  const ways = {
    'useFactory with imports and inject': [
      {
        imports: [SettingsModule],
        inject: ['PATH', Settings],
        useFactory: (path, { flag }) => options({ path }, flag),
      },
      '/from/token',
    ],
    'useFactory that answers later': [
      { useFactory: () => Promise.resolve(options({ path: '/later' })) },
      '/later',
    ],
    'useFactory with an optional dependency': [
      {
        inject: [{ token: 'NOWHERE', optional: true }],
        useFactory: (nothing) => options({ path: nothing ?? '/optional' }),
      },
      '/optional',
    ],
    'useFactory with extra providers': [
      {
        extraProviders: [{ provide: 'EXTRA', useValue: '/extra' }],
        inject: ['EXTRA'],
        useFactory: (path) => options({ path }),
      },
      '/extra',
    ],
    useClass: [{ useClass: Settings }, '/from/class'],
    useExisting: [{ imports: [SettingsModule], useExisting: Settings }, '/from/class'],
  };
  for (const [name, [how, path]] of Object.entries(ways)) {
    await claim(`forRootAsync: ${name}`, async () => {
      const app = await create([VitalsModule.forRootAsync(how)]);
      await listening(app, (port) => isUp(port, path));
    });
  }
  await claim('VitalsService is injectable in a module that does not import ours', async () => {
    class Asking {
      constructor(vitals) {
        this.vitals = vitals;
      }
    }
    injectable(nest, Asking, nest.vitals.VitalsService);
    const app = await create([VitalsModule.forRoot(options()), moduleOf(nest, { providers: [Asking] })]);
    await listening(app, async () => {
      const { vitals } = app.get(Asking, { strict: false });
      assert.equal(vitals.snapshot.phase, 'running');
      const seen = [];
      vitals.transitions.subscribe(({ to }) => seen.push(to.cause?.code));
      vitals.maintenance(true);
      vitals.maintenance(false);
      assert.deepEqual(seen, ['MAINTENANCE', undefined]);
    });
  });
  await claim('the controller answers inside the host’s pipeline where nothing is mounted', async () => {
    const metadata = { controllers: [nest.vitals.VitalsController] };
    const app = await create([VitalsModule.forRoot(options({ mount: false }))], { metadata });
    app.setGlobalPrefix('inside');
    await listening(app, async (port) => {
      await isUp(port, '/inside/health');
      await isUp(port, '/inside/health/ready');
      assert.equal((await ask(port, '/inside/health/live')).status, 200);
      assert.equal((await ask(port, HEALTH)).status, 404);
    });
  });
  await claim('pools among the providers are found, those that are named are not doubled', async () => {
    const pool = {
      totalCount: 0,
      idleCount: 0,
      waitingCount: 0,
      options: { max: 1 },
      connect() {},
      on() {},
      query() {},
    };
    const app = await create([VitalsModule.forRoot(options({ pools: {} }))], {
      metadata: { providers: [{ provide: 'NOT_A_POOL', useValue: pool }] },
    });
    await listening(app, (port) => isUp(port));
  });
  void adapter;
}

async function testMistakes({ nest, create, claim, VitalsModule }) {
  const { VitalsOptionsError } = nest.vitals;
  const isOurs = (text) => (error) => error instanceof VitalsOptionsError && text.test(error.message);
  await claim('imported twice with different options: one error that says so', async () => {
    const twice = [
      VitalsModule.forRoot(options({ path: '/one' })),
      moduleOf(nest, { imports: [VitalsModule.forRoot(options({ path: '/two' }))] }),
    ];
    await assert.rejects(create(twice), isOurs(/imported once with options, got a second/));
  });
  await claim('the same dynamic module imported in two places is one', async () => {
    const ours = VitalsModule.forRoot(options());
    const app = await create([ours, moduleOf(nest, { imports: [ours] })]);
    await listening(app, (port) => isUp(port));
  });
  await claim('unusable options: one error at once, with every problem', () => {
    const bad = { pth: '/x', everyMs: 'often', checks: { vitals: () => true } };
    assert.throws(
      () => VitalsModule.forRoot(bad),
      isOurs(/2 problems[^]*pth is unknown[^]*"path"[^]*everyMs must be/),
    );
  });
  await claim(
    'unusable options from a factory: the application fails to start with the same error',
    async () => {
      await assert.rejects(
        create([VitalsModule.forRootAsync({ useFactory: () => ({ everyMs: -1 }) })]),
        isOurs(/everyMs must be a number of ms/),
      );
    },
  );
  await claim('forRootAsync with no way or two: an error at once', () => {
    assert.throws(
      () => VitalsModule.forRootAsync({}),
      isOurs(/one of useFactory, useClass and useExisting, got 0/),
    );
  });
}

async function testEnd({ nest, create, claim, VitalsModule }) {
  const { Socket } = nest.node;
  await claim('close() leaves no signal handler, no hook and no timer behind', async () => {
    const before = leftovers(Socket);
    for (let round = 0; round < 3; round++) {
      const app = await create([VitalsModule.forRoot(options({ drain: 3_000, resets: {}, eventLoop: {} }))]);
      await listening(app, async (port) => {
        await ask(port, '/nowhere');
        assert.ok(process.listenerCount('SIGTERM') > before.SIGTERM);
      });
    }
    assert.deepEqual(leftovers(Socket), before);
  });
  await claim('an application that failed to start leaves nothing behind', async () => {
    const before = leftovers(Socket);
    class Broken {
      onModuleInit() {
        throw new Error('the host’s own mistake');
      }
    }
    injectable(nest, Broken);
    const app = await create([VitalsModule.forRoot(options({ drain: 3_000, resets: {}, eventLoop: {} }))], {
      metadata: { providers: [Broken] },
    });
    await assert.rejects(app.listen(0, '127.0.0.1'), /the host’s own mistake/);
    assert.equal(leftovers(Socket).SIGTERM, before.SIGTERM);
    await app.close().catch(() => null);
    assert.deepEqual(leftovers(Socket), before);
  });
}

function leftovers(Socket) {
  return {
    SIGTERM: process.listenerCount('SIGTERM'),
    exceptions: process.listenerCount('uncaughtException'),
    destroy: Socket.prototype._destroy,
    connect: Socket.prototype.connect,
  };
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
  void decorate;
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

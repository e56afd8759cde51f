/**
 * How the module is given its options, what it says of mistakes, and what it leaves behind.
 */
import assert from 'node:assert/strict';
import { injectable, moduleOf } from '../build.mjs';
import { ask } from '../client.mjs';
import { creator, HEALTH, isUp, listening, options } from './context.mjs';

export async function testWiring(nest, tally, { adapter }) {
  const claim = (title, prove) => tally.claim(`${adapter} | ${title}`, prove);
  const it = { nest, claim, create: creator(nest, adapter), VitalsModule: nest.vitals.VitalsModule };
  await testWays(it);
  await testMistakes(it);
  await testEnd(it);
}

async function testWays({ nest, create, claim, VitalsModule }) {
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
      isOurs(/3 problems[^]*pth is unknown[^]*"path"[^]*everyMs must be[^]*"vitals" is/),
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

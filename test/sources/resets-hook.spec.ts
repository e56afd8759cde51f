import { channel } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { installResetHook, ResetSource, uninstallResetHook } from '../../lib/sources/resets.js';
import { child, compiled, errorOf, listening } from './resets-peers.js';

const prototype = net.Socket.prototype;
const pristine = { connect: prototype.connect, _destroy: prototype._destroy };
const CHANNELS = ['net.server.socket', 'http.client.request.error'];

const isPristine = (): boolean =>
  prototype.connect === pristine.connect &&
  prototype._destroy === pristine._destroy &&
  Object.getOwnPropertySymbols(prototype).every(
    (symbol) => symbol.description !== 'nestjs-vitals.resets@2',
  ) &&
  CHANNELS.every((name) => !channel(name).hasSubscribers);

/** One outbound connection that is reset. */
async function resetOnce(): Promise<void> {
  const server = net.createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const port = await listening(server);
  await errorOf(
    net.connect(port, '127.0.0.1', function (this: net.Socket) {
      this.write('x');
    }),
  );
  server.close();
}

function totalOf(source: ResetSource): number {
  return source.sample(performance.now()).total;
}

describe('the hook in one process', () => {
  beforeEach(() => expect(isPristine()).toBe(true));
  afterEach(() => {
    prototype.connect = pristine.connect;
    prototype._destroy = pristine._destroy;
  });

  it('is gone without a trace when uninstalled', () => {
    installResetHook();
    expect(prototype.connect).not.toBe(pristine.connect);
    expect(prototype._destroy).not.toBe(pristine._destroy);
    expect(CHANNELS.every((name) => channel(name).hasSubscribers)).toBe(true);
    uninstallResetHook();
    expect(isPristine()).toBe(true);
  });

  it('leaves the shape of what it replaces as it was', () => {
    const before = Object.getOwnPropertyDescriptors(prototype);
    const keys = Object.keys(prototype);
    installResetHook();
    expect(Object.keys(prototype)).toEqual(keys);
    for (const name of ['connect', '_destroy'] as const) {
      const { value, ...flags } = before[name];
      expect(Object.getOwnPropertyDescriptor(prototype, name)).toMatchObject(flags);
      expect(prototype[name]).toHaveLength(value!.length);
    }
    uninstallResetHook();
  });

  it('is installed once, however often it is asked for, and uninstalled at once', () => {
    installResetHook();
    const ours = prototype._destroy;
    installResetHook();
    expect(prototype._destroy).toBe(ours);
    uninstallResetHook();
    expect(isPristine()).toBe(true);
    uninstallResetHook();
    expect(isPristine()).toBe(true);
  });

  it('stays as long as an open source needs it, and goes with the last one', () => {
    installResetHook();
    const [one, two] = [new ResetSource({ windowMs: 1_000 }), new ResetSource({ windowMs: 1_000 })];
    uninstallResetHook();
    one.close();
    one.close();
    expect(prototype._destroy).not.toBe(pristine._destroy);
    two.close();
    expect(isPristine()).toBe(true);
  });

  it('counts once when a second copy of the package installs it too', async () => {
    await jest.isolateModulesAsync(async () => {
      const copy =
        (await import('../../lib/sources/resets.js')) as typeof import('../../lib/sources/resets.js');
      expect(copy.ResetSource).not.toBe(ResetSource);
      const [ours, theirs] = [
        new ResetSource({ windowMs: 60_000 }),
        new copy.ResetSource({ windowMs: 60_000 }),
      ];
      await resetOnce();
      expect([totalOf(ours), totalOf(theirs)]).toEqual([1, 1]);
      ours.close();
      await resetOnce();
      expect(totalOf(theirs)).toBe(2);
      theirs.close();
    });
    expect(isPristine()).toBe(true);
  });

  it('under a wrapper of another library it stops counting when uninstalled, and counts once when installed again', async () => {
    const first = new ResetSource({ windowMs: 60_000 });
    const below = prototype._destroy;
    const wrapper: typeof below = function (this: net.Socket, error, callback) {
      below.call(this, error, callback);
    };
    prototype._destroy = wrapper;
    first.close();
    expect(prototype._destroy).toBe(wrapper);
    await resetOnce();
    expect(totalOf(first)).toBe(0);
    const second = new ResetSource({ windowMs: 60_000 });
    expect(prototype._destroy).toBe(wrapper);
    await resetOnce();
    expect(totalOf(second)).toBe(1);
    prototype._destroy = below;
    second.close();
    expect(isPristine()).toBe(true);
  });

  it('hooks again when another library has put the old methods back meanwhile', async () => {
    const first = new ResetSource({ windowMs: 60_000 });
    const below = prototype._destroy;
    prototype._destroy = function (this: net.Socket, error, callback) {
      below.call(this, error, callback);
    };
    first.close();
    prototype._destroy = pristine._destroy;
    const second = new ResetSource({ windowMs: 60_000 });
    await resetOnce();
    expect(totalOf(second)).toBe(1);
    second.close();
    expect(isPristine()).toBe(true);
  });

  it('passes on the arguments, the result and what is thrown', () => {
    const calls: unknown[][] = [];
    const thrown = new Error('thrown by the connect below');
    prototype.connect = function (this: net.Socket, ...args: unknown[]) {
      calls.push([this, ...args]);
      if (args[0] === 'throw') throw thrown;
      return this;
    } as typeof prototype.connect;
    const replaced = prototype.connect;
    installResetHook();
    const socket = new net.Socket();
    const trap = {
      get host(): string {
        throw new Error('not for us');
      },
    };
    expect(socket.connect(trap as never)).toBe(socket);
    expect(() => socket.connect('throw')).toThrow(thrown);
    expect(calls).toEqual([
      [socket, trap],
      [socket, 'throw'],
    ]);
    uninstallResetHook();
    expect(prototype.connect).toBe(replaced);
  });

  it('keeps a hostile error object away from the socket', async () => {
    installResetHook();
    const hostile = new Proxy(new Error('hostile'), {
      get: (target, key, self) => {
        if (key === 'errno') throw new Error('trap');
        return Reflect.get(target, key, self) as unknown;
      },
    });
    expect(await errorOf(new net.Socket().destroy(hostile))).toBe(hostile);
    uninstallResetHook();
  });

  it('puts no listener on a socket, and no property but the note Node takes of who called', async () => {
    const shape = async (): Promise<unknown> => {
      const server = net.createServer();
      const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
      const port = await listening(server);
      const client = net.connect(port, '127.0.0.1');
      await new Promise((connected) => client.once('connect', connected));
      const shapes = [client, await accepted].map((socket) => ({
        events: socket.eventNames(),
        errorListeners: socket.listenerCount('error'),
        own: Reflect.ownKeys(socket).filter((key) => key !== '_peername'),
      }));
      (await accepted).destroy();
      client.destroy();
      server.close();
      return shapes;
    };
    const without = await shape();
    installResetHook();
    expect(await shape()).toEqual(without);
    uninstallResetHook();
  });
});

describe('the hook in a process of its own', () => {
  let folder: string;
  let cjs: string;
  let esm: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'resets-hook-'));
    cjs = compiled(join(folder, 'cjs'), 'commonjs');
    esm = compiled(join(folder, 'esm'), 'es6');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function script(name: string, code: string): string {
    const file = join(folder, name);
    writeFileSync(file, code);
    return file;
  }

  const registers = (): string[][] => [
    ['-r', join(cjs, 'register.js')],
    ['--import', join(esm, 'register.js')],
    ['-r', join(cjs, 'register.js'), '--import', join(esm, 'register.js')],
  ];

  it.each([
    ['an outbound reset nobody handles', 'reset', 1],
    ['a refused connection nobody handles', 'refused', 1],
    ['an inbound reset nobody handles', 'inbound', 1],
    ['a request reset that nobody handles', 'request', 1],
    ['a process that handles all of them', 'handled', 0],
  ])(
    'changes neither message nor exit code nor listeners: %s',
    async (_what, scenario, code) => {
      const file = script('crash.cjs', CRASH);
      const without = await child(file, scenario);
      expect(without).toMatchObject({ code, signal: null });
      expect(without.stdout).toContain('listeners');
      for (const register of registers()) expect(await child(...register, file, scenario)).toEqual(without);
    },
    60_000,
  );

  it('does not keep a process alive, with a source open as well', async () => {
    const file = script(
      'end.cjs',
      `new (require('./cjs/sources/resets.js').ResetSource)({ windowMs: 60000 });`,
    );
    for (const register of registers()) {
      expect(await child(...register, file)).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    }
  }, 60_000);

  it('counts a reset once with both module formats loaded, and registered before', async () => {
    const file = script('both.cjs', BOTH);
    for (const register of [[], ...registers()]) {
      const { stdout, stderr } = await child(...register, file);
      expect({ stdout, stderr }).toEqual({ stdout: '[1,1]\n', stderr: '' });
    }
  }, 60_000);

  it('is installed by the register entry, which loads nothing but the hook', async () => {
    const code = `
      const hooked = Object.getOwnPropertySymbols(require('node:net').Socket.prototype).map(String);
      console.log(JSON.stringify([hooked.includes('Symbol(nestjs-vitals.resets@2)'),
        Object.keys(require.cache).map((file) => require('node:path').basename(file)).sort()]));`;
    const { stdout } = await child('-r', join(cjs, 'register.js'), script('loaded.cjs', code));
    expect(JSON.parse(stdout)).toEqual([
      true,
      [
        'loaded.cjs',
        'register.js',
        'reset-activity.js',
        'reset-hook.js',
        'reset-ledger.js',
        'reset-origins.js',
        'reset-outcome.js',
      ],
    ]);
  });
});

/** Ends as the host would have it end; everything it prints is the same in every run but for the port. */
const CRASH = `
const net = require('node:net');
const http = require('node:http');
const scenario = process.argv[2];
const sockets = [];
process.on('exit', (code) => {
  for (const s of sockets) console.log('listeners', s.eventNames().map(String).join(), s.listenerCount('error'));
  console.log('exit', code, process.listenerCount('uncaughtException'), process.listenerCount('unhandledRejection'));
});
const server = net.createServer((socket) => {
  if (scenario === 'inbound') return sockets.push(socket), socket.resume();
  socket.once('data', () => socket.resetAndDestroy());
});
const listen = (then) => server.listen(0, '127.0.0.1', () => then(server.address().port));
const outbound = (port) => {
  const socket = net.connect(port, '127.0.0.1', () => socket.write('x'));
  sockets.push(socket);
  return socket;
};
const acts = {
  reset: () => listen(outbound),
  refused: () => sockets.push(net.connect(1, '127.0.0.1')),
  inbound: () => listen((port) => {
    const socket = net.connect(port, '127.0.0.1', () => setTimeout(() => socket.resetAndDestroy(), 50));
  }),
  request: () => listen((port) => http.get({ port, host: '127.0.0.1' }).on('socket', (s) => sockets.push(s))),
  handled: () => listen((port) => {
    outbound(port).on('error', (e) => console.log(e.message)).on('close', (had) => {
      console.log('close', had);
      http.get({ port, host: '127.0.0.1' }).on('error', (e) => { console.log(e.message); server.close(); });
    });
  }),
};
acts[scenario]();
`;

const BOTH = `
const net = require('node:net');
const server = net.createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
import('./esm/sources/resets.js').then(({ ResetSource }) => {
  const copies = [ResetSource, require('./cjs/sources/resets.js').ResetSource];
  const sources = copies.map((Source) => new Source({ windowMs: 60000 }));
  server.listen(0, '127.0.0.1', () => {
    const socket = net.connect(server.address().port, '127.0.0.1', () => socket.write('x'));
    socket.on('error', () => {}).on('close', () => {
      console.log(JSON.stringify(sources.map((source) => source.sample(performance.now()).total)));
      server.close();
    });
  });
});
`;

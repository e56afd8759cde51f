/**
 * `--restart-after`: the probe ends the process that has the port, where nothing inside it does. With whole processes,
 * and the binary of this machine. Needs the build in dist/.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { endAll, Host, PID_1, QUICK, until } from '../watchdog/host.js';
import { IMPLEMENTATIONS, runCommand, runnable, type RunOptions } from './implementations.js';

jest.setTimeout(60_000);

const { name, command, missing } = IMPLEMENTATIONS.find((one) => one.name.endsWith(', here')) ?? {
  name: 'of this machine',
  command: () => [],
  missing: 'there is no binary for it',
};
const test = runnable(`the probe (${name})`, missing);
const asRoot = runnable('what takes two users', process.getuid?.() === 0 ? missing : 'it needs root');
const UNWATCHED = { ...QUICK, watchdog: false };
const FLAGS = ['--restart-after', '2', '--timeout-ms', '400'];
const SILENT = 'unhealthy: silent: {where} accepted and sent nothing (event loop blocked?) (T ms)';

const children: ChildProcess[] = [];
const servers: Server[] = [];
afterEach(() => {
  endAll();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const server of servers.splice(0)) server.close();
});

/** The line of one check, with the port and the time left out. */
async function check(port: string, flags = FLAGS, before: readonly string[] = [], options: RunOptions = {}) {
  const url = `http://127.0.0.1:${port}/api/v1/health`;
  const { stdout, stderr, code } = await runCommand([...before, ...command(), url, ...flags], options);
  const line = (stdout + stderr)
    .trim()
    .replace(`127.0.0.1:${port}`, '{where}')
    .replace(/\(\d+ ms\)/, '(T ms)');
  return { line, code };
}

async function portOf(host: Host): Promise<string> {
  await host.up();
  return (await host.says(/listening (\d+)/))[1]!;
}

/** The only child of a process. */
const childOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1'));

/** A service that says `status` in its header, and holds the socket beside it; SIGTERM makes it say `ending`. */
async function serviceThatSays(
  status: string,
  ending = status,
): Promise<{ child: ChildProcess; port: string }> {
  const code = `
    let said = ${JSON.stringify(status)};
    const server = require('http').createServer((_, response) => {
      response.writeHead(said.startsWith('ok') ? 200 : 503, { 'X-Health-Status': said }).end();
    }).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      require('net').createServer((socket) => socket.destroy()).listen('\\0nestjs-vitals-' + port, () => console.log(port));
    });
    process.on('SIGTERM', () => { said = ${JSON.stringify(ending)}; console.log('told'); });`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [port] = (await once(child.stdout!, 'data')) as [Buffer];
  return { child, port: String(port).trim() };
}

describe('a blocked service without a watchdog', () => {
  test.each(['loop', 'wait', 'exec'])('is asked to end, then killed: %s', async (hang) => {
    const host = new Host(UNWATCHED);
    const port = await portOf(host);
    expect((await check(port)).line).toBe('healthy: 200 ok (T ms)');
    host.tell(hang);
    const lines: string[] = [];
    await until(
      async () => {
        const { line } = await check(port);
        if (line.startsWith('unhealthy')) lines.push(line);
        return host.hasEnded;
      },
      () => lines.join('\n'),
    );
    expect(lines.slice(0, 3)).toEqual([
      `${SILENT}; ill 1 times in a row`,
      `${SILENT}; sent SIGTERM to process ${host.pid}`,
      `${SILENT}; sent SIGKILL to process ${host.pid}`,
    ]);
    expect(await host.end()).toBe('SIGKILL');
  });

  test.each(['loop', 'wait'])('is killed as process 1, too: %s', async (hang) => {
    const host = new Host(UNWATCHED, { command: PID_1 });
    const port = await portOf(host);
    const user = process.getuid!() === 0 ? [] : ['-U', '--preserve-credentials'];
    const inside = ['nsenter', '-t', String(childOf(host.pid)), ...user, '-p', '-m'];
    host.tell(hang);
    const lines: string[] = [];
    await until(
      async () => {
        if (!host.hasEnded) lines.push((await check(port, FLAGS, inside)).line);
        return host.hasEnded;
      },
      () => lines.join('\n'),
    );
    expect(lines).toContain(`${SILENT}; sent SIGTERM to process 1`);
    expect(lines).toContain(`${SILENT}; sent SIGKILL to process 1`);
  });

  test('that answers again begins at one the next time', async () => {
    // We look more often than Docker does: what the loop says of its last seconds must not count.
    const options = { ...UNWATCHED, eventLoop: { ...QUICK.eventLoop, restartAfterMs: 60_000 } };
    const host = new Host(options, { env: { PAUSE_MS: '2500' } });
    const port = await portOf(host);
    const patient = ['--restart-after', '9', '--timeout-ms', '400'];
    for (let round = 0; round < 2; round++) {
      host.tell('pause');
      const ill = await until(
        async () => {
          const seen = await check(port, patient);
          return seen.code === 1 ? seen : null;
        },
        () => 'it was never blocked',
      );
      expect(ill.line).toBe(`${SILENT}; ill 1 times in a row`);
      const lines: string[] = [];
      await until(
        async () => {
          const { code, line } = await check(port, patient);
          lines.push(line);
          return code === 0 || null;
        },
        () => `it stayed blocked: ${lines.slice(-20).join('\n')}`,
      );
    }
    expect(host.hasEnded).toBe(false);
  });
});

describe('a service that answers', () => {
  test('is ended when it says that a restart would cure it, even if it ends too slowly', async () => {
    const { child, port } = await serviceThatSays('error; main=POOL_WEDGED; remedy=restart', 'shutting_down');
    const said = 'unhealthy: 503 error main=POOL_WEDGED remedy=restart (T ms)';
    expect((await check(port)).line).toBe(`${said}; ill 1 times in a row`);
    const told = once(child.stdout!, 'data');
    expect((await check(port)).line).toBe(`${said}; sent SIGTERM to process ${child.pid}`);
    await told;
    const ended = once(child, 'exit');
    expect((await check(port)).line).toBe(
      `unhealthy: 503 shutting_down (T ms); sent SIGKILL to process ${child.pid}`,
    );
    expect((await ended)[1]).toBe('SIGKILL');
  });

  test.each([
    'error; db=DB_UNREACHABLE',
    'error; vitals=STARTING',
    'shutting_down',
    'error; main=POOL_STARVED; remedy=drain',
  ])('is left alone when it says no more than "%s"', async (status) => {
    const { child, port } = await serviceThatSays(status);
    for (let i = 0; i < 5; i++) {
      const { line, code } = await check(port);
      expect(code).toBe(1);
      expect(line).toBe(`unhealthy: 503 ${status.replaceAll(';', '')} (T ms)`);
    }
    expect(child.exitCode ?? child.signalCode).toBe(null);
  });

  test('is left alone while its own guards forbid a restart', async () => {
    const { child, port } = await serviceThatSays('error; main=POOL_WEDGED; remedy=restart; refused');
    for (let i = 0; i < 4; i++)
      expect((await check(port)).line).toBe(
        'unhealthy: 503 error main=POOL_WEDGED remedy=restart refused (T ms)',
      );
    expect(child.exitCode ?? child.signalCode).toBe(null);
  });

  test('is not killed, once asked to end, for what a restart would not cure, and begins at one after it', async () => {
    const wedged = 'error; main=POOL_WEDGED; remedy=restart';
    const { child, port } = await serviceThatSays(wedged, 'error; main=DB_UNREACHABLE');
    await check(port);
    const told = once(child.stdout!, 'data');
    expect((await check(port)).line).toContain(`sent SIGTERM to process ${child.pid}`);
    await told;
    for (let i = 0; i < 3; i++)
      expect((await check(port)).line).toBe('unhealthy: 503 error main=DB_UNREACHABLE (T ms)');
    expect(child.exitCode ?? child.signalCode).toBe(null);
  });

  test('begins at one whatever limit of locks it was given', async () => {
    const { child, port } = await serviceThatSays('error; main=POOL_WEDGED; remedy=restart');
    execFileSync('prlimit', ['--pid', String(child.pid), '--locks=64:']);
    expect((await check(port)).line).toContain('; ill 1 times in a row');
  });

  test('is never ended without the flag', async () => {
    const { child, port } = await serviceThatSays('error; main=POOL_WEDGED; remedy=restart');
    for (let i = 0; i < 5; i++)
      expect((await check(port, [])).line).toBe(
        'unhealthy: 503 error main=POOL_WEDGED remedy=restart (T ms)',
      );
    expect(child.exitCode ?? child.signalCode).toBe(null);
  });

  asRoot('of another user is not ended, and that is said', async () => {
    const { child, port } = await serviceThatSays('error; main=POOL_WEDGED; remedy=restart');
    const { line } = await check(port, FLAGS, [], { uid: 65_534 });
    expect(line).toBe(
      `unhealthy: 503 error main=POOL_WEDGED remedy=restart (T ms); may not end process ${child.pid}`,
    );
  });
});

test('a silent service is left alone where the thread beside it says that the loop runs', async () => {
  const code = `
    const ignore = () => {};
    const server = require('net').createServer((socket) => socket.on('error', ignore).resume()).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      require('net').createServer((socket) => socket.on('error', ignore).on('data', () => socket.end('HTTP/1.1 200 OK\\r\\nX-Health-Status: ok\\r\\n\\r\\n')))
        .listen('\\0nestjs-vitals-' + port, () => console.log(port));
    });`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [port] = (await once(child.stdout!, 'data')) as [Buffer];
  for (let i = 0; i < 4; i++) expect((await check(String(port).trim())).line).toBe(SILENT);
  expect(child.exitCode ?? child.signalCode).toBe(null);
});

test('nobody is ended by a socket that is no port', async () => {
  const server = createServer((socket) => socket.resume()).listen(`/tmp/vitals-restart-${process.pid}.sock`);
  servers.push(server);
  await once(server, 'listening');
  const url = `unix:/tmp/vitals-restart-${process.pid}.sock`;
  const { stdout } = await runCommand([...command(), url, ...FLAGS]);
  expect(stdout).toContain('accepted and sent nothing');
  expect(stdout).toContain('; whom to end is not known');
});

test('nobody is ended where the kernel does not know whose service it is', async () => {
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  for (let i = 0; i < 4; i++)
    expect((await check(String(port))).line).toBe(`${SILENT}; whom to end is not known`);
});

it('is not taken by the probe in JavaScript, which says where it is', async () => {
  const { command: script } = IMPLEMENTATIONS.find((one) => one.name === 'JavaScript')!;
  expect(await runCommand([...script(), '/x', '--restart-after', '3'])).toMatchObject({
    code: 1,
    stdout: '',
    stderr: 'cannot ask: --restart-after needs the binary (npx --no vitals install DEST), got "3"\n',
  });
});

describe('the second socket of a service', () => {
  test('answers what the first one would, and is gone with the application', async () => {
    const host = await new Host({ watchdog: false }).up();
    expect((await host.ask()).body).toMatchObject({ status: 'ok' });
    expect(await host.ask('/api/v1/health/live')).toMatchObject({ status: 200, said: 'ok' });
    host.tell('run void app.close(); setTimeout(() => console.log("closed"), 500); return 1');
    await host.says('closed');
    await expect(host.ask()).rejects.toThrow(/ECONNREFUSED|ENOENT/);
  });

  test('does not keep the process alive', async () => {
    const host = await new Host({ watchdog: false }).up();
    host.tell('run app.getHttpServer().unref(); return 1');
    await host.says('ran 1');
    host.tell('leave');
    expect(await host.end()).toBe(0);
  });

  test('is taken over by the service when its watchdog has ended twice', async () => {
    const BEFORE = `const threads = require('worker_threads'); const { Worker } = threads; globalThis.made = [];
      threads.Worker = class extends Worker { constructor(...given) { super(...given); made.push(this); } };`;
    const host = await new Host(QUICK, { env: { BEFORE } }).up();
    host.tell('run void made[0].terminate()');
    await host.says('the watchdog starts once more');
    host.tell('run void made[1].terminate()');
    await host.says('no watchdog any more');
    expect((await host.reply(({ status }) => status === 200)).body).toMatchObject({ status: 'ok' });
  });
});

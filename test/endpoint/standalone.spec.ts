import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { get, type Server } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Answers } from '../../lib/endpoint/answers.js';
import { Endpoint } from '../../lib/endpoint/mount.js';
import { serveStandalone } from '../../lib/endpoint/standalone.js';
import type { StandaloneOptions } from '../../lib/options.js';
import { run } from '../verdict/child.js';
import { finding, snapshotOf } from '../verdict/make.js';

// Real timers and processes on a machine that may be busy.
jest.setTimeout(30_000);

const snapshot = snapshotOf([{ seen: finding() }]);
const endpoint = new Endpoint('/h', { snapshot, phase: 'running' }, new Answers('codes', 1_000), 'codes');
const servers: Server[] = [];
const folder = mkdtempSync(join(tmpdir(), 'vitals-alone-'));

afterEach(() => servers.splice(0).forEach((server) => server.close()));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function serve(
  options: StandaloneOptions,
): Promise<{ address: string | null; error: Error | null; server: Server }> {
  return new Promise((resolve) => {
    const server = serveStandalone(options, endpoint, (address, error) =>
      resolve({ address, error, server }),
    );
    servers.push(server);
  });
}

async function ask(where: { port: number } | { socketPath: string }, path: string) {
  const [response] = (await once(
    get({ ...where, host: '127.0.0.1', path, agent: false }),
    'response',
  )) as any;
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode as number, body };
}

describe('serveStandalone', () => {
  it('answers its paths on a port of its own and 404 elsewhere, naming the path', async () => {
    const { address, server } = await serve({ port: 0, host: '127.0.0.1' });
    const { port } = server.address() as AddressInfo;
    expect(address).toBe(`127.0.0.1:${port}`);
    expect((await ask({ port }, '/h/ready')).status).toBe(200);
    expect(await ask({ port }, '/')).toEqual({
      status: 404,
      body: 'not found: the health endpoint answers at /h\n',
    });
  });

  it('answers on a socket in the file system', async () => {
    const socketPath = join(folder, 'a.sock');
    expect(await serve({ socketPath })).toMatchObject({ address: socketPath, error: null });
    expect(existsSync(socketPath)).toBe(true);
    expect((await ask({ socketPath }, '/h')).status).toBe(200);
  });

  it('reports a port in use and does not throw', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { address, error } = await serve({ port, host: '127.0.0.1' });
    expect(address).toBeNull();
    expect(error).toMatchObject({ code: 'EADDRINUSE' });
    taken.close();
  });

  it('takes over a socket that a killed process left behind, and not one that is served', async () => {
    const socketPath = join(folder, 'left.sock');
    await run(
      `require('node:net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'));`,
    );
    expect(existsSync(socketPath)).toBe(true);
    expect(await serve({ socketPath })).toMatchObject({ error: null });
    expect((await serve({ socketPath })).error).toMatchObject({ code: 'EADDRINUSE' });
  });

  const script = (then: string): string => `
    const { Answers } = lib('endpoint/answers.js');
    const { Endpoint } = lib('endpoint/mount.js');
    const { serveStandalone } = lib('endpoint/standalone.js');
    const told = { phase: 'running', snapshot: {
      status: 'ok', phase: 'running', cause: null, remedy: 'none', details: [], takenAt: 0, uptimeMs: 0,
    } };
    const endpoint = new Endpoint('/h', told, new Answers('codes', 1000), 'codes');
    const server = serveStandalone({ port: 0, host: '127.0.0.1' }, endpoint, (address, error) => {
      const { port } = server.address();
      ${then}
    });
    setTimeout(() => {}, 500);`;

  it('does not keep the process alive', async () => {
    expect(await run(script(`console.log('listens');`))).toEqual({ code: 0, output: 'listens\n' });
  });

  it('does not keep the process alive while a caller holds a connection', async () => {
    const ended = await run(
      script(`
        const { Worker } = require('node:worker_threads');
        new Worker("require('node:net').connect(" + port + ", '127.0.0.1'); setInterval(() => {}, 1000)", { eval: true }).unref();
        server.once('connection', () => console.log('held'));`),
      8_000,
    );
    expect(ended).toEqual({ code: 0, output: 'held\n' });
  });

  it('closes with the application, signal or no signal', async () => {
    const { output } = await run(`
      const { Module } = require('@nestjs/common');
      const { NestFactory } = require('@nestjs/core');
      require('reflect-metadata');
      const { VitalsModule } = lib('index.js');
      const socketPath = ${JSON.stringify(join(folder, 'app.sock'))};
      class App {}
      Module({ imports: [VitalsModule.forRoot({ standalone: { socketPath } })] })(App);
      (async () => {
        const app = await NestFactory.createApplicationContext(App, { logger: false });
        await app.close();
        require('node:net').connect(socketPath).on('connect', () => console.log('still there') || process.exit())
          .on('error', ({ code }) => console.log(code));
      })();`);
    expect(output.trim()).toMatch(/^(ENOENT|ECONNREFUSED)$/);
  });
});

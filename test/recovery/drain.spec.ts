/**
 * Draining is about a whole process and its signals, so a whole process is drained: on every Nest that is installed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');
const APP = join(__dirname, 'drain-app.cjs');
const DRAIN_MS = 1_000;

/** The repository's own Nest with the build in dist/, and those that the app matrix has installed with the tarball. */
const NESTS = [
  { name: 'the Nest of the repository', cwd: ROOT, vitals: join(ROOT, 'dist', 'cjs') },
  ...['nest10', 'nest12'].map((name) => ({
    name,
    cwd: join(ROOT, '.cache', 'app', name),
    vitals: 'nestjs-vitals',
  })),
].filter(({ name, cwd }) => {
  if (existsSync(join(cwd, 'node_modules'))) return true;
  if (process.env['CI'] === 'true') throw new Error(`${name} is not installed in ${cwd}`);
  console.warn(`drain: ${name} is skipped, it is not installed in ${cwd} (the app matrix installs it)`);
  return false;
});

interface Seen {
  readonly status: number | null;
  readonly connection: string | undefined;
  readonly body: string;
}

class Host {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    readonly output: () => string,
  ) {}

  static async start(nest: (typeof NESTS)[number], env: Record<string, string>): Promise<Host> {
    const child = spawn(process.execPath, [APP], {
      cwd: nest.cwd,
      env: { ...process.env, DRAIN: String(DRAIN_MS), VITALS: nest.vitals, ...env },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)));
    child.stderr.on('data', (chunk: Buffer) => (output += String(chunk)));
    await until(
      () => /listening \d+/.test(output) || child.exitCode !== null,
      () => output,
    );
    return new Host(child, Number(/listening (\d+)/.exec(output)?.[1]), () => output);
  }

  get(path: string): Promise<Seen> {
    return new Promise((resolve) => {
      const nothing = { status: null, connection: undefined, body: '' };
      const call = request({ port: this.port, host: '127.0.0.1', path }, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += String(chunk)));
        response.on('error', () => resolve(nothing));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? null, connection: response.headers.connection, body });
        });
      });
      call.on('error', () => resolve(nothing));
      call.end();
    });
  }

  signal(): void {
    this.child.kill('SIGTERM');
  }

  write(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  async exit(): Promise<{ code: number | null; signal: string | null }> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

async function until(isTrue: () => boolean, explain: () => string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`it did not happen within 20 s: ${explain()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const HANDLERS = [
  { handlers: 'none', end: { code: null, signal: 'SIGTERM' } },
  { handlers: 'hooks', end: { code: null, signal: 'SIGTERM' } },
  { handlers: 'own', end: { code: 0, signal: null } },
  { handlers: 'once', end: { code: 0, signal: null } },
  { handlers: 'both', end: { code: 0, signal: null } },
];

describe.each(NESTS)('a SIGTERM on $name', (nest) => {
  const cases = ['express', 'fastify'].flatMap((adapter) => HANDLERS.map((one) => ({ adapter, ...one })));
  it.each(cases)(
    '$adapter, handlers $handlers: says no first, serves on, then ends as the host would',
    async (one) => {
      const host = await Host.start(nest, { ADAPTER: one.adapter, HANDLERS: one.handlers });
      try {
        expect(await host.get('/api/v1/health/ready')).toMatchObject({
          status: 200,
          connection: 'keep-alive',
        });
        host.signal();
        const rounds: { ready: Seen; live: Seen; work: Seen }[] = [];
        for (let isServed = true; isServed;) {
          const [ready, live, work] = await Promise.all([
            host.get('/api/v1/health/ready'),
            host.get('/api/v1/health/live'),
            host.get('/work'),
          ]);
          isServed = work.status !== null;
          if (isServed) rounds.push({ ready, live, work });
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        expect(await host.exit()).toEqual(one.end);
        const draining = rounds.slice(rounds.findIndex(({ ready }) => ready.status === 503));
        expect(draining.length).toBeGreaterThan(3);
        expect(JSON.parse(draining[0]!.ready.body)).toMatchObject({
          status: 'shutting_down',
          phase: 'draining',
        });
        for (const { ready, live, work } of draining.slice(0, -1)) {
          expect(ready).toMatchObject({ status: 503, connection: 'close' });
          expect(live).toMatchObject({ status: 200, connection: 'close' });
          expect(work).toMatchObject({ status: 200, connection: 'close', body: 'done' });
        }
        expect(rounds.map(({ work }) => work.status)).not.toContain(500);
      } finally {
        host.kill();
      }
    },
    30_000,
  );
});

describe('app.close() without a signal', () => {
  const nest = NESTS[0]!;

  it('drains as well when somebody has asked for readiness over the network', async () => {
    const host = await Host.start(nest, { CLOSE: 'command' });
    try {
      await host.get('/api/v1/health/ready');
      host.write('close');
      let ready = await host.get('/api/v1/health/ready');
      const deadline = Date.now() + 5_000;
      while (ready.status === 200 && Date.now() < deadline) ready = await host.get('/api/v1/health/ready');
      expect(ready).toMatchObject({ status: 503, connection: 'close' });
      expect(await host.get('/work')).toMatchObject({ status: 200 });
      expect(host.output()).not.toContain('destroyed');
      await until(() => host.output().includes('closed'), host.output);
    } finally {
      host.kill();
    }
  }, 30_000);

  it('does not wait when nobody watches, so that tests stay fast', async () => {
    const host = await Host.start(nest, { CLOSE: 'command', DRAIN: '600000' });
    try {
      host.write('close');
      await until(() => host.output().includes('closed'), host.output);
      expect(host.output()).toContain('destroyed');
    } finally {
      host.kill();
    }
  }, 30_000);
});

/** What is no hang, and what the watchdog must not do to its host. Needs the build in dist/. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { endAll, ENDS, Host, QUICK, ROOT, until } from './host.js';

jest.setTimeout(90_000);

let folder: string;
const children: ChildProcess[] = [];
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'watchdog-'))));
afterEach(() => {
  endAll();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const ENDED = (): object => ({
  ...QUICK,
  recovery: ENDS,
  incidents: { directory: join(folder, 'incidents') },
});
const THREADS = `require('fs').readdirSync('/proc/self/task').length`;

/** So many more readings are taken as fit into this long: what was to happen in it has happened. */
async function passed(host: Host, ms: number): Promise<void> {
  const from = Date.now();
  await until(
    async () => Date.now() - from >= ms || host.hasEnded || null,
    () => '',
  );
}

describe('it is no hang', () => {
  it('to be stopped for four seconds', async () => {
    const host = await new Host(ENDED()).up();
    for (let i = 0; i < 2; i++) {
      host.kill('SIGSTOP');
      await passed(host, 4_000);
      host.kill('SIGCONT');
      await passed(host, 700);
      expect(host.hasEnded).toBe(false);
      expect((await host.ask()).body).not.toHaveProperty('blocked');
    }
    expect(host.output).not.toMatch(/ending this process|last blocked/);
  });

  it('to get next to no CPU beside others that want it all', async () => {
    const host = await new Host(ENDED(), { command: ['taskset', '0x1', 'chrt', '--idle', '0'] }).up();
    for (let i = 0; i < 3; i++)
      children.push(spawn('taskset', ['0x1', process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' }));
    await passed(host, 8_000);
    expect(host.hasEnded).toBe(false);
    expect(host.output).not.toMatch(/ending this process|last blocked/);
  });

  const CGROUP = `/sys/fs/cgroup/cpu/vitals-${process.pid}`;
  it('to be throttled to 5 % of a CPU', async () => {
    try {
      mkdirSync(CGROUP);
    } catch {
      return console.warn('skipped: no CPU group can be made here');
    }
    try {
      const host = await new Host(ENDED()).up();
      host.tell(`run setInterval(() => { const to = Date.now() + 5; while (Date.now() < to); }, 20)`);
      writeFileSync(join(CGROUP, 'cpu.cfs_quota_us'), '5000');
      writeFileSync(join(CGROUP, 'cgroup.procs'), String(host.pid));
      await passed(host, 8_000);
      expect(host.hasEnded).toBe(false);
      expect(host.output).not.toContain('ending this process');
      host.kill('SIGKILL');
      await host.end();
    } finally {
      rmdirSync(CGROUP);
    }
  });

  it('to have its timers replaced, as tests do', async () => {
    const BEFORE = `const timers = require('timers'); const real = timers.setInterval;
      timers.setInterval = (f, ms) => ms === 100 ? { unref() {} } : real(f, ms);`;
    const host = await new Host(ENDED(), { env: { BEFORE } }).up();
    await passed(host, 3_000);
    expect(host.hasEnded).toBe(false);
    expect(host.output).not.toContain('restart would cure');
  });
});

describe('the host goes its way', () => {
  it('it ends by itself, and nothing of the watchdog holds it', async () => {
    const host = await new Host().up();
    host.tell('close');
    expect(await host.end()).toBe(0);
  });

  it('it exits in the middle of a block that is just over', async () => {
    const host = await new Host(QUICK, { env: { PAUSE_MS: '600' } }).up();
    host.tell('pause\nexit');
    expect(await host.end()).toBe(4);
  });

  it('it is stopped with the application, and its name is free again', async () => {
    const host = await new Host().up();
    host.tell(
      `run void app.close(); setTimeout(() => console.log('threads ' + ${THREADS}), 500); return ${THREADS}`,
    );
    const [, before] = await host.says(/ran (\d+)/);
    const [, after] = await host.says(/threads (\d+)/);
    expect(Number(after)).toBe(Number(before) - 1);
    await expect(host.ask()).rejects.toThrow(/ECONNREFUSED|ENOENT/);
  });

  it('in Jest it neither fails nor holds a run', () => {
    writeFileSync(
      join(folder, 'app.spec.js'),
      `const { createRequire } = require('node:module');
      const r = createRequire(${JSON.stringify(join(ROOT, 'package.json'))});
      r('reflect-metadata');
      const { Test } = r('@nestjs/testing');
      const { VitalsModule } = r(${JSON.stringify(join(ROOT, 'dist/cjs'))});
      for (const isClosed of [true, false])
        it('closed: ' + isClosed, async () => {
          const module = await Test.createTestingModule({ imports: [VitalsModule.forRoot()] }).compile();
          const app = module.createNestApplication({ logger: false });
          await app.listen(0);
          expect(globalThis[Symbol.for('nestjs-vitals.watchdog')]).toBeDefined();
          app.getHttpServer().unref();
          if (isClosed) await app.close();
        });`,
    );
    const config = JSON.stringify({ rootDir: folder, transform: {}, testMatch: ['**/*.spec.js'] });
    const jestBin = join(ROOT, 'node_modules/jest/bin/jest.js');
    const args = [jestBin, '--config', config, '--ci'];
    execFileSync(process.execPath, args, { cwd: ROOT, stdio: 'pipe', timeout: 60_000 });
  });
});

describe('where it cannot be, it says why in one line, and the host goes on', () => {
  async function says(host: Host): Promise<string> {
    const [line] = await host.says(/.*no watchdog: .*/);
    await host.says(/listening \d+/);
    const [, port] = await host.says(/listening (\d+)/);
    expect((await fetch(`http://127.0.0.1:${port}/api/v1/health`)).status).toBe(200);
    expect(host.count(/no watchdog/g)).toBe(1);
    return line;
  }

  it('its file is missing, as in a bundle', async () => {
    // Beside the real one, so that what it requires is found.
    const copy = join(ROOT, `.watchdog-${process.pid}`);
    cpSync(join(ROOT, 'dist', 'cjs'), copy, { recursive: true });
    try {
      rmSync(join(copy, 'watchdog', 'worker.js'));
      expect(await says(new Host(QUICK, { env: { VITALS: copy } }))).toContain(
        'worker.js is not there; where the application is bundled, leave nestjs-vitals out of the bundle',
      );
    } finally {
      rmSync(copy, { recursive: true });
    }
  });

  it('it is bundled, and beside it lies a worker.js of the host that is none of our business', async () => {
    // Inside, so that what is not bundled is found.
    const own = join(ROOT, `.watchdog-${process.pid}`);
    mkdirSync(own);
    try {
      const bundle = join(own, 'vitals.js');
      buildSync({
        entryPoints: [join(ROOT, 'dist', 'cjs', 'index.js')],
        bundle: true,
        platform: 'node',
        outfile: bundle,
        external: ['@nestjs/*', 'rxjs', 'prom-client', '@opentelemetry/api'],
      });
      writeFileSync(join(own, 'worker.js'), `console.log('the worker of the host runs')`);
      const host = new Host(QUICK, { env: { VITALS: bundle } });
      expect(await says(host)).toContain('leave nestjs-vitals out of the bundle');
      expect(host.output).not.toContain('the worker of the host runs');
    } finally {
      rmSync(own, { recursive: true });
    }
  });

  it('the permission model allows no threads', async () => {
    const flag =
      Number(process.versions.node.split('.')[0]) >= 23 ? '--permission' : '--experimental-permission';
    const args = [flag, '--allow-fs-read=*', '--allow-fs-write=*', '--allow-net', '--allow-inspector'];
    const known = args.filter((one) => process.allowedNodeEnvironmentFlags.has(one.split('=')[0]!));
    expect(await says(new Host(QUICK, { args: known }))).toContain('allows no thread (--allow-worker)');
  });

  it('nobody asked for it', async () => {
    const host = new Host({ ...QUICK, watchdog: false });
    await host.says(/listening \d+/);
    host.tell(`run return String(globalThis[Symbol.for('nestjs-vitals.watchdog')])`);
    await host.says('ran undefined');
    expect(host.output).not.toContain('no watchdog');
  });
});

describe('its thread', () => {
  const BEFORE = `const threads = require('worker_threads'); const { Worker } = threads; globalThis.made = [];
    threads.Worker = class extends Worker { constructor(...given) { super(...given); made.push(this); } };`;

  it('starts once more when it ends, and then no more', async () => {
    const host = await new Host(QUICK, { env: { BEFORE } }).up();
    host.tell('run void made[0].terminate()');
    await host.says('the watchdog starts once more: its thread ended');
    host.tell('run return made.length');
    await host.says('ran 2');
    await host.reply(() => true);
    host.tell('run void made[1].terminate()');
    await host.says('no watchdog any more: its thread ended');
    host.tell('run return `still here with ${made.length}`');
    await host.says('ran still here with 2');
    expect(host.count(/watchdog starts once more/g)).toBe(1);
  });

  it('is one for each process, whatever copies of the package it has', async () => {
    const host = await new Host(QUICK, { env: { BEFORE } }).up();
    const other = JSON.stringify(join(ROOT, 'dist/cjs/watchdog/watchdog.js'));
    host.tell(
      `run delete require.cache[${other}]; const { Watchdog } = require(${other}); ` +
        `const two = new Watchdog({ terms: { blockedAfterMs: 400 }, log: console.log, over() {}, absent() {} }); ` +
        'two.start(); two.hear({}); two.stop(); return made.length',
    );
    await host.says('ran 1');
    expect((await host.ask()).status).toBe(200);
  });

  it('leaves the name to another process that has it, and takes it when that one is gone', async () => {
    const host = await new Host().up();
    const [, port] = await host.says(/listening (\d+)/);
    host.tell('leave');
    const holder = spawn(process.execPath, [
      '-e',
      `require('net').createServer((s) => s.end('held')).listen('\\0nestjs-vitals-${port}')
        .on('error', () => console.log('taken'))`,
    ]);
    children.push(holder);
    const [said] = (await once(holder.stdout!, 'data')) as [Buffer];
    expect(String(said)).toContain('taken');
    expect((await host.ask()).status).toBe(200);
  });
});

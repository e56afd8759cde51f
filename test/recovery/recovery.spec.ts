/** Ending a process is about a whole process, so whole processes are ended. Needs the build in dist/. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

jest.setTimeout(60_000);

const ROOT = join(__dirname, '..', '..');
const APP = join(__dirname, 'ill-app.cjs');
const ENDS_PROMPTLY = { exit: true, afterMs: 300, minUptimeMs: 0, graceMs: 5_000 };

class Host {
  private readonly child: ChildProcess;
  output = '';

  constructor(options: object, { env = {}, command = [] as readonly string[] } = {}) {
    const all = { details: 'full', recovery: ENDS_PROMPTLY, incidents: { directory: folder }, ...options };
    const [file = process.execPath, ...args] = [...command, process.execPath, APP];
    this.child = spawn(file, args, {
      cwd: ROOT,
      env: {
        ...process.env,
        VITALS: join(ROOT, 'dist', 'cjs'),
        NO_COLOR: '1',
        OPTIONS: JSON.stringify(all),
        ...env,
      },
    });
    hosts.push(this);
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (chunk) => (this.output += String(chunk)));
  }

  async says(text: string | RegExp): Promise<RegExpExecArray> {
    const form = typeof text === 'string' ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : text;
    const deadline = Date.now() + 20_000;
    for (;;) {
      const found = form.exec(this.output);
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`it did not say ${form} within 20 s: ${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  tell(word: string): void {
    this.child.stdin!.write(`${word}\n`);
  }

  async up(): Promise<this> {
    await this.says(/listening \d+/);
    return this;
  }

  async body(): Promise<Record<string, any>> {
    const [, port] = await this.says(/listening (\d+)/);
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/health`);
    return (await response.json()) as Record<string, unknown>;
  }

  /** The answer is made when a reading is taken: what happened after it is in the next one. */
  async bodyWith(isThere: (restarts: Record<string, unknown>) => boolean): Promise<Record<string, any>> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const body = await this.body();
      if (isThere((body['restarts'] ?? {}) as Record<string, unknown>) || Date.now() > deadline) return body;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async end(): Promise<number | string | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return this.child.exitCode ?? this.child.signalCode;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  count(form: RegExp): number {
    return this.output.match(form)?.length ?? 0;
  }
}

let folder: string;
const hosts: Host[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'recovery-'));
});
afterEach(() => {
  for (const host of hosts.splice(0)) host.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const PID_1 = ['unshare', ...(process.getuid!() === 0 ? [] : ['-Ur']), '--pid', '--fork', '--mount-proc'];

describe('a finding with the remedy restart', () => {
  const cases = ['none', 'hooks', 'own', 'both', 'deaf'].flatMap((handlers) => [
    { handlers, as: 'an ordinary process', command: [] as string[] },
    { handlers, as: 'PID 1', command: PID_1 },
  ]);

  it.each(cases)('ends $as with 70, its own handlers $handlers', async ({ handlers, command }) => {
    const host = await new Host({}, { env: { HANDLERS: handlers }, command }).up();
    host.tell('ill');
    expect(await host.end()).toBe(70);
    expect(
      host.count(/ending this process with exit code 70, because a restart cures it: check "ill"/g),
    ).toBe(1);
    expect(host.output.includes('destroyed')).toBe(['hooks', 'own', 'both'].includes(handlers));
  });

  it('drains first: readiness says no while requests are served', async () => {
    const host = await new Host({ drain: 1_500 }, { env: { HANDLERS: 'own' } }).up();
    host.tell('ill');
    await host.says('ending this process');
    expect(await host.body()).toMatchObject({ status: 'shutting_down', phase: 'draining' });
    expect(await host.end()).toBe(70);
  });

  it('is told by the next process, in its log and its answer', async () => {
    const first = await new Host({}).up();
    first.tell('ill');
    await first.end();
    const next = await new Host({}).up();
    await next.says(
      /the process before this one \(pid \d+, it ran \d+ s\) was ended by its recovery: CHECK_FAILED: check "ill".*; restarts in the last day: 1/,
    );
    expect(await next.body()).toMatchObject({
      previous: { by: 'recovery', code: 'CHECK_FAILED', message: expect.stringContaining('check "ill"') },
      restarts: { lastDay: 1, byVitalsLastHour: 1 },
    });
    next.tell('incidents');
    const [, incidents] = await next.says(/incidents (\[.*\])/);
    expect(JSON.parse(incidents!)).toMatchObject([
      { indicator: 'ill', code: 'CHECK_FAILED', remedy: 'restart', ended: { how: 'process ended' } },
    ]);
  });

  it.each(['hangs', 'exits', 'fails', 'throws', 'waits'])(
    'ends it although the host %s on the way',
    async (what) => {
      const recovery = { ...ENDS_PROMPTLY, graceMs: 1_500 };
      const host = await new Host({ recovery }, { env: { HANDLERS: 'own', HOST: what } }).up();
      host.tell('ill');
      expect(await host.end()).toBe(70);
      expect((await new Host({}).up()).output).toContain('was ended by its recovery');
    },
  );

  it.each([
    ['blocks', 70],
    ['sticks', 'SIGKILL'],
  ])('ends it by force when the host %s in its own teardown', async (what, end) => {
    const recovery = { ...ENDS_PROMPTLY, graceMs: 1_000 };
    const host = await new Host({ recovery }, { env: { HANDLERS: 'own', HOST: what } }).up();
    host.tell('ill');
    expect(await host.end()).toBe(end);
    expect((await new Host({}).up()).output).toContain('was ended by its recovery');
  });

  it.each([
    ['blocks', 70],
    // 128 and the number of SIGTRAP, as a shell and `unshare` say it; or its name, where they pass it on.
    ['sticks', /^(133|SIGTRAP)$/],
  ])('ends process 1 by force when the host %s in its own teardown', async (what, end) => {
    const recovery = { ...ENDS_PROMPTLY, graceMs: 1_000 };
    const env = { HANDLERS: 'own', HOST: what };
    const host = await new Host({ recovery }, { env, command: PID_1 }).up();
    host.tell('ill');
    expect(String(await host.end())).toMatch(end instanceof RegExp ? end : new RegExp(`^${end}$`));
  });
});

describe('it stays up', () => {
  const REFUSED = /a restart would cure ill \(CHECK_FAILED\), but none is done: .*/;

  it('when the budget is spent: unhealthy, and says so once', async () => {
    const recovery = { ...ENDS_PROMPTLY, perHour: 1 };
    const first = await new Host({ recovery }).up();
    first.tell('ill');
    expect(await first.end()).toBe(70);
    const next = await new Host({ recovery }).up();
    next.tell('ill');
    const [line] = await next.says(REFUSED);
    expect(line).toContain('the budget is spent: 1 in the last hour (threshold 1)');
    expect(await next.bodyWith((restarts) => 'refused' in restarts)).toMatchObject({
      status: 'error',
      restarts: { refused: 'the budget is spent: 1 in the last hour (threshold 1)' },
    });
    next.tell('well');
    await next.says('down CHECK_FAILED (remedy restart) -> up');
    const body = await next.bodyWith((restarts) => !('refused' in restarts));
    expect(body['restarts']).not.toHaveProperty('refused');
    expect(next.count(new RegExp(REFUSED, 'g'))).toBe(1);
  });

  it.each([
    ['it is too young', { recovery: { ...ENDS_PROMPTLY, minUptimeMs: 600_000 } }, [], 'threshold 600 s'],
    [
      'nothing can be recorded',
      { incidents: { directory: '/proc/vitals' } },
      [],
      'nothing can be written to',
    ],
    ['no directory is set', { incidents: false }, [], 'no directory for incidents is set'],
    ['a debugger may be attached', {}, ['env', 'NODE_OPTIONS=--inspect=127.0.0.1:0'], 'a debugger'],
  ])('when %s', async (_, options, command, why) => {
    const host = await new Host(options, { command }).up();
    host.tell('ill');
    const [line] = await host.says(REFUSED);
    expect(line).toContain(why);
    expect(await host.bodyWith((restarts) => 'refused' in restarts)).toMatchObject({
      restarts: { refused: expect.stringContaining(why) },
    });
    expect(host.output).not.toContain('ending this process');
  });

  it.each([
    ['only a dependency is dead', {}, { HOST: 'dead dependency' }],
    ['nobody asked for it', { recovery: false }, {}],
    ['it is only told how, not to', { recovery: { ...ENDS_PROMPTLY, exit: false } }, {}],
  ])('when %s', async (_, options, env) => {
    const host = await new Host(options, { env }).up();
    host.tell('ill');
    await host.says('down CHECK_FAILED');
    await settled(host);
    expect(host.output).not.toMatch(/ending this process|none is done/);
  });

  it('when it recovers in time', async () => {
    const host = await new Host({ recovery: { ...ENDS_PROMPTLY, afterMs: 2_000 } }).up();
    for (let i = 0; i < 3; i++) {
      host.tell('ill');
      await host.says(new RegExp(`(up -> down[^]*){${i + 1}}`));
      host.tell('well');
      await host.says(new RegExp(`(CHECK_FAILED \\(remedy restart\\) -> up[^]*){${i + 1}}`));
    }
    expect(host.output).not.toContain('ending this process');
  });
});

/** Ten readings later: what was to happen after 300 ms has happened. */
async function settled(host: Host): Promise<void> {
  const { checkedAt } = await host.body();
  const from = Date.parse(String(checkedAt));
  for (;;) {
    const { checkedAt: now } = await host.body();
    if (Date.parse(String(now)) - from > 1_000) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('the next process learns', () => {
  it.each([
    ['of a clean stop', 'close', 0, /was stopped: STOP/],
    ["of the host's own exit", 'exit', 4, /ended itself: EXIT_4/],
    ['of a crash, and of what', 'crash', 1, /crashed: EPIPE: broken pipe;/],
    ['that it was killed', 'SIGKILL', 'SIGKILL', /was killed: KILLED/],
    ['that it was told to stop', 'SIGTERM', 'SIGTERM', /was stopped: STOP/],
  ])('%s', async (_, how, code, words) => {
    const host = await new Host({}).up();
    if (how.startsWith('SIG')) host.kill(how as NodeJS.Signals);
    else host.tell(how);
    expect(await host.end()).toBe(code);
    const next = await new Host({}).up();
    expect(next.output).toMatch(words);
    expect(next.count(/the process before this one/g)).toBe(1);
  });

  it('nothing where there is no directory, and the answer has no word of it', async () => {
    const body = await (await new Host({ incidents: false, recovery: false }).up()).body();
    expect(body).not.toHaveProperty('previous');
    expect(body).not.toHaveProperty('restarts');
  });
});

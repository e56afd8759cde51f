/** A process that is blocked for good, ended by its watchdog. Needs the build in dist/. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAll, ENDS, Host, PID_1, QUICK, until } from './host.js';

jest.setTimeout(60_000);

let folder: string;
let directory: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watchdog-'));
  directory = join(folder, 'incidents');
});
afterEach(() => {
  endAll();
  rmSync(folder, { recursive: true, force: true });
});

const options = (more: object = {}): object => ({
  ...QUICK,
  recovery: ENDS,
  incidents: { directory },
  ...more,
});

async function hung(word: string, as: ConstructorParameters<typeof Host>[1] = {}): Promise<Host> {
  const host = await new Host(options(), as).up();
  host.tell(word);
  return host;
}

function kept(): Record<string, any>[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith('incident-'))
    .map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')));
}

const ENDING =
  /ending this process with exit code 70, because a restart cures it: event loop: blocked for \d+ ms/g;

describe('a blocked process is ended', () => {
  it.each(['loop', 'regex', 'wait', 'microtasks', 'ticks', 'garbage'])(
    'by an exit with 70 in %s',
    async (word) => {
      const host = await hung(word);
      expect(await host.end()).toBe(70);
      expect(host.count(ENDING)).toBe(1);
      expect(kept()).toMatchObject([
        {
          code: 'LOOP_BLOCKED',
          stack: expect.stringMatching(/Tours|^microtasks/),
          ended: { how: 'process ended' },
        },
      ]);
    },
  );

  it('by the kernel where no JavaScript can be run', async () => {
    const host = await hung('exec');
    expect(await host.end()).toBe('SIGKILL');
    expect(host.count(ENDING)).toBe(1);
    expect(kept()).toMatchObject([{ code: 'LOOP_BLOCKED', stack: expect.stringContaining('sleep 54321') }]);
  });

  it('and keeps the readings before it, none of them from the block itself', async () => {
    const host = await new Host(options()).up();
    await until(
      async () => (await host.ask()).body['uptimeSeconds'] > 1 || null,
      () => 'it does not get older',
    );
    host.tell('loop');
    await host.end();
    const [incident] = kept() as { at: string; before: { at: string; figures: Record<string, object> }[] }[];
    expect(incident!.before).toHaveLength(5);
    for (const { at, figures } of incident!.before) {
      expect(Date.parse(at)).toBeLessThanOrEqual(Date.parse(incident!.at));
      expect(figures['eventLoop']).toMatchObject({ p99DelayMs: expect.any(Number) });
    }
  });

  it.each(['loop', 'wait', 'microtasks'])('as PID 1 by an exit with 70 in %s', async (word) => {
    expect(await (await hung(word, { command: PID_1 })).end()).toBe(70);
  });

  it('as PID 1 by a trap of the CPU where no JavaScript can be run, and SIGKILL is dropped', async () => {
    const host = await hung('exec', { command: PID_1 });
    // What unshare makes of a child that SIGTRAP ended.
    expect(['SIGTRAP', 133]).toContain(await host.end());
    expect(host.count(ENDING)).toBe(1);
  });

  it.each(['loop', 'exec'])('and the next process says so after %s', async (word) => {
    await (await hung(word)).end();
    const next = await new Host(options()).up();
    expect(next.output).toMatch(
      /the process before this one \(pid \d+, it ran \d+ s\) was ended by its watchdog: LOOP_BLOCKED: event loop: blocked for \d+ ms .*restarts in the last day: 1/,
    );
    const { body } = await next.ask();
    expect(body).toMatchObject({
      previous: { by: 'watchdog', code: 'LOOP_BLOCKED' },
      restarts: { lastDay: 1 },
    });
  });

  it('although its stderr is full', async () => {
    const pipe = join(folder, 'stderr');
    execFileSync('mkfifo', [pipe]);
    const unread = await open(pipe, 'r+');
    const host = await new Host(options(), {
      command: ['sh', '-c', `exec 2>'${pipe}'; exec "$@"`, 'sh'],
    }).up();
    host.tell("run for (;;) process.stderr.write('x'.repeat(65536))");
    expect([70, 'SIGKILL']).toContain(await host.end());
    expect(kept()).toHaveLength(1);
    await unread.close();
  });

  it('although it may not open its stderr anew', async () => {
    const pipe = join(folder, 'stderr');
    execFileSync('mkfifo', [pipe]);
    const reading = open(pipe, 'r');
    const host = await new Host(options(), {
      command: ['sh', '-c', `exec 2>'${pipe}'; chmod 0 '${pipe}'; exec "$@"`, 'sh', ...NOBODY],
      env: {
        OPTIONS: JSON.stringify({
          ...options(),
          incidents: false,
          recovery: { ...ENDS, perHour: 3_600_000 },
        }),
      },
    }).up();
    host.tell('loop');
    expect(await host.end()).toBe(70);
    const file = await reading;
    expect(String((await file.read()).buffer)).toContain('ending this process');
    await file.close();
  });
});

/** As a user that is not root, where this is root's machine. */
const NOBODY = process.getuid!() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];

describe('a blocked process is not ended', () => {
  const REFUSED = /a restart would cure it, but none is done: .*/g;

  it('when the budget is spent: it stays up, unhealthy, and says so once', async () => {
    const spent = options({ recovery: { ...ENDS, perHour: 1 } });
    const first = await new Host(spent).up();
    first.tell('loop');
    expect(await first.end()).toBe(70);
    const next = await new Host(spent).up();
    next.tell('loop');
    const { status, body } = await next.reply(({ body: { restarts } }) => restarts?.refused !== undefined);
    expect([status, body['restarts'].refused]).toEqual([503, true]);
    await next.reply(({ body: { error } }) => error.eventLoop?.data.blockedForMs > 7_500);
    expect(next.output.match(REFUSED)).toEqual([
      expect.stringContaining('the budget is spent: 1 in the last hour (threshold 1)'),
    ]);
    expect(next.hasEnded).toBe(false);
  });

  it('when it is too young', async () => {
    const host = await new Host(options({ recovery: { ...ENDS, minUptimeMs: 600_000 } })).up();
    host.tell('loop');
    await host.says(/none is done: it runs for \d+ s \(threshold 600 s\)/);
    expect(host.hasEnded).toBe(false);
  });

  it('when nobody asked for it', async () => {
    const host = await new Host({ ...QUICK, incidents: { directory } }).up();
    host.tell('loop');
    await host.reply(({ body: { error } }) => error.eventLoop?.data.blockedForMs > 3_000);
    expect(host.hasEnded).toBe(false);
    expect(host.output).not.toContain('ending this process');
    expect(kept()).toMatchObject([{ code: 'LOOP_BLOCKED', ended: null }]);
  });

  it.each([
    ['it was started with --inspect', { args: ['--inspect=127.0.0.1:0'] }, 'Debugger listening'],
    ['its inspector was opened', {}, "run require('inspector').open(0, '127.0.0.1')"],
  ])('when %s', async (_, as, opened) => {
    const host = await new Host(options(), as).up();
    if (opened.startsWith('run')) host.tell(opened);
    await host.says('Debugger listening');
    host.tell('loop');
    await host.says(/none is done: a debugger may be attached/);
    const { said } = await host.reply(({ body: { error } }) => error.eventLoop?.data.blockedForMs > 3_000);
    expect(said).toContain('a debugger may be attached');
    expect(host.hasEnded).toBe(false);
  });

  it('when its inspector is opened from outside while it is blocked', async () => {
    const host = await new Host(options({ recovery: { ...ENDS, afterMs: 3_000 } })).up();
    host.tell('loop');
    await host.reply(({ said }) => said.includes('parseTours'));
    host.kill('SIGUSR1');
    await host.says(/none is done: a debugger may be attached/);
    expect(host.hasEnded).toBe(false);
  });

  it('when it is held by a tracer', async () => {
    const tracer = join(folder, 'tracer');
    execFileSync('cc', ['-o', tracer, '-x', 'c', '-'], { input: TRACER });
    const host = await new Host(options()).up();
    const holder = new Host({}, { command: [tracer, String(host.pid)] });
    await until(
      () => /^TracerPid:\s*[1-9]/m.exec(readFileSync(`/proc/${host.pid}/status`, 'utf8')),
      () => holder.output,
    );
    host.tell('loop');
    await host.says(/none is done: a debugger may be attached/);
    expect(host.hasEnded).toBe(false);
  });
});

/** Attaches without stopping it, as a debugger that lets it run. */
const TRACER = `
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
int main(int argc, char **argv) {
  if (ptrace(PTRACE_SEIZE, atoi(argv[1]), 0, 0)) return 1;
  for (;;) { int s; int p = waitpid(-1, &s, __WALL); if (p < 0) return 0; if (WIFSTOPPED(s)) ptrace(PTRACE_CONT, p, 0, 0); }
}`;

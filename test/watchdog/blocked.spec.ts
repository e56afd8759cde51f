/** What is known of a blocked main thread while it is blocked, asked of whole processes. Needs the build in dist/. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAll, Host, lineOf, QUICK, until } from './host.js';

jest.setTimeout(60_000);
afterEach(endAll);

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'watchdog-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const IN = /blocked for \d+\.\d s in (.*)$/;

async function placeOf(host: Host): Promise<string> {
  const { said } = await host.reply(
    ({ said: text }) => IN.test(text) && !/not known yet|too short to be seen/.test(text),
  );
  return IN.exec(said)![1]!;
}

describe('a blocked main thread is named with function, file and line', () => {
  it.each([
    ['a loop', 'loop', `parseTours (${lineOf('for (;;);')})`],
    ['a runaway expression', 'regex', `matchTours (${lineOf('return /^(a+)+$/')}), in RegExp.test`],
    ['a wait for another thread', 'wait', `waitForTours (${lineOf('Atomics.wait(')}), in Atomics.wait`],
  ])('%s', async (_, word, place) => {
    const host = await new Host().up();
    host.tell(word);
    expect(await placeOf(host)).toBe(place);
  });

  it.each([
    ['a flood of microtasks', 'microtasks', /^floodWithTours \(test\/watchdog\/hang-app\.cjs:\d+\)/],
    ['a flood of ticks', 'ticks', /^tickTours \(test\/watchdog\/hang-app\.cjs:\d+\)/],
    ['a memory that is full of garbage', 'garbage', /^collectTours \(test\/watchdog\/hang-app\.cjs:\d+\)/],
  ])('%s', async (_, word, place) => {
    const host = await new Host().up();
    host.tell(word);
    expect(await placeOf(host)).toMatch(place);
  });

  it('by the very first thing that it does, before there is another snapshot', async () => {
    const host = new Host({ everyMs: 10_000, eventLoop: { ...QUICK.eventLoop, windowMs: 40_000 } });
    await host.says(/listening \d+/);
    host.tell('loop');
    expect(await placeOf(host)).toContain('parseTours');
  });

  it('in a process of ES modules', async () => {
    const host = await new Host(QUICK, { env: { VITALS: join(__dirname, '../../dist/esm/index.js') } }).up();
    host.tell('loop');
    expect(await placeOf(host)).toContain('parseTours');
  });
});

describe('where no JavaScript can be seen, the kernel tells', () => {
  it('the command that execSync waits for', async () => {
    const host = await new Host().up();
    host.tell('exec');
    expect(await placeOf(host)).toMatch(
      /^native code, which waits for a child process: sleep 54321 \(pid \d+\)$/,
    );
  });

  it('the file that it waits for', async () => {
    const FIFO = join(folder, 'fifo');
    execFileSync('mkfifo', [FIFO]);
    const host = await new Host(QUICK, { env: { FIFO } }).up();
    host.tell('fifo');
    // Opening it waits for a writer; then it is read, and nobody writes.
    const writer = await open(FIFO, 'w');
    expect(await placeOf(host)).toBe(`native code, which waits for read(${FIFO})`);
    await writer.close();
  });
});

describe('the answer beside a blocked main thread', () => {
  it('has the contract of the endpoint, and keeps what was known of the rest', async () => {
    const host = await new Host({ ...QUICK, checks: {} }).up();
    host.tell('loop');
    const { status, said, body } = await host.reply(({ said: text }) => text.includes('remedy=restart'));
    expect(status).toBe(503);
    expect(said).toMatch(
      /^error; eventLoop=LOOP_BLOCKED; remedy=restart; blocked for \d+\.\d s in parseTours \(/,
    );
    expect(body).toMatchObject({
      status: 'error',
      phase: 'running',
      cause: { name: 'eventLoop', code: 'LOOP_BLOCKED' },
      remedy: 'restart',
      blocked: expect.stringMatching(/^blocked for \d+\.\d s in parseTours \(/),
      info: { resets: { status: 'up' } },
      error: {
        eventLoop: {
          status: 'down',
          code: 'LOOP_BLOCKED',
          remedy: 'restart',
          critical: true,
          data: { blockedAfterMs: 400, restartAfterMs: 1_000 },
        },
      },
    });
    const { blockedForMs } = body['error'].eventLoop.data;
    expect(blockedForMs).toBeGreaterThanOrEqual(1_000);
    expect(Date.now() - Date.parse(body['error'].eventLoop.since)).toBeGreaterThanOrEqual(blockedForMs);
  });

  it('fails liveness only when a restart has become the remedy', async () => {
    const host = await new Host({ eventLoop: { maxDelayMs: 400, restartAfterMs: 3_000 } }).up();
    host.tell('loop');
    const early = await host.reply(({ status }) => status === 503);
    expect(early.body).toMatchObject({ status: 'error', remedy: 'none' });
    expect(await host.ask('/api/v1/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
    const live = await host.reply(({ status }) => status === 503, '/api/v1/health/live');
    expect(live.said).toContain('eventLoop=LOOP_BLOCKED; remedy=restart');
    expect(live.body['error'].eventLoop.data.blockedForMs).toBeGreaterThanOrEqual(3_000);
  });

  it('says no more than the status where no more is to be said', async () => {
    const host = await new Host({ ...QUICK, details: 'none' }).up();
    host.tell('loop');
    const { said, body } = await host.reply(({ status }) => status === 503);
    expect(said).toBe('error');
    expect(body).toEqual({ status: 'error', info: {}, error: {}, details: {} });
  });

  it('has no body for HEAD, and is given for any other path as well', async () => {
    const host = await new Host().up();
    expect(await host.ask('/api/v1/health', 'HEAD')).toEqual({ status: 200, said: 'ok', body: {} });
    expect(await host.ask('/somewhere?else')).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  it('is the last snapshot while nothing is blocked', async () => {
    const host = await new Host({ ...QUICK, checks: {} }).up();
    expect(await host.ask()).toMatchObject({ status: 200, said: 'ok', body: { status: 'ok' } });
    expect((await host.ask()).body).not.toHaveProperty('blocked');
  });

  it('reaches the probe', async () => {
    const host = await new Host().up();
    const [, port] = await host.says(/listening (\d+)/);
    host.tell('loop');
    await placeOf(host);
    const probe = join(__dirname, '../../dist/cjs/probe/cli.js');
    const said = await until(
      () => {
        try {
          execFileSync(process.execPath, [probe, 'probe', `http://127.0.0.1:${port}/api/v1/health`]);
          return null;
        } catch (error) {
          return String((error as { stdout: Buffer }).stdout);
        }
      },
      () => 'the probe finds it healthy',
    );
    expect(said).toMatch(
      /^unhealthy: 503 from the watchdog: error eventLoop=LOOP_BLOCKED.* blocked for \d+\.\d s in parseTours \(test\/watchdog\/hang-app\.cjs:\d+\)/,
    );
  });
});

describe('when the loop runs again', () => {
  it('the log and the incident name what it was blocked in', async () => {
    const host = await new Host({ ...QUICK, details: 'full' }, { env: { PAUSE_MS: '900' } }).up();
    host.tell('pause');
    await host.says(
      /LOOP_BLOCKED.*; last blocked for \d+ ms in pauseForTours \(test\/watchdog\/hang-app\.cjs:\d+\)/,
    );
    host.tell('incidents');
    const [, incidents] = await host.says(/incidents (\[.*\])/);
    expect(JSON.parse(incidents!)).toMatchObject([
      { indicator: 'eventLoop', code: 'LOOP_BLOCKED', stack: expect.stringContaining('pauseForTours') },
    ]);
    const { status, said } = await host.ask();
    expect([status, said]).toEqual([expect.any(Number), expect.not.stringContaining('blocked for')]);
  });

  it('a long block is one incident, written while it lasted', async () => {
    const directory = join(folder, 'long');
    const options = { ...QUICK, incidents: { directory } };
    const host = await new Host(options, { env: { PAUSE_MS: '2500' } }).up();
    host.tell('pause');
    await host.says(/a restart would cure it: event loop: blocked for 1\d\d\d ms .* in pauseForTours/);
    await host.says(/eventLoop: .* -> down LOOP_BLOCKED/);
    host.tell('incidents');
    const [, incidents] = await host.says(/incidents (\[.*\])/);
    expect(JSON.parse(incidents!)).toMatchObject([
      { id: expect.stringMatching(/-blocked$/), stack: expect.stringContaining('pauseForTours'), returns: 1 },
    ]);
  });
});

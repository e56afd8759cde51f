import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EventLoopSource, type EventLoopReading } from '../../lib/sources/event-loop.js';
import { block } from '../verdict/make.js';

// Real timers and processes on a machine that may be busy.
jest.setTimeout(30_000);

const sources: EventLoopSource[] = [];

function sourceOf(windowMs: number): EventLoopSource {
  const source = new EventLoopSource(windowMs);
  sources.push(source);
  return source;
}

afterEach(() => {
  for (const source of sources.splice(0)) source.close();
});

const sample = (source: EventLoopSource): EventLoopReading => source.sample(performance.now(), 0);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Samples every 20 ms for `ms`. */
async function idle(source: EventLoopSource, ms: number): Promise<EventLoopReading> {
  const end = performance.now() + ms;
  let last = sample(source);
  while (performance.now() < end) {
    await pause(20);
    last = sample(source);
  }
  return last;
}

/** What a process of the build in dist/ prints of its own loop. */
async function readingOf([file, ...args]: string[]): Promise<EventLoopReading> {
  const { stdout } = await promisify(execFile)(file!, args, { cwd: join(__dirname, '..', '..') });
  return JSON.parse(stdout) as EventLoopReading;
}

describe('EventLoopSource', () => {
  it('reads zeros, not the 2^63 of an empty histogram, before its first tick', () => {
    expect(sample(sourceOf(1_000))).toMatchObject({ p99DelayMs: 0, maxDelayMs: 0 });
  });

  it('sees every block that ends just before a reading, wherever in the window it falls', async () => {
    const source = sourceOf(500);
    const seen: number[] = [];
    await idle(source, 100);
    for (let round = 0; round < 50; round++) {
      // At once after a reading, which may have begun a new histogram: its tick in progress is lost.
      block(60);
      await pause(1);
      seen.push(sample(source).maxDelayMs);
    }
    expect(Math.min(...seen)).toBeGreaterThan(30);
  });

  it('counts how late the caller was as a delay, without waiting for the histogram to tick', () => {
    expect(sourceOf(1_000).sample(performance.now(), 1_234.56).maxDelayMs).toBe(1_234.6);
  });

  it('sees a block for half of the window that begins in the tick in which a histogram is reset', async () => {
    const source = sourceOf(400);
    for (let round = 0; round < 5; round++) {
      for (let before = 0, { windowMs } = sample(source); windowMs >= before; { windowMs } = sample(source)) {
        before = windowMs;
        await pause(5);
      }
      block(300);
      source.sample(performance.now(), 290);
      await pause(100);
      expect(sample(source).maxDelayMs).toBeGreaterThan(250);
    }
  });

  it('forgets a long block when it has left the window, and not before half of it', async () => {
    const source = sourceOf(1_000);
    await idle(source, 700);
    block(600);
    const endedAt = performance.now();
    await pause(1);
    expect(sample(source).maxDelayMs).toBeGreaterThan(500);
    // Jest's own deadline ends this.
    while (sample(source).maxDelayMs >= 400) await pause(5);
    expect(performance.now() - endedAt).toBeGreaterThan(400);
  });

  it('covers at least half of the window from then on, and hardly more than all of it', async () => {
    const source = sourceOf(400);
    let [slowestMs, readAt] = [0, performance.now()];
    const startedAt = readAt;
    for (let i = 0; i < 80; i++) {
      await pause(10);
      const now = performance.now();
      slowestMs = Math.max(slowestMs, now - readAt);
      readAt = now;
      const { windowMs } = source.sample(now, 0);
      if (now - startedAt > 200) expect(windowMs).toBeGreaterThanOrEqual(200);
      // Whatever a busy machine made of our ten milliseconds comes on top, here and where the window began.
      expect(windowMs).toBeLessThanOrEqual(400 + Math.ceil(2 * slowestMs));
    }
  });

  it('reads a busy loop as full and the same loop as idle a window later', async () => {
    const source = sourceOf(300);
    sample(source);
    for (let i = 0; i < 20; i++) {
      block(50);
      await new Promise((turn) => setImmediate(turn));
      sample(source);
    }
    expect(sample(source).utilizationRatio).toBeGreaterThan(0.8);
    // Since the start the loop was busy for two thirds of the time: a baseline that stays would read 0.6.
    expect((await idle(source, 600)).utilizationRatio).toBeLessThan(0.45);
  });

  it('reads the share of the whole window, not of the time since the last reading', async () => {
    const source = sourceOf(2_000);
    sample(source);
    await idle(source, 600);
    block(300);
    await new Promise((turn) => setImmediate(turn));
    const { utilizationRatio } = sample(source);
    expect(utilizationRatio).toBeGreaterThan(0.2);
    expect(utilizationRatio).toBeLessThan(0.95);
  });

  it('calls the window partial until half of it has passed, and never again', async () => {
    const source = sourceOf(400);
    expect(sample(source).isPartial).toBe(true);
    await pause(210);
    for (let i = 0; i < 60; i++) {
      expect(sample(source).isPartial).toBe(false);
      await pause(10);
    }
  });

  it('lays what it waited for a CPU to the wait, and what it computed to itself', async () => {
    const work = `const { EventLoopSource } = require('./dist/cjs/sources/event-loop.js');
      const source = new EventLoopSource(2_000);
      setInterval(() => { const to = process.cpuUsage().user + 5e4; while (process.cpuUsage().user < to); }, 60);
      setTimeout(() => { console.log(JSON.stringify(source.sample(performance.now(), 0))); process.exit(); }, 2_500);`;
    const alone = await readingOf([process.execPath, '-e', work]);
    const burners = Array.from({ length: 3 }, () =>
      spawn('taskset', ['0x1', process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' }),
    );
    try {
      const starved = await readingOf(['taskset', '0x1', 'nice', '-n', '10', process.execPath, '-e', work]);
      expect(starved.cpuWaitRatio).toBeGreaterThan(0.6);
      expect(starved.cpuWaitRatio).toBeGreaterThan(alone.cpuWaitRatio!);
      expect(starved.p99DelayMs).toBeGreaterThan(100);
    } finally {
      for (const burner of burners) burner.kill('SIGKILL');
    }
  });

  it('makes no share of the few ms that an idle loop waits', async () => {
    const idle = `const { EventLoopSource } = require('./dist/cjs/sources/event-loop.js');
      const source = new EventLoopSource(2_000);
      setTimeout(() => { console.log(JSON.stringify(source.sample(performance.now(), 0))); process.exit(); }, 2_500);`;
    const { cpuWaitRatio, p99DelayMs } = await readingOf([process.execPath, '-e', idle]);
    // A busy machine makes every loop late.
    expect(p99DelayMs > 50 || cpuWaitRatio! < 0.5).toBe(true);
  });

  it('gives numbers from 0 on, the ratio at most 1, at any time', () => {
    const source = sourceOf(100);
    for (const now of [performance.now(), performance.now(), 1e9, 1e12]) {
      const { utilizationRatio, maxDelayMs, p99DelayMs } = source.sample(now, 0);
      expect(utilizationRatio).toBeGreaterThanOrEqual(0);
      expect(utilizationRatio).toBeLessThanOrEqual(1);
      expect(maxDelayMs).toBeGreaterThanOrEqual(0);
      expect(p99DelayMs).toBeGreaterThanOrEqual(0);
    }
  });
});

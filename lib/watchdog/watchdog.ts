/**
 * Stage 5, ACT: the main thread's half of the watchdog. It starts the thread, beats, and passes on what it should know.
 * Whatever goes wrong with it, the host does not notice.
 */
import { performance } from 'node:perf_hooks';
import { clearInterval, setInterval } from 'node:timers';
import { isMainThread, Worker } from 'node:worker_threads';
import type { Finding } from '../indicators/finding.js';
import type { Gauge } from '../verdict/scheduler.js';
import { BEAT, DEBUGGED, type News, type Over, type Terms } from './terms.js';
import { threadFile } from './thread-file.js';

/** What it acts on. */
export interface Watched {
  readonly terms: Omit<Terms, 'beats' | 'beatMs' | 'cwd'>;
  /** The loop was blocked, and runs again. */
  over(over: Over): void;
  /** Nobody watches, or not any more. */
  absent(): void;
  log(level: 'log' | 'warn', text: string): void;
}

const REGISTRY = Symbol.for('nestjs-vitals.watchdog');
/** Much more than it needs; without a limit a young heap of its own would grow to 16 MB and more. */
const LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32, stackSizeMb: 1 };
const MAX_STARTS = 2;
const THREAD = 'worker.js';

export class Watchdog {
  private readonly beats = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  private readonly beatMs: number;
  private worker: Worker | null = null;
  private timer: NodeJS.Timeout | null = null;
  private starts = 0;
  private news: News | null = null;
  private last: { readonly over: Over; readonly at: number } | null = null;

  constructor(private readonly watched: Watched) {
    this.beatMs = Math.min(250, Math.max(25, watched.terms.blockedAfterMs / 4));
  }

  /** One watchdog for each process: where another application, or another copy of us, has it, that one is enough. */
  start(): void {
    const registry = globalThis as { [REGISTRY]?: Watchdog };
    if (registry[REGISTRY]) return this.watched.absent();
    const why = whyNot();
    if (why) {
      this.watched.log('warn', `no watchdog: ${why}`);
      return this.watched.absent();
    }
    registry[REGISTRY] = this;
    this.timer = setInterval(() => Atomics.add(this.beats, BEAT, 1), this.beatMs);
    this.timer.unref();
    this.lookForDebugger();
    this.run();
  }

  stop(): void {
    const registry = globalThis as { [REGISTRY]?: Watchdog };
    if (registry[REGISTRY] !== this) return;
    delete registry[REGISTRY];
    const { worker } = this;
    this.rest();
    void worker?.terminate();
  }

  /** To be told of every snapshot. */
  hear(news: News): void {
    this.news = news;
    try {
      this.worker?.postMessage(news);
    } catch {
      // A check of the host's put something into its data that cannot cross to another thread.
    }
  }

  /** The gauge of the event loop, which names where it was blocked. */
  naming(gauge: Gauge, windowMs: number): Gauge {
    return {
      ...gauge,
      read: (now, lateMs) => {
        const finding = gauge.read(now, lateMs);
        const isFresh = this.last && now - this.last.at < windowMs + 2 * this.beatMs;
        return typeof finding === 'string' || !isFresh ? finding : named(finding, this.last!.over);
      },
    };
  }

  private run(): void {
    const terms: Terms = { ...this.watched.terms, beats: this.beats, beatMs: this.beatMs, cwd: cwd() };
    let error: Error | null = null;
    try {
      this.starts++;
      const worker = new Worker(threadFile(THREAD)!, {
        workerData: terms,
        name: 'nestjs-vitals watchdog',
        execArgv: [],
        env: {},
        stdout: true,
        stderr: true,
        resourceLimits: LIMITS,
      });
      worker.on('error', (problem) => (error = problem));
      worker.on('message', (over: Over) => this.pass(over));
      worker.on('exit', () => worker === this.worker && this.lose(error));
      worker.unref();
      this.worker = worker;
      // A second one must not wait for the next snapshot to know whom it answers for.
      if (this.news) this.hear(this.news);
    } catch (problem) {
      this.lose(problem as Error);
    }
  }

  private pass(over: Over): void {
    this.last = { over, at: performance.now() };
    this.watched.over(over);
  }

  private lose(error: Error | null): void {
    const isLast = this.starts >= MAX_STARTS;
    const why = error ? error.message : 'its thread ended';
    this.watched.log('warn', `${isLast ? 'no watchdog any more' : 'the watchdog starts once more'}: ${why}`);
    if (!isLast) return this.run();
    this.rest();
    this.watched.absent();
  }

  private rest(): void {
    if (this.timer) clearInterval(this.timer);
    this.worker = this.timer = null;
  }

  /** Only the main thread knows whether its inspector listens. */
  private lookForDebugger(): void {
    void import('node:inspector').then(
      ({ url }) => {
        const look = (): number => Atomics.store(this.beats, DEBUGGED, url() === undefined ? 0 : 1);
        look();
        const timer = setInterval(() => (this.timer ? look() : clearInterval(timer)), this.beatMs);
        timer.unref();
      },
      () => {},
    );
  }
}

function named(finding: Finding, { forMs, where }: Over): Finding {
  if (finding.code !== 'LOOP_BLOCKED') return finding;
  return {
    ...finding,
    message: `${finding.message}; last blocked for ${forMs} ms in ${where}`,
    data: { ...finding.data, blockedForMs: forMs, blockedIn: where },
  };
}

function whyNot(): string | null {
  if (!isMainThread) return 'it watches the main thread of a process, and this is another one';
  const { permission } = process as { permission?: { has(scope: string): boolean } };
  if (permission && !permission.has('worker'))
    return 'the permission model allows no thread (--allow-worker)';
  if (threadFile(THREAD)) return null;
  return `its file ${THREAD} is not there; where the application is bundled, leave nestjs-vitals out of the bundle`;
}

function cwd(): string {
  try {
    return process.cwd();
  } catch {
    return '/';
  }
}

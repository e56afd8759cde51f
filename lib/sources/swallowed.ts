/**
 * Stage 1, MEASURE: uncaught errors after which the process lived on, because a handler of the host's swallowed them.
 * It handles none itself: what would have crashed without it crashes with it, with the same words and exit code.
 */
import { performance } from 'node:perf_hooks';
import { SlidingWindow } from './window.js';

/** Swallowed errors. Immutable numbers. */
export interface SwallowedReading {
  readonly windowMs: number;
  readonly inWindow: number;
  /** Since the source was opened. */
  readonly total: number;
  /** By `code`, or by name where there is none, most first; past twenty of them the rest is `other`. */
  readonly codes: readonly { readonly code: string; readonly total: number }[];
}

/** A process that has lived on for so long after an uncaught error lives on, ms. Reporters flush for less. */
const SURVIVED_AFTER_MS = 1_000;
const MAX_CODES = 20;
const MAX_PENDING = 10_000;

/**
 * How listeners of ours are told from the host's, by every copy of this package: with a listener for
 * `unhandledRejection` Node does not crash, so ours is there only beside one that is not.
 */
const OURS = Symbol.for('nestjs-vitals.swallowed');

type Listener = (...args: never[]) => void;

/** Listens from its making to `close()`. Never throws. */
export class SwallowedSource {
  private readonly window: SlidingWindow;
  private readonly codes = new Map<string, number>();
  private readonly seen = new WeakSet<object>();
  /** Uncaught errors that the process may yet die of, oldest first. */
  private pending: { readonly at: number; readonly code: string }[] = [];
  private total = 0;

  private readonly onError = ours((error: unknown): void => this.note(error));
  private readonly onNew = ours((event: string | symbol, listener: Listener): void => {
    if (event === 'unhandledRejection' && !isOurs(listener)) this.accompany();
  });
  private readonly onGone = ours((event: string | symbol): void => {
    // Not at once: `removeAllListeners` walks the very list that ours would be taken from. Rejections come later still.
    if (event === 'unhandledRejection') process.nextTick(() => this.leave());
  });

  constructor(private readonly windowMs: number) {
    this.window = new SlidingWindow(windowMs);
    process.on('uncaughtExceptionMonitor', this.onError);
    process.on('newListener', this.onNew);
    process.on('removeListener', this.onGone);
    if (hasForeign()) this.accompany();
  }

  /** The last `windowMs` up to `now`, on the clock of `performance.now()`. */
  sample(now: number): SwallowedReading {
    const survived = this.pending.filter(({ at }) => now - at >= SURVIVED_AFTER_MS);
    this.pending = this.pending.slice(survived.length);
    for (const { at, code } of survived) this.count(at, code);
    const codes = [...this.codes].map(([code, total]) => ({ code, total }));
    return {
      windowMs: this.windowMs,
      inWindow: this.window.sum(now),
      total: this.total,
      codes: codes.sort((a, b) => b.total - a.total),
    };
  }

  /** Takes all listeners away. Calling it again changes nothing. */
  close(): void {
    process.off('newListener', this.onNew);
    process.off('removeListener', this.onGone);
    process.off('uncaughtExceptionMonitor', this.onError);
    process.off('unhandledRejection', this.onError);
  }

  private accompany(): void {
    if (!process.listeners('unhandledRejection').includes(this.onError))
      process.on('unhandledRejection', this.onError);
  }

  private leave(): void {
    if (!hasForeign()) process.off('unhandledRejection', this.onError);
  }

  /** A handler for rejections that throws makes the same error an exception: it is one error. */
  private note(error: unknown): void {
    try {
      if (typeof error === 'object' && error !== null) {
        if (this.seen.has(error)) return;
        this.seen.add(error);
      }
      if (this.pending.length < MAX_PENDING)
        this.pending.push({ at: performance.now(), code: codeOf(error) });
    } catch {
      // A hostile error object: it goes uncounted.
    }
  }

  private count(at: number, code: string): void {
    this.total++;
    this.window.add(at);
    const label = this.codes.has(code) || this.codes.size < MAX_CODES ? code : 'other';
    this.codes.set(label, (this.codes.get(label) ?? 0) + 1);
  }
}

/** What errors are grouped by. Never the message: it may hold a name, an address, a statement. */
function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  const word = [code, name].find((one) => typeof one === 'string' && /^[\w.-]{1,40}$/.test(one));
  return (word as string | undefined) ?? typeof error;
}

function ours<T extends Listener>(listener: T): T {
  return Object.assign(listener, { [OURS]: true });
}

function isOurs(listener: unknown): boolean {
  return (listener as { [OURS]?: boolean })[OURS] === true;
}

function hasForeign(): boolean {
  return process.listeners('unhandledRejection').some((listener) => !isOurs(listener));
}

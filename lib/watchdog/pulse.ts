/**
 * Stage 5, ACT: how long the main thread has been blocked, of the time in which it could have run. Pure.
 */

/** What is known at one tick of the watchdog. */
export interface Tick {
  /** Monotonic, ms. */
  readonly now: number;
  /** How often the main thread has beaten. */
  readonly beats: number;
  /** How long it has waited for a CPU since it began, ms. */
  readonly queuedMs: number;
  /** Whether it stands in line for a CPU right now. */
  readonly isInLine: boolean;
}

/**
 * The age of the last beat is no measure: a process that is stopped, paused or throttled does not beat either. A tick
 * counts for no more than two beats, since our own thread stops and starves with the process, and the time that the main
 * thread stood in line for a CPU does not count at all. The kernel adds that up only when the wait is over.
 */
export class Pulse {
  private last: Tick;
  private beatenAt: number;
  private effective = 0;
  /** Time in line that was left out already, before the kernel had added it up. */
  private leftOut = 0;

  constructor(
    private readonly beatMs: number,
    first: Tick,
  ) {
    this.last = first;
    this.beatenAt = first.now;
  }

  /** The main thread's own time since its last beat, ms. */
  get effectiveMs(): number {
    return this.effective;
  }

  /** By the clock on the wall, ms. */
  get wallMs(): number {
    return this.last.now - this.beatenAt;
  }

  tick(tick: Tick): void {
    const { last } = this;
    this.last = tick;
    if (tick.beats !== last.beats) {
      this.effective = this.leftOut = 0;
      this.beatenAt = tick.now;
      return;
    }
    const gapMs = Math.min(tick.now - last.now, 2 * this.beatMs);
    const queuedMs = tick.queuedMs - last.queuedMs;
    const newMs = Math.max(0, queuedMs - this.leftOut);
    this.leftOut = Math.max(0, this.leftOut - queuedMs) + (tick.isInLine ? gapMs : 0);
    // Taken off the whole: it may have been waited over many ticks.
    this.effective = Math.max(0, this.effective + (tick.isInLine ? 0 : gapMs) - newMs);
  }

  /** It runs, although it does not beat. */
  forgive(): void {
    this.effective = 0;
  }
}

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
}

/**
 * The age of the last beat is no measure: a process that is stopped, paused or throttled does not beat either. A tick
 * counts for no more than two beats, since our own thread stops and starves with the process, and the time that the main
 * thread stood in line for a CPU does not count at all.
 */
export class Pulse {
  private last: Tick;
  private beatenAt: number;
  private effective = 0;

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
      this.effective = 0;
      this.beatenAt = tick.now;
      return;
    }
    const gapMs = Math.min(tick.now - last.now, 2 * this.beatMs);
    this.effective += Math.max(0, gapMs - (tick.queuedMs - last.queuedMs));
  }

  /** It runs, although it does not beat. */
  forgive(): void {
    this.effective = 0;
  }
}

/**
 * Stage 1, MEASURE: how often something happened in the last `windowMs`. Fixed memory, no clock, no timer:
 * whoever counts says when. It does not know what it counts.
 */

const SLOTS = 60;

/**
 * Counts over a sliding window in 60 slots. What is older than `windowMs` is never counted; the oldest
 * `windowMs / 60` may already be forgotten, so the window covers between 59/60 and all of `windowMs`.
 */
export class SlidingWindow {
  private readonly slotMs: number;
  private readonly counts = new Float64Array(SLOTS);
  private readonly turns = new Float64Array(SLOTS).fill(-1);

  constructor(readonly windowMs: number) {
    this.slotMs = windowMs / SLOTS;
  }

  /** Counts what happened at `atMs`. Late news is sorted in; news older than the window is dropped. */
  add(atMs: number, count = 1): void {
    const turn = Math.floor(atMs / this.slotMs);
    const slot = turn % SLOTS;
    const known = this.turns[slot]!;
    if (turn < known) return;
    if (turn > known) {
      this.turns[slot] = turn;
      this.counts[slot] = 0;
    }
    this.counts[slot]! += count;
  }

  /** The sum over the window that ends at `nowMs`; what was counted for later than `nowMs` is left out. */
  sum(nowMs: number): number {
    const newest = Math.floor(nowMs / this.slotMs);
    let sum = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      const turn = this.turns[slot]!;
      if (turn > newest - SLOTS && turn <= newest) sum += this.counts[slot]!;
    }
    return sum;
  }
}

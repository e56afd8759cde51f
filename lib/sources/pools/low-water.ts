/**
 * Stage 1, MEASURE: how many connections have been out all the time? The fewest that were out, window by window: it goes up
 * and down with the load, and only up where what is taken does not come back. Told of counts with their time.
 */

/** The low-water mark of one pool. */
export class LowWater {
  /** The fewest that were out at once in the last whole window; `null` before the first is over. */
  mark: number | null = null;
  /** Windows whose mark was above that of the one before, since it last fell. */
  rises = 0;
  private from: number | null = null;
  private fewest = Infinity;

  constructor(private readonly windowMs: number) {}

  observe(now: number, used: number): void {
    this.from ??= now;
    this.fewest = Math.min(this.fewest, used);
    if (now - this.from < this.windowMs) return;
    this.settle(this.fewest);
    this.from = now;
    this.fewest = Infinity;
  }

  private settle(mark: number): void {
    const before = this.mark ?? mark;
    if (mark > before) this.rises += 1;
    if (mark < before) this.rises = 0;
    this.mark = mark;
  }
}

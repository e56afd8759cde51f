/**
 * Stage 1, MEASURE: what moved in a pool, and for how long nothing did. Told of events and gauges with their time;
 * has no clock and knows no driver.
 */
import { SlidingWindow } from '../window.js';
import type { Gauges } from './adapter.js';

interface Held {
  readonly since: number;
  readonly bytesRead: number | null;
}

/** The counters, windows and first-seen times of one pool since it was attached. */
export class Movements {
  checkouts = 0;
  checkins = 0;
  createFailures = 0;
  timeouts = 0;
  private readonly held = new Map<object, Held>();
  private waiters = new Map<object, number>();
  private lastCheckinAt = -Infinity;
  private lastWaitingAt = -Infinity;
  private saturatedSince: number | null = null;
  private unservedSince: number | null = null;
  private lastServedAt = -Infinity;
  private queue = { at: 0, length: 0 };
  private readonly sums;

  constructor(windowMs: number) {
    const window = (): SlidingWindow => new SlidingWindow(windowMs);
    this.sums = {
      checkouts: window(),
      checkins: window(),
      waits: window(),
      waitedMs: window(),
      queuedMs: window(),
      queries: window(),
      queriedMs: window(),
    };
  }

  /** A connection went out; `waitMs` where the driver tells. */
  checkout(now: number, connection: object, bytesRead: number | null, waitMs: number | null): void {
    this.checkouts += 1;
    this.lastServedAt = now;
    this.sums.checkouts.add(now);
    this.held.set(connection, { since: now, bytesRead });
    if (waitMs === null) return;
    this.sums.waits.add(now);
    this.sums.waitedMs.add(now, waitMs);
  }

  /** The checkout of `connection` was our own: it did not happen. */
  retract(now: number, connection: object): void {
    if (!this.held.delete(connection)) return;
    this.checkouts -= 1;
    this.sums.checkouts.add(now, -1);
  }

  /** A connection came back. Says whether the database had sent anything on it meanwhile. */
  checkin(now: number, connection: object, bytesRead: number | null): boolean {
    const held = this.held.get(connection);
    // tarn tells of a release before it finds out that the connection was not out.
    if (!held) return false;
    this.held.delete(connection);
    this.checkins += 1;
    this.lastCheckinAt = now;
    this.sums.checkins.add(now);
    return bytesRead !== null && held.bytesRead !== null && bytesRead > held.bytesRead;
  }

  query(now: number, ms: number): void {
    this.sums.queries.add(now);
    this.sums.queriedMs.add(now, ms);
  }

  /**
   * The length of the queue as found at `now`: the area below it, divided by the checkouts, is the mean wait
   * (Little's law). When each caller came is not told; between two looks they are taken to have come evenly.
   */
  queued(now: number, length: number): void {
    this.fillQueue(now, (this.queue.length + length) / 2);
    this.queue = { at: now, length };
  }

  /** The same just after a checkout. Whoever it served without a wait was never in the queue before. */
  served(now: number, length: number): void {
    this.fillQueue(now, this.queue.length);
    this.queue = { at: now, length };
  }

  /** The pool as it is at a sample: who holds a connection, who waits. */
  observe(now: number, gauges: Gauges, used: readonly object[], waiters: readonly object[]): void {
    const present = new Set(used);
    for (const connection of this.held.keys()) if (!present.has(connection)) this.held.delete(connection);
    for (const connection of used)
      if (!this.held.has(connection)) this.held.set(connection, { since: now, bytesRead: null });
    this.waiters = new Map(waiters.map((waiter) => [waiter, this.waiters.get(waiter) ?? now]));
    this.settleSaturation(now, gauges);
    const isUnserved = gauges.waiting > 0 && gauges.used < gauges.max;
    this.unservedSince = isUnserved ? (this.unservedSince ?? now) : null;
  }

  stillMs(now: number): number | null {
    return this.saturatedSince === null ? null : now - Math.max(this.saturatedSince, this.lastMovedAt);
  }

  unservedMs(now: number): number | null {
    return this.unservedSince === null ? null : now - this.unservedSince;
  }

  /** For how long callers have waited, the pool not full, without a connection for any of them; `null` when none do. */
  unopenedMs(now: number): number | null {
    return this.unservedSince === null ? null : now - Math.max(this.unservedSince, this.lastServedAt);
  }

  oldestCheckoutMs(now: number): number | null {
    return oldest(
      now,
      [...this.held.values()].map(({ since }) => since),
    );
  }

  oldestWaiterMs(now: number): number | null {
    return oldest(now, [...this.waiters.values()]);
  }

  checkinsInWindow(now: number): number {
    return this.sums.checkins.sum(now);
  }

  acquireWaitMs(now: number): number | null {
    const told = mean(this.sums.waitedMs.sum(now), this.sums.waits.sum(now));
    return told ?? mean(this.sums.queuedMs.sum(now), this.sums.checkouts.sum(now));
  }

  queryMs(now: number): number | null {
    return mean(this.sums.queriedMs.sum(now), this.sums.queries.sum(now));
  }

  /** A connection came back, or somebody got one. */
  private get lastMovedAt(): number {
    return Math.max(this.lastCheckinAt, this.lastServedAt);
  }

  private fillQueue(now: number, length: number): void {
    if (this.queue.at > 0 && now > this.queue.at) this.sums.queuedMs.add(now, length * (now - this.queue.at));
  }

  /**
   * Saturated from the first sample that finds the pool full and somebody waiting. It ends when a connection is to
   * be had, or when nobody waits any more because connections came back or were opened; not when the waiters gave up.
   */
  private settleSaturation(now: number, { max, used, opening, waiting }: Gauges): void {
    const isFull = used > 0 && used + opening >= max;
    const wereServed = this.lastMovedAt > this.lastWaitingAt;
    if (isFull && waiting > 0) this.saturatedSince ??= now;
    else if (!isFull || wereServed) this.saturatedSince = null;
    if (waiting > 0) this.lastWaitingAt = now;
  }
}

function oldest(now: number, since: readonly number[]): number | null {
  return since.length === 0 ? null : now - Math.min(...since);
}

function mean(sum: number, count: number): number | null {
  return count > 0 ? sum / count : null;
}

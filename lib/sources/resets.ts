/**
 * Stage 1, MEASURE: connection resets per origin over a sliding window, from what the hook sees. It judges nothing
 * and names no cause.
 */
import { holdResetHook, releaseResetHook } from './reset-hook.js';
import type { ConnectionEnd, ResetLedger } from './reset-ledger.js';
import type { OriginCounts } from './reset-origins.js';
import type { ResetOrigin, ResetReading } from './resets-reading.js';
import { SlidingWindow } from './window.js';

export { installResetHook, uninstallResetHook } from './reset-hook.js';

/** What ended with one origin. */
interface Ends {
  readonly resets: SlidingWindow;
  readonly connections: SlidingWindow;
}

/**
 * Reads the reset hook over `windowMs`. It installs the hook where nobody has, learns of the resets before it (up to
 * the last 1000), and holds the hook until `close()`.
 */
export class ResetSource {
  private readonly windowMs: number;
  private readonly ledger: ResetLedger;
  private readonly ends = new WeakMap<OriginCounts, Ends>();
  private readonly synthesized: SlidingWindow;
  private readonly timeouts: SlidingWindow;
  private readonly connectFailures: SlidingWindow;
  private readonly subscriber = (end: ConnectionEnd): void => this.count(end);

  constructor({ windowMs }: { readonly windowMs: number }) {
    this.windowMs = windowMs;
    this.synthesized = new SlidingWindow(windowMs);
    this.timeouts = new SlidingWindow(windowMs);
    this.connectFailures = new SlidingWindow(windowMs);
    this.ledger = holdResetHook(this);
    for (const end of this.ledger.recent) this.count(end);
    this.ledger.subscribers.add(this.subscriber);
  }

  /** The last `windowMs` up to `now`, on the clock of `performance.now()`. */
  sample(now: number): ResetReading {
    const { named, others } = this.ledger.origins;
    const origins = [...named.values(), ...Object.values(others)]
      .filter((origin) => origin.resets > 0)
      .map((origin) => this.originAt(origin, now))
      .sort((a, b) => b.inWindow - a.inWindow || b.total - a.total);
    return {
      windowMs: this.windowMs,
      origins,
      outboundInWindow: sumOf(origins, 'outbound'),
      inboundInWindow: sumOf(origins, 'inbound'),
      total: this.ledger.resets,
      synthesizedInWindow: this.synthesized.sum(now),
      timeoutsInWindow: this.timeouts.sum(now),
      connectFailuresInWindow: this.connectFailures.sum(now),
    };
  }

  /** Stops counting, and removes the hook where nobody else holds it. Calling it again changes nothing. */
  close(): void {
    this.ledger.subscribers.delete(this.subscriber);
    releaseResetHook(this);
  }

  private count({ at, outcome, connection, endsConnection }: ConnectionEnd): void {
    if (outcome === 'synthesized') this.synthesized.add(at);
    if (outcome === 'timed-out') this.timeouts.add(at);
    if (outcome === 'connect-failed') this.connectFailures.add(at);
    if (endsConnection) this.endsOf(connection.origin).connections.add(at);
    if (outcome === 'reset') this.endsOf(connection.origin).resets.add(at);
  }

  private endsOf(origin: OriginCounts): Ends {
    const known = this.ends.get(origin);
    if (known) return known;
    const ends = { resets: new SlidingWindow(this.windowMs), connections: new SlidingWindow(this.windowMs) };
    this.ends.set(origin, ends);
    return ends;
  }

  private originAt(origin: OriginCounts, now: number): ResetOrigin {
    const { resets, connections } = this.endsOf(origin);
    return {
      direction: origin.direction,
      peer: origin.peer,
      inWindow: resets.sum(now),
      total: origin.resets,
      connectionsInWindow: connections.sum(now) + origin.open,
    };
  }
}

function sumOf(origins: readonly ResetOrigin[], direction: ResetOrigin['direction']): number {
  return origins.reduce((sum, origin) => sum + (origin.direction === direction ? origin.inWindow : 0), 0);
}

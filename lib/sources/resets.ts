/**
 * Stage 1, MEASURE: connection resets per origin over a sliding window, and the last ends of each, from what the hook
 * sees. It judges nothing and names no cause.
 */
import { KernelSource } from './kernel.js';
import type { LastActivity } from './reset-activity.js';
import { holdResetHook, releaseResetHook } from './reset-hook.js';
import { lookAround, type ConnectionEnd, type ResetLedger } from './reset-ledger.js';
import type { OriginCounts } from './reset-origins.js';
import type { EndedConnection, ResetCount, ResetOrigin, ResetReading } from './resets-reading.js';
import { SlidingWindow } from './window.js';

export { installResetHook, uninstallResetHook } from './reset-hook.js';

/** What ended with one origin. */
interface Ends {
  readonly resets: SlidingWindow;
  readonly connections: SlidingWindow;
  /** The last that were not ours, oldest first. */
  readonly foreign: EndedConnection[];
}

/** Enough to tell a pattern from chance. */
const MAX_FOREIGN = 64;
/** What ended before says nothing of now, ms. */
const MAX_AGE_MS = 86_400_000;
/** A stall of ours explains what our peers do within so long after it, ms. */
const LATE_MS = 10_000;
/** The peers that most were read off are shown; a server that closes idle connections is one of them. */
const SHOWN_FROM = 5;

/**
 * Reads the reset hook over `windowMs`. It installs the hook where nobody has, learns of the resets before it (up to
 * the last 1000), and holds the hook until `close()`.
 */
export class ResetSource {
  private readonly windowMs: number;
  private readonly ledger: ResetLedger;
  private readonly kernel: KernelSource;
  private readonly ends = new WeakMap<OriginCounts, Ends>();
  private readonly byPhase = new Map<string, { -readonly [K in keyof ResetCount]: ResetCount[K] }>();
  private readonly synthesized: SlidingWindow;
  private readonly timeouts: SlidingWindow;
  private readonly connectFailures: SlidingWindow;
  private late: { readonly at: number; readonly ms: number }[] = [];
  private readonly subscriber = (end: ConnectionEnd): void => this.count(end);

  constructor({ windowMs }: { readonly windowMs: number }) {
    this.windowMs = windowMs;
    this.synthesized = new SlidingWindow(windowMs);
    this.timeouts = new SlidingWindow(windowMs);
    this.connectFailures = new SlidingWindow(windowMs);
    this.ledger = holdResetHook(this);
    this.kernel = new KernelSource(this.ledger);
    for (const end of this.ledger.recent) this.count(end);
    this.ledger.subscribers.add(this.subscriber);
  }

  /**
   * The last `windowMs` up to `now`, on the clock of `performance.now()`. Each sample also looks at what the open
   * connections did since the one before; `lateMs` is how late it is itself.
   */
  sample(now: number, lateMs = 0): ResetReading {
    lookAround(this.ledger, now);
    this.late = [...this.late.filter(({ at }) => now - at < LATE_MS), { at: now, ms: lateMs }];
    const { named, others } = this.ledger.origins;
    const origins = [...named.values(), ...Object.values(others)]
      .filter((origin) => origin.resets > 0 || (this.ends.get(origin)?.foreign.length ?? 0) >= SHOWN_FROM)
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
      kernel: this.kernel.sample(now),
    };
  }

  /** Resets by origin and phase, in the order they were first met in: no more than origins times phases. */
  get counts(): readonly ResetCount[] {
    return [...this.byPhase.values()];
  }

  /** Stops counting, and removes the hook where nobody else holds it. Calling it again changes nothing. */
  close(): void {
    this.ledger.subscribers.delete(this.subscriber);
    releaseResetHook(this);
  }

  private count(end: ConnectionEnd): void {
    const { at, outcome, connection, endsConnection } = end;
    const kind = foreignKindOf(end);
    if (kind) this.keep(end, kind);
    if (outcome === 'synthesized') this.synthesized.add(at);
    if (outcome === 'timed-out') this.timeouts.add(at);
    if (outcome === 'connect-failed') this.connectFailures.add(at);
    if (endsConnection) this.endsOf(connection.origin).connections.add(at);
    if (outcome === 'reset') {
      this.endsOf(connection.origin).resets.add(at);
      this.tally(end);
    }
  }

  private tally({ connection, last }: ConnectionEnd): void {
    const { direction, peer } = connection.origin;
    const phase = last?.phase ?? 'unknown';
    const key = `${direction} ${phase} ${peer}`;
    const known = this.byPhase.get(key);
    if (known) known.total++;
    else this.byPhase.set(key, { direction, peer, phase, total: 1 });
  }

  private keep(end: ConnectionEnd, kind: EndedConnection['kind']): void {
    const { at, connection, isTls, isReused } = end;
    const last = kind === 'timed-out' ? beforeWrite(end.last) : end.last;
    const { foreign } = this.endsOf(connection.origin);
    foreign.push({
      at,
      kind,
      phase: kind === 'connect-failed' ? 'connect' : (last?.phase ?? null),
      idleMs: last?.idleMs ?? null,
      idleErrorMs: last?.idleErrorMs ?? 0,
      ageMs: connection.beganAt === null ? null : at - connection.beganAt,
      isTls,
      isReused,
      answers: last?.answers ?? 0,
      loopDelayMs: Math.max(0, ...this.late.map(({ ms }) => ms)),
    });
    if (foreign.length > MAX_FOREIGN) foreign.shift();
  }

  private endsOf(origin: OriginCounts): Ends {
    const known = this.ends.get(origin);
    if (known) return known;
    const ends = {
      resets: new SlidingWindow(this.windowMs),
      connections: new SlidingWindow(this.windowMs),
      foreign: [],
    };
    this.ends.set(origin, ends);
    return ends;
  }

  private lately(ends: readonly EndedConnection[], now: number): EndedConnection[] {
    const inWindow = ends.filter(({ at }) => now - at < this.windowMs);
    return inWindow.length >= SHOWN_FROM ? inWindow : ends.filter(({ at }) => now - at < MAX_AGE_MS);
  }

  private originAt(origin: OriginCounts, now: number): ResetOrigin {
    const { resets, connections, foreign } = this.endsOf(origin);
    return {
      direction: origin.direction,
      peer: origin.peer,
      address: origin.address,
      inWindow: resets.sum(now),
      total: origin.resets,
      connectionsInWindow: connections.sum(now) + origin.open,
      ends: this.lately(foreign, now),
      survivedMs: Math.round(origin.survivedMs),
    };
  }
}

/** The kernel gives up a quarter of an hour after the write that nobody answered: the silence before it is what counts. */
function beforeWrite(last: LastActivity | null): LastActivity | null {
  return last && { ...last, phase: 'first-write-after-idle', idleMs: last.gapMs };
}

/** What kind of foreign end it was; `null` when we ended it, or when it was inbound: clients come and go at will. */
function foreignKindOf({
  outcome,
  connection,
  endsConnection,
  last,
}: ConnectionEnd): EndedConnection['kind'] | null {
  if (connection.origin.direction !== 'outbound') return null;
  if (outcome === 'reset' || outcome === 'connect-failed') return outcome;
  if (outcome === 'timed-out') return last?.phase === 'mid-request' ? outcome : null;
  // Whoever hangs up after we have said something was asked to: that was our goodbye.
  if (outcome !== 'closed' || last?.phase === 'first-write-after-idle') return null;
  return endsConnection && connection.closedBy === 'peer' ? 'fin' : null;
}

function sumOf(origins: readonly ResetOrigin[], direction: ResetOrigin['direction']): number {
  return origins.reduce((sum, origin) => sum + (origin.direction === direction ? origin.inWindow : 0), 0);
}

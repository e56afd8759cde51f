/**
 * Stage 1, MEASURE: one pool from attaching to it to letting go of it. It listens and looks, has the question put that is
 * due, and makes the reading. It never judges.
 */
import { performance } from 'node:perf_hooks';
import type { PoolAdapter, PoolEvents } from './adapter.js';
import { POISONED_AT, type PoolAsking } from './asking.js';
import { bytesReadOf, codeOf, isDead, isNetworkError } from './duck.js';
import { Holdings } from './holdings.js';
import { Hygiene } from './hygiene.js';
import { Inquiry } from './inquiry.js';
import { Movements } from './movements.js';
import { Peers } from './peers.js';
import { rounded, type PoolReading } from './reading.js';

/** What a source is given: how to ask, and whether it may act. */
export interface PoolSettings extends PoolAsking {
  /** Close idle connections that are dead, or older than a burst of resets. Default `false`. */
  readonly hygiene?: boolean;
}

/** Whose connections go to which peers: where the pool's database is, as it was told and as it was met. */
export interface Owned {
  readonly peers: readonly string[];
  readonly driver: string;
  /** Whether connections that the driver lost are recognized; `null` where that is not known. */
  readonly evictsLost: boolean | null;
}

/** From attaching to one pool to letting go of it. */
export class Watch {
  private readonly movements: Movements;
  private readonly holdings: Holdings;
  private readonly inquiry: Inquiry;
  private readonly peers = new Peers();
  private readonly hygiene: Hygiene | null;
  private readonly detach: () => void;
  private deadCount = 0;
  private tellsWaits = false;

  constructor(
    readonly adapter: PoolAdapter,
    private readonly options: PoolSettings,
    now: number,
    /** Whether the pool is known to recognize connections that its driver lost. */
    private readonly evictsLost: boolean | null,
    private readonly tell: (did: string) => void,
  ) {
    this.hygiene = options.hygiene ? new Hygiene(adapter, (peer) => this.peers.has(peer)) : null;
    this.movements = new Movements(options.windowMs);
    this.holdings = new Holdings(adapter, options);
    this.inquiry = new Inquiry(adapter, options);
    this.movements.queued(now, adapter.waiting());
    this.detach = adapter.attach(this.events());
  }

  get owned(): Owned {
    return { peers: this.peers.all, driver: this.adapter.driver, evictsLost: this.evictsLost };
  }

  sample(now: number): PoolReading {
    const { adapter, movements, holdings, inquiry } = this;
    this.noticeDead();
    this.clean(now);
    const gauges = adapter.gauges();
    const used = adapter.used();
    movements.observe(now, gauges, used, adapter.waiters());
    movements.queued(now, gauges.waiting);
    holdings.observe(now, gauges, used);
    const [stillMs, unservedMs] = [movements.stillMs(now), movements.unservedMs(now)];
    const isPoisoned = (holdings.failures.worst(now)?.inARow ?? 0) >= POISONED_AT;
    inquiry.ask({ now, gauges, stillMs, unservedMs, isPoisoned });
    if (inquiry.target) this.peers.configure(inquiry.target);
    for (const connection of [...used, ...(adapter.idle?.() ?? [])]) this.peers.meet(connection);
    return {
      driver: adapter.driver,
      windowMs: this.options.windowMs,
      ...gauges,
      checkouts: movements.checkouts,
      checkins: movements.checkins,
      createFailures: movements.createFailures,
      timeouts: movements.timeouts,
      checkinsInWindow: movements.checkinsInWindow(now),
      stillMs: rounded(stillMs),
      oldestCheckoutMs: rounded(movements.oldestCheckoutMs(now)),
      oldestWaiterMs: rounded(movements.oldestWaiterMs(now)),
      acquireWaitMs: rounded(movements.acquireWaitMs(now)),
      queryMs: rounded(movements.queryMs(now)),
      unopenedMs: rounded(movements.unopenedMs(now)),
      ...holdings.reading(now),
      dead: this.deadCount,
      evictsLost: this.evictsLost,
      evicted: this.hygiene?.evicted ?? 0,
      retired: this.hygiene?.retired ?? 0,
      database: inquiry.knowledge.reading(now),
    };
  }

  end(): void {
    this.detach();
    this.holdings.close();
    this.hygiene?.close();
    this.inquiry.end();
  }

  /** Before anything is counted: what was closed is in no figure of this reading. */
  private clean(now: number): void {
    const did = this.hygiene?.clean(now);
    if (!did) return;
    this.deadCount = this.adapter.dead();
    this.tell(did);
  }

  /** A connection can break without anybody being told: one that leaked, or a free one in tarn. */
  private noticeDead(): void {
    const dead = this.adapter.dead();
    if (dead > this.deadCount) this.inquiry.hasTrouble = true;
    this.deadCount = dead;
  }

  private events(): PoolEvents {
    const { adapter, movements, holdings, inquiry } = this;
    return {
      checkout: (connection, waitMs) => {
        const now = performance.now();
        movements.checkout(now, connection, bytesReadOf(connection), waitMs);
        this.tellsWaits ||= waitMs !== null;
        if (waitMs === null) movements.served(now, adapter.waiting());
        holdings.checkout(now, connection);
        this.peers.meet(connection);
      },
      retract: (connection) => movements.retract(performance.now(), connection),
      checkin: (connection, error) => this.checkin(connection, error),
      opened: () => inquiry.opened(),
      createFailure: () => {
        movements.createFailures += 1;
        inquiry.hasTrouble = true;
      },
      timeout: () => {
        movements.timeouts += 1;
      },
      answer: (queryMs, connection) => {
        const now = performance.now();
        inquiry.knowledge.heard(now);
        if (connection) holdings.failures.answered(connection);
        if (queryMs !== null) movements.query(now, queryMs);
      },
      queryFailure: (error, connection) => {
        if (!isNetworkError(error)) return;
        inquiry.hasTrouble = true;
        if (connection) holdings.failures.failed(performance.now(), connection, codeOf(error));
      },
      breakage: () => {
        inquiry.hasTrouble = true;
      },
    };
  }

  private checkin(connection: object, error: unknown): void {
    const { movements, inquiry } = this;
    const { failures } = this.holdings;
    const now = performance.now();
    // It is a walk along the queue in some drivers, and of no use where each caller's wait is told.
    if (!this.tellsWaits) movements.queued(now, this.adapter.waiting());
    const wasAnswered = movements.checkin(now, connection, bytesReadOf(connection));
    // A server that shuts down says goodbye: bytes on a connection that is broken now prove nothing.
    if (isNetworkError(error) || isDead(connection)) {
      inquiry.hasTrouble = true;
      failures.failed(now, connection, isNetworkError(error) ? codeOf(error) : 'DEAD');
    } else if (wasAnswered) {
      inquiry.knowledge.heard(now);
      failures.answered(connection);
    }
    failures.returned(connection);
  }
}

/**
 * Stage 1, MEASURE: one pool from attaching to it to letting go of it. It listens and looks, puts the question that is
 * due, and makes the reading. It never judges.
 */
import { performance } from 'node:perf_hooks';
import type { PoolAdapter, PoolEvents } from './adapter.js';
import { canConnect, canPing, dueQuestion, POISONED_AT, type PoolAsking, type Situation } from './asking.js';
import { CheckoutCallers } from './checkout-callers.js';
import { bytesReadOf, codeOf, isDead, isNetworkError } from './duck.js';
import { Failures } from './failures.js';
import { Hygiene } from './hygiene.js';
import { Knowledge } from './knowledge.js';
import { LowWater } from './low-water.js';
import { Movements } from './movements.js';
import { Peers } from './peers.js';
import { ping, type Ping } from './ping.js';
import { reach, type Answer, type Target } from './reach.js';
import type { PoolReading } from './reading.js';
import { Silence } from './silence.js';

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
  private readonly knowledge: Knowledge;
  private readonly silence: Silence;
  private readonly lowWater: LowWater;
  private readonly failures = new Failures();
  private readonly peers = new Peers();
  private readonly callers: CheckoutCallers;
  private readonly hygiene: Hygiene | null;
  private readonly detach: () => void;
  private target: Target | null = null;
  private flight: Ping | null = null;
  private isConnecting = false;
  private connectStreak = 0;
  private unfinishedLogins = 0;
  private askedAt: number | null = null;
  private hasTrouble = false;
  private deadCount = 0;
  private tellsWaits = false;
  private isEnded = false;

  constructor(
    readonly adapter: PoolAdapter,
    private readonly options: PoolSettings,
    now: number,
    /** Whether the pool is known to recognize connections that its driver lost. */
    private readonly evictsLost: boolean | null,
    private readonly tell: (did: string) => void,
  ) {
    this.silence = new Silence(adapter);
    this.lowWater = new LowWater(options.leakAfterMs);
    this.callers = new CheckoutCallers(adapter);
    if (options.hygiene && !adapter.retire)
      tell(`closes nothing: a pool of ${adapter.driver} lets nobody close single idle connections`);
    this.hygiene = options.hygiene ? new Hygiene(adapter, (peer) => this.peers.has(peer)) : null;
    this.movements = new Movements(options.windowMs);
    this.knowledge = new Knowledge(options);
    this.movements.queued(now, adapter.waiting());
    this.detach = adapter.attach(this.events());
  }

  get owned(): Owned {
    return { peers: this.peers.all, driver: this.adapter.driver, evictsLost: this.evictsLost };
  }

  sample(now: number): PoolReading {
    const { adapter, movements } = this;
    this.noticeDead();
    this.clean(now);
    const gauges = adapter.gauges();
    const used = adapter.used();
    movements.observe(now, gauges, used, adapter.waiters());
    movements.queued(now, gauges.waiting);
    this.observe(now, gauges, used);
    this.target = adapter.target() ?? this.target;
    if (this.target) this.peers.configure(this.target);
    for (const connection of [...used, ...(adapter.idle?.() ?? [])]) this.peers.meet(connection);
    const situation = this.situation(now, gauges);
    if (canPing(situation)) this.connectStreak = 0;
    const question = dueQuestion(situation, this.options);
    if (question === 'ping') this.ping(now);
    if (question === 'connect') this.connect(now);
    return {
      driver: adapter.driver,
      windowMs: this.options.windowMs,
      ...gauges,
      checkouts: movements.checkouts,
      checkins: movements.checkins,
      createFailures: movements.createFailures,
      timeouts: movements.timeouts,
      checkinsInWindow: movements.checkinsInWindow(now),
      stillMs: rounded(movements.stillMs(now)),
      oldestCheckoutMs: rounded(movements.oldestCheckoutMs(now)),
      oldestWaiterMs: rounded(movements.oldestWaiterMs(now)),
      acquireWaitMs: rounded(movements.acquireWaitMs(now)),
      queryMs: rounded(movements.queryMs(now)),
      unopenedMs: rounded(movements.unopenedMs(now)),
      ...this.silent(now),
      ...this.asked(now),
      unseen: Math.max(0, gauges.used - this.silence.seen),
      lowWater: this.lowWater.mark,
      lowWaterRises: this.lowWater.rises,
      dead: this.deadCount,
      failing: this.failing(now),
      evictsLost: this.evictsLost,
      evicted: this.hygiene?.evicted ?? 0,
      retired: this.hygiene?.retired ?? 0,
      database: this.knowledge.reading(now),
    };
  }

  end(): void {
    this.isEnded = true;
    this.detach();
    this.callers.close();
    this.hygiene?.close();
    this.flight?.abandon();
  }

  /** What is learned of single connections. */
  private observe(now: number, gauges: Situation['gauges'], used: readonly object[]): void {
    const { adapter, options } = this;
    this.silence.observe(now, used);
    this.lowWater.observe(now, gauges.used);
    this.failures.observe(now, used, adapter.idle?.() ?? null, options.windowMs);
    const isSuspicious = this.silence.over(now, options.leakAfterMs / 2).length > 0;
    this.callers.observe(now, { max: gauges.max, used: gauges.used, isSuspicious });
  }

  /** Before anything is counted: what was closed is in no figure of this reading. */
  private clean(now: number): void {
    const did = this.hygiene?.clean(now);
    if (!did) return;
    this.deadCount = this.adapter.dead();
    this.tell(did);
  }

  private silent(now: number): Pick<PoolReading, 'silent' | 'oldestSilentMs' | 'silentBy'> {
    const leaked = this.silence.over(now, this.options.leakAfterMs);
    const oldestSilentMs = rounded(this.silence.over(now, 0)[0]?.silentMs ?? null);
    return { silent: leaked.length, oldestSilentMs, silentBy: this.firstCaller(leaked) };
  }

  private asked(now: number): Pick<PoolReading, 'asking' | 'oldestQueryMs' | 'queryAgeMs' | 'askedBy'> {
    const asked = this.silence.asked(now);
    const sumMs = asked.reduce((sum, { askedMs }) => sum + askedMs, 0);
    return {
      asking: asked.length,
      oldestQueryMs: rounded(asked[0]?.askedMs ?? null),
      queryAgeMs: rounded(asked.length > 0 ? sumMs / asked.length : null),
      askedBy: this.firstCaller(asked),
    };
  }

  private firstCaller(checkouts: readonly { readonly connection: object }[]): string | null {
    return checkouts.map(({ connection }) => this.callers.of(connection)).find((one) => one !== null) ?? null;
  }

  private failing(now: number): PoolReading['failing'] {
    const worst = this.failures.worst(now);
    return worst && { inARow: worst.inARow, forMs: rounded(worst.forMs)!, errorCode: worst.code };
  }

  private situation(now: number, gauges: Situation['gauges']): Situation {
    return {
      now,
      gauges,
      stillMs: this.movements.stillMs(now),
      unservedMs: this.movements.unservedMs(now),
      isReachable: this.knowledge.isReachable,
      knownAt: this.knowledge.knownAt,
      askedAt: this.askedAt,
      hasTrouble: this.hasTrouble,
      isPinging: this.flight !== null,
      isConnecting: this.isConnecting,
      connectStreak: this.connectStreak,
      isPoisoned: (this.failures.worst(now)?.inARow ?? 0) >= POISONED_AT,
      protocol: this.target?.protocol ?? null,
      unfinishedLogins: this.unfinishedLogins,
    };
  }

  private ping(now: number): void {
    this.put(now);
    let flight: Ping;
    try {
      flight = ping(this.adapter, this.options.pingTimeoutMs);
    } catch (error) {
      this.learn(now, 'ping', { kind: 'failed', code: codeOf(error) });
      return;
    }
    this.flight = flight;
    void flight.answer.then((answer) => this.learn(now, 'ping', answer));
    // Single flight ends when the driver has let go of it, not when our patience has.
    void flight.settled.then(() => {
      this.flight = null;
    });
  }

  private connect(now: number): void {
    this.put(now);
    this.isConnecting = true;
    void reach(this.target!, this.options.pingTimeoutMs).then((answer) => {
      this.isConnecting = false;
      this.learn(now, 'connect', answer);
      this.unfinishedLogins += 1;
      this.connectStreak = answer.kind === 'answered' ? this.connectStreak + 1 : 0;
    });
  }

  private learn(askedAt: number, by: 'ping' | 'connect', answer: Answer): void {
    if (this.isEnded || answer.kind === 'unasked') return;
    if (answer.kind === 'behind') {
      if (this.canConnect) this.connect(performance.now());
      return;
    }
    if (answer.kind === 'lost' && this.canConnect) {
      // Only outside the pool can it be learned whether the database is lost too; and the next connection may be.
      this.connect(performance.now());
      this.hasTrouble = true;
      return;
    }
    // A question that taught nothing is put again soon.
    if (!this.knowledge.learn(performance.now(), askedAt, by, answer)) this.hasTrouble = true;
  }

  private get canConnect(): boolean {
    const { isConnecting, unfinishedLogins } = this;
    return canConnect({ isConnecting, unfinishedLogins, protocol: this.target?.protocol ?? null });
  }

  private put(now: number): void {
    this.askedAt = now;
    this.hasTrouble = false;
  }

  /** A connection can break without anybody being told: one that leaked, or a free one in tarn. */
  private noticeDead(): void {
    const dead = this.adapter.dead();
    if (dead > this.deadCount) this.hasTrouble = true;
    this.deadCount = dead;
  }

  private events(): PoolEvents {
    const { adapter, movements, knowledge, failures, callers } = this;
    return {
      checkout: (connection, waitMs) => {
        const now = performance.now();
        movements.checkout(now, connection, bytesReadOf(connection), waitMs);
        this.tellsWaits ||= waitMs !== null;
        if (waitMs === null) movements.served(now, adapter.waiting());
        this.silence.checkout(now, connection);
        this.peers.meet(connection);
        callers.forget(connection);
      },
      retract: (connection) => movements.retract(performance.now(), connection),
      checkin: (connection, error) => this.checkin(connection, error),
      opened: () => {
        this.unfinishedLogins = 0;
      },
      createFailure: () => {
        movements.createFailures += 1;
        this.hasTrouble = true;
      },
      timeout: () => {
        movements.timeouts += 1;
      },
      answer: (queryMs, connection) => {
        const now = performance.now();
        knowledge.heard(now);
        if (connection) failures.answered(connection);
        if (queryMs !== null) movements.query(now, queryMs);
      },
      queryFailure: (error, connection) => {
        if (!isNetworkError(error)) return;
        this.hasTrouble = true;
        if (connection) failures.failed(performance.now(), connection, codeOf(error));
      },
      breakage: () => {
        this.hasTrouble = true;
      },
    };
  }

  private checkin(connection: object, error: unknown): void {
    const { movements, failures } = this;
    const now = performance.now();
    // It is a walk along the queue in some drivers, and of no use where each caller's wait is told.
    if (!this.tellsWaits) movements.queued(now, this.adapter.waiting());
    const wasAnswered = movements.checkin(now, connection, bytesReadOf(connection));
    // A server that shuts down says goodbye: bytes on a connection that is broken now prove nothing.
    if (isNetworkError(error) || isDead(connection)) {
      this.hasTrouble = true;
      failures.failed(now, connection, isNetworkError(error) ? codeOf(error) : 'DEAD');
    } else if (wasAnswered) {
      this.knowledge.heard(now);
      failures.answered(connection);
    }
    failures.returned(connection);
  }
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.max(0, Math.round(ms));
}

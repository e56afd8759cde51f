/**
 * Stage 1, MEASURE: reads one pool on the schedule and asks the database behind it when nothing else tells.
 * The pool is looked up at every sample, because a host may create it late and replace it. It never judges.
 */
import { performance } from 'node:perf_hooks';
import type { PoolAdapter, PoolEvents } from './adapter.js';
import { canPing, dueQuestion, type PoolAsking, type Situation } from './asking.js';
import { bytesReadOf, codeOf, isDead, isNetworkError, peek } from './duck.js';
import { peerOf } from '../reset-origins.js';
import { Knowledge } from './knowledge.js';
import { Movements } from './movements.js';
import { ping, type Ping } from './ping.js';
import { reach, type Answer, type Target } from './reach.js';
import type { PoolReading } from './reading.js';
import { ACCEPTED_POOLS, adapterFor } from './index.js';

export type { PoolAsking } from './asking.js';

/** One pool under observation. */
export class PoolSource {
  /** Why there is nothing to read although the resolver answered: what it must be, what it was. */
  problem: string | null = null;
  private watch: Watch | null = null;
  private isClosed = false;

  /** `resolve` is called at every sample; while it answers nothing, or throws, the pool is not there yet. */
  constructor(
    readonly name: string,
    private readonly resolve: () => unknown,
    private readonly options: PoolAsking,
  ) {}

  /**
   * The pool at `now` (on the clock of `performance.now()`), without taking a connection; `null` while there is no
   * pool. Starts a question when one is due; its answer is in a later reading. Never throws.
   */
  sample(now: number): PoolReading | null {
    if (this.isClosed) return null;
    try {
      const adapter = this.find();
      if (adapter?.pool !== this.watch?.adapter.pool) this.swap(adapter, now);
      return this.watch?.sample(now) ?? null;
    } catch (error) {
      this.problem = `pool "${this.name}" could not be read (${String(peek(error, 'message'))})`;
      return null;
    }
  }

  /** Where the database of the present pool is, as `host:port` or `unix:/path`, and by which driver; `null` until known. */
  get owned(): { readonly peer: string; readonly driver: string } | null {
    return this.watch?.owned ?? null;
  }

  /** Takes every listener off the pool and gives up the question under way. */
  close(): void {
    this.isClosed = true;
    this.swap(null, 0);
  }

  private find(): PoolAdapter | null {
    this.problem = null;
    let value: unknown;
    try {
      value = this.resolve();
    } catch {
      return null;
    }
    if (value === undefined || value === null) return null;
    const adapter = adapterFor(value);
    if (!adapter) this.problem = `pool "${this.name}" must be ${ACCEPTED_POOLS}, got ${kindOf(value)}`;
    return adapter?.pool ? adapter : null;
  }

  private swap(adapter: PoolAdapter | null, now: number): void {
    this.watch?.end();
    this.watch = null;
    if (adapter) this.watch = new Watch(adapter, this.options, now);
  }
}

/** From attaching to one pool to letting go of it. */
class Watch {
  private readonly movements: Movements;
  private readonly knowledge: Knowledge;
  private readonly detach: () => void;
  private target: Target | null = null;
  private flight: Ping | null = null;
  private isConnecting = false;
  private connectStreak = 0;
  private unfinishedLogins = 0;
  private askedAt: number | null = null;
  private hasTrouble = false;
  private deadCount = 0;
  private isEnded = false;

  constructor(
    readonly adapter: PoolAdapter,
    private readonly options: PoolAsking,
    now: number,
  ) {
    this.movements = new Movements(options.windowMs);
    this.knowledge = new Knowledge(options);
    this.movements.queued(now, adapter.waiting());
    this.detach = adapter.attach(this.events());
  }

  get owned(): { readonly peer: string; readonly driver: string } | null {
    if (!this.target) return null;
    return { peer: peerOf([this.target.address]), driver: this.adapter.driver };
  }

  sample(now: number): PoolReading {
    const { adapter, movements } = this;
    const gauges = adapter.gauges();
    movements.observe(now, gauges, adapter.used(), adapter.waiters());
    movements.queued(now, gauges.waiting);
    this.noticeDead();
    this.target = adapter.target() ?? this.target;
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
      checkinsInWindow: movements.checkinsInWindow(now),
      stillMs: rounded(movements.stillMs(now)),
      oldestCheckoutMs: rounded(movements.oldestCheckoutMs(now)),
      oldestWaiterMs: rounded(movements.oldestWaiterMs(now)),
      acquireWaitMs: rounded(movements.acquireWaitMs(now)),
      queryMs: rounded(movements.queryMs(now)),
      database: this.knowledge.reading(now),
    };
  }

  end(): void {
    this.isEnded = true;
    this.detach();
    this.flight?.abandon();
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
    // A question that taught nothing is put again soon.
    if (!this.knowledge.learn(performance.now(), askedAt, by, answer)) this.hasTrouble = true;
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
    const { adapter, movements, knowledge } = this;
    return {
      checkout: (connection, waitMs) => {
        const now = performance.now();
        movements.checkout(now, connection, bytesReadOf(connection), waitMs);
        if (waitMs === null) movements.served(now, adapter.waiting());
      },
      retract: (connection) => movements.retract(performance.now(), connection),
      checkin: (connection, error) => {
        const now = performance.now();
        movements.queued(now, adapter.waiting());
        const wasAnswered = movements.checkin(now, connection, bytesReadOf(connection));
        // A server that shuts down says goodbye: bytes on a connection that is broken now prove nothing.
        if (isNetworkError(error) || isDead(connection)) this.hasTrouble = true;
        else if (wasAnswered) knowledge.heard(now);
      },
      opened: () => {
        this.unfinishedLogins = 0;
      },
      createFailure: () => {
        movements.createFailures += 1;
        this.hasTrouble = true;
      },
      answer: (queryMs) => {
        const now = performance.now();
        knowledge.heard(now);
        if (queryMs !== null) movements.query(now, queryMs);
      },
      queryFailure: (error) => {
        if (isNetworkError(error)) this.hasTrouble = true;
      },
      breakage: () => {
        this.hasTrouble = true;
      },
    };
  }
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.max(0, Math.round(ms));
}

/** What a value is, never what it holds. */
function kindOf(value: unknown): string {
  if (typeof value !== 'object') return typeof value === 'function' ? 'a function' : `a ${typeof value}`;
  const name = peek(value, 'constructor', 'name');
  return typeof name === 'string' && name !== '' ? `an object of class ${name}` : 'an object';
}

/**
 * Stage 1, MEASURE: the questions put to the database of one pool, one of each kind at a time, and what they taught. When one
 * is due is decided in asking.ts; what is known then, and for how long, in knowledge.ts.
 */
import { performance } from 'node:perf_hooks';
import type { PoolAdapter } from './adapter.js';
import { canConnect, canPing, dueQuestion, type PoolAsking, type Situation } from './asking.js';
import { codeOf } from './duck.js';
import { Knowledge } from './knowledge.js';
import { ping, type Ping } from './ping.js';
import { reach, type Answer, type Target } from './reach.js';

/** What of the situation the pool's own figures tell. */
export type Figures = Pick<Situation, 'now' | 'gauges' | 'stillMs' | 'unservedMs' | 'isPoisoned'>;

/** From the first question to the last. */
export class Inquiry {
  readonly knowledge: Knowledge;
  /** Something broke since the last question: it is put again. */
  hasTrouble = false;
  target: Target | null = null;
  private flight: Ping | null = null;
  private isConnecting = false;
  private connectStreak = 0;
  private unfinishedLogins = 0;
  private askedAt: number | null = null;
  private isEnded = false;

  constructor(
    private readonly adapter: PoolAdapter,
    private readonly options: PoolAsking,
  ) {
    this.knowledge = new Knowledge(options);
  }

  /** Puts the question that is due, if one is; its answer is known later. */
  ask(figures: Figures): void {
    const { now } = figures;
    this.target = this.adapter.target() ?? this.target;
    const situation = this.situation(figures);
    if (canPing(situation)) this.connectStreak = 0;
    const question = dueQuestion(situation, this.options);
    if (question === 'ping') this.ping(now);
    if (question === 'connect') this.connect(now);
  }

  /** A login succeeded. */
  opened(): void {
    this.unfinishedLogins = 0;
  }

  end(): void {
    this.isEnded = true;
    this.flight?.abandon();
  }

  private situation(figures: Figures): Situation {
    const { knowledge } = this;
    return {
      ...figures,
      isReachable: knowledge.isReachable,
      knownAt: knowledge.knownAt,
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
}

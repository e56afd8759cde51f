/**
 * Stage 1, MEASURE: what is known of the database behind a pool, and since when. The latest conclusive news counts.
 */
import type { Answer } from './reach.js';
import type { DatabaseReading } from './reading.js';

type Way = NonNullable<DatabaseReading['knownBy']>;

/** For this many time limits in a row an unanswered question may be put down to our own lateness. */
const INCONCLUSIVE_LIMITS = 15;
/** A measured time is recent for this many ping periods. */
const RECENT_PERIODS = 3;

/** Keeps the news; told by whoever heard it. */
export class Knowledge {
  isReachable: boolean | null = null;
  knownAt: number | null = null;
  private knownBy: Way | null = null;
  private errorCode: string | null = null;
  private inconclusiveSince: number | null = null;
  private isInconclusive = false;
  private readonly times: Partial<Record<Way, { readonly at: number; readonly ms: number }>> = {};

  constructor(private readonly limits: { readonly pingEveryMs: number; readonly pingTimeoutMs: number }) {}

  /** The host's own traffic was answered. */
  heard(now: number): void {
    this.know(now, true, 'traffic', null);
  }

  /** A question put at `askedAt` came to `answer`. Says whether anything was learned. */
  learn(now: number, askedAt: number, by: 'ping' | 'connect', answer: Answer): boolean {
    if (answer.kind === 'unasked' || answer.kind === 'behind') return false;
    if (answer.kind === 'answered') {
      this.times[by] = { at: now, ms: answer.ms };
      this.know(now, true, by, null);
      return true;
    }
    // The host was answered while we were not: that is one connection's trouble, not the database's.
    if (this.knownBy === 'traffic' && this.knownAt! > askedAt) return false;
    if (answer.kind === 'inconclusive' && this.mayStayOpen(now)) {
      this.isInconclusive = true;
      return false;
    }
    this.know(now, false, by, answer.code);
    return true;
  }

  /** What is known at `now`. */
  reading(now: number): DatabaseReading {
    return {
      isReachable: this.isReachable,
      knownBy: this.knownBy,
      ageMs: this.knownAt === null ? null : Math.max(0, Math.round(now - this.knownAt)),
      pingMs: this.recent('ping', now),
      connectMs: this.recent('connect', now),
      errorCode: this.errorCode,
      isInconclusive: this.isInconclusive,
    };
  }

  private know(now: number, isReachable: boolean, by: Way, errorCode: string | null): void {
    this.isReachable = isReachable;
    this.knownAt = now;
    this.knownBy = by;
    this.errorCode = errorCode;
    this.isInconclusive = false;
    if (isReachable) this.inconclusiveSince = null;
  }

  /** A loop that is always late must not hide a database that is always gone. */
  private mayStayOpen(now: number): boolean {
    this.inconclusiveSince ??= now;
    return now - this.inconclusiveSince < INCONCLUSIVE_LIMITS * this.limits.pingTimeoutMs;
  }

  private recent(by: Way, now: number): number | null {
    const time = this.times[by];
    if (!time || now - time.at > RECENT_PERIODS * this.limits.pingEveryMs) return null;
    return Math.round(time.ms * 10) / 10;
  }
}

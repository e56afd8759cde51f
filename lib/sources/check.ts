/**
 * Stage 1, MEASURE: runs a user's check on the schedule, one flight at a time.
 * Does not know what its answer means.
 */
import { isOwnFault, limit, type Outcome } from './deadline.js';

/** A check: it asks something and answers, or throws. The signal is aborted when its time is up. */
export type CheckFunction = (signal: AbortSignal) => unknown;

/** What the last flight of a check came to. */
export interface CheckReading {
  /** `null` until the first flight has ended or timed out. */
  readonly outcome: Outcome<unknown> | null;
  /** Counts outcomes: the same number means nothing new was learned since. */
  readonly serial: number;
  readonly timeoutMs: number;
  /** How long the flight now under way has been, ms; `null` when none is. A hung check shows here, not as more flights. */
  readonly inFlightMs: number | null;
  /** The time limit ran out while our own loop was late: the outcome proves nothing. */
  readonly isInconclusive: boolean;
}

/** How often and how long a check may ask. */
export interface CheckTiming {
  /** From the end of one flight to the start of the next, ms. Default 10 000. */
  readonly everyMs: number;
  /** How long a flight may take, ms. Default 2 000. */
  readonly timeoutMs: number;
}

/** While a check fails it is asked again this soon, ms, so that recovery is noticed before a load balancer gives up. */
const RETRY_MS = 2_000;

/** For how long an outcome may be put down to our own lateness before it counts after all, ms. */
const INCONCLUSIVE_CAP_MS = 30_000;

/** Runs one check. */
export class CheckSource {
  private outcome: Outcome<unknown> | null = null;
  private serial = 0;
  private dueAt = 0;
  private flight: { startedAt: number; abort: AbortController } | null = null;
  private inconclusiveSince: number | null = null;
  private isInconclusive = false;
  private isClosed = false;

  constructor(
    private readonly check: CheckFunction,
    private readonly timing: CheckTiming,
  ) {}

  /** Reports the last outcome and starts a flight when one is due and none is under way. */
  sample(now: number): CheckReading {
    if (now >= this.dueAt && !this.isClosed) {
      if (!this.flight) this.start(now);
      // Still unresolved a whole period after its limit: that is one more bad outcome, and not one more flight. However
      // late the limit itself was, by now the other side has had its time.
      else if (this.outcome?.kind === 'timedOut') this.learn({ ...this.outcome, lateMs: 0 }, now);
    }
    return {
      outcome: this.outcome,
      serial: this.serial,
      timeoutMs: this.timing.timeoutMs,
      inFlightMs: this.flight ? Math.round(now - this.flight.startedAt) : null,
      isInconclusive: this.isInconclusive,
    };
  }

  /** Aborts the flight under way; what it still answers is ignored. */
  close(): void {
    this.isClosed = true;
    this.flight?.abort.abort();
  }

  private start(now: number): void {
    const flight = { startedAt: now, abort: new AbortController() };
    this.flight = flight;
    this.dueAt = Infinity;
    const work = new Promise((resolve) => resolve(this.check(flight.abort.signal)));
    limit(work, this.timing.timeoutMs, (outcome) => {
      if (!this.isClosed) this.learn(outcome, now + outcome.ms);
      if (outcome.kind === 'timedOut') flight.abort.abort();
    });
    // Single flight holds for as long as the promise is unresolved, whatever the time limit says.
    const land = (): void => {
      this.flight = null;
    };
    work.then(land, land);
  }

  private learn(outcome: Outcome<unknown>, now: number): void {
    const isOwn = isOwnFault(outcome, this.timing.timeoutMs);
    this.inconclusiveSince = isOwn ? (this.inconclusiveSince ?? now) : null;
    this.isInconclusive =
      this.inconclusiveSince !== null && now - this.inconclusiveSince < INCONCLUSIVE_CAP_MS;
    this.outcome = outcome;
    this.serial += 1;
    const isGood = outcome.kind === 'fulfilled';
    if (this.dueAt === Infinity || outcome.kind === 'timedOut') {
      this.dueAt = now + (isGood ? this.timing.everyMs : Math.min(this.timing.everyMs, RETRY_MS));
    }
  }
}

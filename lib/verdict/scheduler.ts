/**
 * Stage 3, DECIDE: the only scheduler. It lets every gauge take its reading, believes what deserves it, and keeps
 * the last snapshot. Nobody who asks for the snapshot causes a reading.
 */
import { performance } from 'node:perf_hooks';
import type { Finding, Patience } from '../indicators/finding.js';
import { believe, type Belief } from './hysteresis.js';
import { aged, decide, type Circumstances, type Freshness, type Phase, type Snapshot } from './snapshot.js';
import { linesOf, transitionOf, type LogLine, type Transition } from './transition.js';

/** A source with its indicator: one line of the report. */
export interface Gauge {
  readonly name: string;
  /** A gauge that is not critical degrades the verdict at most. */
  readonly critical: boolean;
  readonly patience: Patience;
  /**
   * Takes a reading and judges it. `now` is monotonic ms, `lateMs` how late this reading is.
   * `unchanged`: nothing new was learned. `pending`: there is nothing to measure yet.
   */
  read(now: number, lateMs: number): Finding | 'unchanged' | 'pending';
  /**
   * Is what a pending gauge measures waited for, and missed when it is gone? With `false` it is left out of the report
   * from a pending reading to the next conclusive one. Default `true`.
   */
  readonly holdsStart?: boolean;
  /** What a pending gauge waits for. */
  pending?(): string | null;
  close(): void;
}

/** Who is told. All are called in the scheduler's own turn and must not throw. */
export interface Listener {
  onSnapshot(snapshot: Snapshot): void;
  onTransition(transition: Transition): void;
  onLine(line: LogLine): void;
}

/** A snapshot is promised to be at most one period old; it is stale at three and not to be trusted at ten. */
const STALE_PERIODS = 3;
const DOWN_PERIODS = 10;
/** But a restart is never asked for sooner than this, ms: with short periods, ten of them are one slow request. */
const DOWN_AT_LEAST_MS = 10_000;
/** Until every critical gauge has had its first reading, they are asked this often, ms. */
const STARTING_EVERY_MS = 50;

/** Runs the readings every `everyMs`. Never keeps the process alive. */
export class Scheduler {
  private readonly gauges: Gauge[] = [];
  private readonly beliefs = new Map<string, Belief>();
  /** The gauges that are left out of the report. */
  private readonly absent = new Set<string>();
  readonly freshness: Freshness;
  private readonly listeners = new Set<Listener>();
  private circumstances: Circumstances;
  private latest: Snapshot;
  private latestAt = performance.now();
  private stale: { readonly of: Snapshot; readonly period: number; readonly served: Snapshot } | null = null;
  private verdictSince: number;
  private timer: NodeJS.Timeout | null = null;
  private dueAt = 0;

  constructor(private readonly everyMs: number) {
    this.freshness = {
      staleAfterMs: everyMs * STALE_PERIODS,
      downAfterMs: Math.max(everyMs * DOWN_PERIODS, DOWN_AT_LEAST_MS),
    };
    const now = epochMs();
    this.circumstances = {
      phase: 'starting',
      isMaintenance: false,
      startedAt: processStart(now),
      changedAt: now,
    };
    this.latest = decide([], this.circumstances, now);
    this.verdictSince = now;
  }

  /** One that comes while the others are read, and is not waited for, is left out until it has something to say. */
  add(gauge: Gauge): void {
    this.gauges.push(gauge);
    if (this.timer && gauge.holdsStart === false) this.absent.add(gauge.name);
  }

  listen(listener: Listener): void {
    this.listeners.add(listener);
  }

  /** Takes the first readings at once and goes on every period. */
  start(): void {
    this.dueAt = performance.now();
    this.tick();
  }

  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.dueAt = Infinity;
    for (const gauge of this.gauges) attempt(() => gauge.close());
  }

  get phase(): Phase {
    return this.circumstances.phase;
  }

  /** The last snapshot, marked stale when it is older than promised. */
  get snapshot(): Snapshot {
    const ageMs = performance.now() - this.latestAt;
    if (ageMs <= this.freshness.staleAfterMs || this.timer === null) return this.latest;
    const period = Math.floor(ageMs / this.everyMs);
    if (this.stale?.of !== this.latest || this.stale.period !== period) {
      this.stale = { of: this.latest, period, served: aged(this.latest, ageMs, this.freshness) };
    }
    return this.stale.served;
  }

  /** From now on readiness says no; liveness goes on as before. */
  drain(): void {
    if (this.circumstances.phase === 'draining') return;
    this.enter({ phase: 'draining' });
  }

  /** Switches maintenance on or off: readiness says no while it is on. */
  maintain(isMaintenance: boolean): void {
    if (this.circumstances.isMaintenance !== isMaintenance) this.enter({ isMaintenance });
  }

  private enter(change: Partial<Circumstances>): void {
    const now = epochMs();
    this.circumstances = { ...this.circumstances, ...change, changedAt: now };
    this.publish(now);
  }

  private tick(): void {
    const now = performance.now();
    const wall = epochMs();
    const lateMs = Math.max(0, now - this.dueAt);
    for (const gauge of this.gauges) this.read(gauge, now, lateMs, wall);
    const isStarting = this.circumstances.phase === 'starting';
    if (isStarting && this.expected.every(({ name, critical }) => !critical || this.beliefs.has(name))) {
      this.circumstances = { ...this.circumstances, phase: 'running', changedAt: wall };
    }
    this.publish(wall);
    this.schedule(
      this.circumstances.phase === 'starting' ? Math.min(STARTING_EVERY_MS, this.everyMs) : this.everyMs,
    );
  }

  private schedule(afterMs: number): void {
    // A listener stopped us in the middle of this turn.
    if (this.dueAt === Infinity) return;
    this.dueAt = performance.now() + afterMs;
    this.timer = setTimeout(() => this.tick(), afterMs);
    // A health module must not be the reason a process stays alive: without this, `app.close()` in the
    // user's tests hangs until the next reading.
    this.timer.unref();
  }

  private read(gauge: Gauge, now: number, lateMs: number, wall: number): void {
    const before = this.beliefs.get(gauge.name) ?? null;
    const seen = attempt(
      () => gauge.read(now, lateMs),
      (error) => unreadable(gauge.name, error),
    );
    if (seen === 'pending' && gauge.holdsStart === false) {
      this.absent.add(gauge.name);
      this.beliefs.delete(gauge.name);
      return;
    }
    if (seen === 'pending') this.absent.delete(gauge.name);
    if (seen === 'unchanged' || (seen === 'pending' && !before)) return;
    const finding = seen === 'pending' ? gone(gauge) : seen;
    if (!before && finding.inconclusive) return;
    this.absent.delete(gauge.name);
    this.beliefs.set(gauge.name, believe(before, finding, wall, gauge.patience));
  }

  private get expected(): readonly Gauge[] {
    return this.gauges.filter(({ name }) => !this.absent.has(name));
  }

  private publish(wall: number): void {
    const before = this.latest;
    const believed = this.expected.map((gauge) => ({
      name: gauge.name,
      critical: gauge.critical,
      belief: this.beliefs.get(gauge.name) ?? null,
      pending: attempt(
        () => gauge.pending?.() ?? undefined,
        () => undefined,
      ),
    }));
    this.latest = decide(believed, this.circumstances, wall);
    this.latestAt = performance.now();
    const transition = transitionOf(before, this.latest, this.verdictSince);
    if (transition) this.verdictSince = wall;
    const lines = linesOf(before, this.latest);
    for (const listener of this.listeners) {
      for (const line of lines) attempt(() => listener.onLine(line));
      attempt(() => listener.onSnapshot(this.latest));
      if (transition) attempt(() => listener.onTransition(transition));
    }
  }
}

/** Our own engine failed: readiness says no and why; a restart is not known to help. */
function unreadable(name: string, error: unknown): Finding {
  const why = error instanceof Error ? error.message : String(error);
  return {
    status: 'down',
    code: 'CHECK_FAILED',
    remedy: 'none',
    message: `${name}: could not be read: ${why}`,
    data: {},
  };
}

/** There was something to measure and it is not there any more. */
function gone(gauge: Gauge): Finding {
  const message =
    attempt(
      () => gauge.pending?.() ?? null,
      () => null,
    ) ?? `${gauge.name}: nothing to measure any more`;
  return { status: 'down', code: 'STARTING', remedy: 'none', message, data: {} };
}

/** A health module never throws into its host, nor does one gauge or listener into the next. */
function attempt<T>(work: () => T, otherwise: (error: unknown) => T): T;
function attempt(work: () => void): void;
function attempt<T>(work: () => T, otherwise?: (error: unknown) => T): T | undefined {
  try {
    return work();
  } catch (error) {
    return otherwise?.(error);
  }
}

/** Epoch ms by a clock that is never set: a step of the wall clock must not make a remedy due. */
function epochMs(): number {
  return Math.round(performance.timeOrigin + performance.now());
}

function processStart(now: number): number {
  return Math.round(now - process.uptime() * 1000);
}

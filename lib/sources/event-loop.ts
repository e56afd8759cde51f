/**
 * Stage 1, MEASURE: how late the event loop is and how busy, over a window of our own.
 * Does not know what is too late. Sampling it never disturbs another reader: both Node counters are private to it.
 */
import {
  monitorEventLoopDelay,
  performance,
  type EventLoopUtilization,
  type IntervalHistogram,
} from 'node:perf_hooks';
import { Schedule } from './schedule.js';

/** The event loop over the last `windowMs`. */
export interface EventLoopReading {
  /** The span the delays cover, ms: between half of and the whole of the window asked for, less right after the start. */
  readonly windowMs: number;
  /** Less than half of it: a percentile of so few ticks is their maximum. */
  readonly isPartial: boolean;
  /** How late timers fired, ms, 99th percentile; the sampling resolution is subtracted. */
  readonly p99DelayMs: number;
  /** The longest delay, ms. A rare long block shows here and not in the percentile. */
  readonly maxDelayMs: number;
  /** Share of the window spent in JavaScript, 0 to 1. */
  readonly utilizationRatio: number;
  /**
   * Share of all the lateness in which the thread had work and no CPU, because others or a quota kept it from one, 0 to 1:
   * of a twentieth of the window where there was less, since some wait is in every tick. `null` where the kernel does not
   * tell.
   */
  readonly cpuWaitRatio: number | null;
}

/**
 * Samples per second follow from this; 20 ms costs two timer wake-ups of native code per 20 ms and
 * resolves far below any useful threshold.
 */
const RESOLUTION_MS = 20;
/** Less lateness than this share of the window is no news, whatever it was spent on. */
const NOTABLE_RATIO = 0.05;

interface Span {
  readonly histogram: IntervalHistogram;
  startedAt: number;
  /** What the thread had waited for a CPU by then, ms. */
  queuedMs: number;
}

/** Measures the event loop. Starts at once; {@link EventLoopSource.close} ends it. Never keeps the process alive. */
export class EventLoopSource {
  private readonly schedule = new Schedule();
  private readonly spans: [Span, Span];
  /** How late the readings themselves were; a histogram misses the tick that it was reset in, however long. */
  private lateness: { readonly at: number; readonly ms: number }[] = [];
  private readonly totals: { at: number; total: EventLoopUtilization }[];

  constructor(
    private readonly windowMs: number,
    now: number = performance.now(),
  ) {
    const queuedMs = this.queuedMs ?? 0;
    this.spans = [startSpan(now, queuedMs), startSpan(now, queuedMs)];
    this.totals = [{ at: now, total: performance.eventLoopUtilization() }];
  }

  /** Takes a reading. `lateMs` is how late the caller itself was run: the freshest delay there is. */
  sample(now: number, lateMs: number): EventLoopReading {
    const older = this.olderSpan(now);
    this.lateness = [
      ...this.lateness.filter(({ at }) => now - at < this.windowMs / 2),
      { at: now, ms: lateMs },
    ];
    const latestMs = Math.max(...this.lateness.map(({ ms }) => ms));
    const max = Math.max(delayMs(older.histogram.max, older.histogram.count), latestMs);
    const windowMs = now - older.startedAt;
    return {
      windowMs: Math.round(windowMs),
      isPartial: windowMs < this.windowMs / 2,
      p99DelayMs: delayMs(older.histogram.percentile(99), older.histogram.count),
      maxDelayMs: round(max),
      utilizationRatio: this.utilization(now),
      cpuWaitRatio: this.cpuWaitRatio(older, windowMs),
    };
  }

  close(): void {
    for (const { histogram } of this.spans) histogram.disable();
    this.schedule.close();
  }

  /**
   * Two histograms, half a window apart. Resetting the only one would also drop the tick in progress, so that a
   * block ending just before the reading would be in no window at all; the other one still holds it. They change
   * places by the age of the younger one, so that a block longer than the window is still seen for half of it.
   */
  private olderSpan(now: number): Span {
    const [older, younger] = this.spans;
    if (now - younger.startedAt < this.windowMs / 2) return older;
    restart(older, now, this.queuedMs ?? 0);
    this.spans.reverse();
    return younger;
  }

  private get queuedMs(): number | null {
    return this.schedule.times()?.queuedMs ?? null;
  }

  /** A wait for a CPU makes the tick after it late by as much. */
  private cpuWaitRatio({ histogram, queuedMs }: Span, windowMs: number): number | null {
    const now = this.queuedMs;
    if (now === null) return null;
    const lateMs = delayMs(histogram.mean, histogram.count) * histogram.count;
    const ratio = (now - queuedMs) / Math.max(1, lateMs, windowMs * NOTABLE_RATIO);
    return Math.min(1, Math.round(ratio * 1000) / 1000);
  }

  /** A difference between two totals. A delta kept as the next baseline, or a fixed baseline, would be wrong. */
  private utilization(now: number): number {
    const total = performance.eventLoopUtilization();
    this.totals.push({ at: now, total });
    while (this.totals.length > 2 && now - this.totals[1]!.at >= this.windowMs) this.totals.shift();
    const ratio = performance.eventLoopUtilization(total, this.totals[0]!.total).utilization;
    return Number.isFinite(ratio) ? Math.min(1, Math.max(0, Math.round(ratio * 1000) / 1000)) : 0;
  }
}

function startSpan(now: number, queuedMs: number): Span {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  return { histogram, startedAt: now, queuedMs };
}

function restart(span: Span, now: number, queuedMs: number): void {
  span.histogram.reset();
  span.startedAt = now;
  span.queuedMs = queuedMs;
}

/** The histogram holds nanoseconds between ticks, so an idle loop reads as the resolution. Empty, it holds 2^63. */
function delayMs(nanoseconds: number, count: number): number {
  return count === 0 ? 0 : round(Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS));
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

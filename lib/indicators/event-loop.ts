/**
 * Stage 2, JUDGE: is the event loop late, or merely full? Pure.
 */
import type { EventLoopReading } from '../sources/event-loop.js';
import type { Code, Finding, Remedy, Status } from './finding.js';

/** Where the event loop's numbers begin to mean something. */
export interface EventLoopThresholds {
  /** 99th percentile of the delay above which the loop counts as blocked, ms. Default 200. */
  readonly p99DelayMs: number;
  /** A single delay above this degrades, ms: the loop is running again, but everybody waited that long. Default 1 000. */
  readonly maxDelayMs: number;
  /** Utilization, 0 to 1, above which the loop counts as saturated, if it is late as well. Default 0.95. */
  readonly utilizationRatio: number;
  /** 99th percentile of the delay that makes a full loop a saturated one, ms. A full loop that is not late is healthy. Default 50. */
  readonly saturatedDelayMs: number;
  /** How long the loop must stay blocked before a restart is the remedy, ms. Default 30 000. */
  readonly restartAfterMs: number;
}

interface Rule {
  readonly code: Code;
  readonly status: Status;
  readonly remedy: Remedy;
  readonly broken: (r: EventLoopReading, t: EventLoopThresholds) => boolean;
  readonly message: (r: EventLoopReading, t: EventLoopThresholds) => string;
}

// Order is severity; the first broken rule is the answer.
const RULES: readonly Rule[] = [
  {
    code: 'LOOP_BLOCKED',
    status: 'down',
    remedy: 'restart',
    broken: (r, t) => isLate(r, t.p99DelayMs) && own(r.p99DelayMs, r) > t.p99DelayMs,
    message: late,
  },
  {
    // A new process would get no more of the CPU, and would need more of it to start.
    code: 'LOOP_STARVED',
    status: 'degraded',
    remedy: 'drain',
    broken: (r, t) =>
      isLate(r, t.p99DelayMs) || (r.maxDelayMs > t.maxDelayMs && own(r.maxDelayMs, r) <= t.maxDelayMs),
    message: (r, t) =>
      `${(isLate(r, t.p99DelayMs) ? late : once)(r, t)}, ${Math.round((r.cpuWaitRatio ?? 0) * 100)} % of it without a CPU: too many neighbors, or too low a quota`,
  },
  {
    code: 'LOOP_SATURATED',
    status: 'degraded',
    remedy: 'drain',
    broken: (r, t) => r.utilizationRatio > t.utilizationRatio && isLate(r, t.saturatedDelayMs),
    message: (r, t) =>
      `event loop: utilization ${r.utilizationRatio} (threshold ${t.utilizationRatio}) and ` +
      `${r.p99DelayMs} ms late at p99 over ${r.windowMs} ms (threshold ${t.saturatedDelayMs} ms)`,
  },
  {
    code: 'LOOP_BLOCKED',
    status: 'degraded',
    remedy: 'none',
    broken: (r, t) => r.maxDelayMs > t.maxDelayMs,
    message: once,
  },
];

/** While the window is short, one slow request at the start is its 99th percentile: the maximum says that already. */
function isLate({ p99DelayMs, isPartial }: EventLoopReading, thresholdMs: number): boolean {
  return !isPartial && p99DelayMs > thresholdMs;
}

/** What is left of a delay without its share of the wait for a CPU, ms. */
function own(delayMs: number, { cpuWaitRatio }: EventLoopReading): number {
  return delayMs * (1 - (cpuWaitRatio ?? 0));
}

function late({ p99DelayMs, windowMs }: EventLoopReading, thresholds: EventLoopThresholds): string {
  return `event loop: ${p99DelayMs} ms late at p99 over ${windowMs} ms (threshold ${thresholds.p99DelayMs} ms)`;
}

function once({ maxDelayMs, windowMs }: EventLoopReading, thresholds: EventLoopThresholds): string {
  return `event loop: ${maxDelayMs} ms late once within ${windowMs} ms (threshold ${thresholds.maxDelayMs} ms)`;
}

/** Judges one reading. */
export function judgeEventLoop(reading: EventLoopReading, thresholds: EventLoopThresholds): Finding {
  const data = {
    ...reading,
    thresholdP99DelayMs: thresholds.p99DelayMs,
    thresholdMaxDelayMs: thresholds.maxDelayMs,
  };
  const rule = RULES.find(({ broken }) => broken(reading, thresholds));
  if (!rule) return { status: 'up', remedy: 'none', message: late(reading, thresholds), data };
  const remedyAfterMs = rule.remedy === 'restart' ? { remedyAfterMs: thresholds.restartAfterMs } : {};
  return {
    status: rule.status,
    code: rule.code,
    remedy: rule.remedy,
    ...remedyAfterMs,
    message: rule.message(reading, thresholds),
    data,
  };
}

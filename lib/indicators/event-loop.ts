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
    broken: (r, t) => r.p99DelayMs > t.p99DelayMs,
    message: (r, t) =>
      `event loop: ${r.p99DelayMs} ms late at p99 over ${r.windowMs} ms (threshold ${t.p99DelayMs} ms)`,
  },
  {
    code: 'LOOP_SATURATED',
    status: 'degraded',
    remedy: 'drain',
    broken: (r, t) => r.utilizationRatio > t.utilizationRatio && r.p99DelayMs > t.saturatedDelayMs,
    message: (r, t) =>
      `event loop: utilization ${r.utilizationRatio} (threshold ${t.utilizationRatio}) and ` +
      `${r.p99DelayMs} ms late at p99 over ${r.windowMs} ms (threshold ${t.saturatedDelayMs} ms)`,
  },
  {
    code: 'LOOP_BLOCKED',
    status: 'degraded',
    remedy: 'none',
    broken: (r, t) => r.maxDelayMs > t.maxDelayMs,
    message: (r, t) =>
      `event loop: ${r.maxDelayMs} ms late once within ${r.windowMs} ms (threshold ${t.maxDelayMs} ms)`,
  },
];

/** Judges one reading. */
export function judgeEventLoop(reading: EventLoopReading, thresholds: EventLoopThresholds): Finding {
  const data = {
    ...reading,
    thresholdP99DelayMs: thresholds.p99DelayMs,
    thresholdMaxDelayMs: thresholds.maxDelayMs,
  };
  const rule = RULES.find(({ broken }) => broken(reading, thresholds));
  if (!rule) {
    const message = `event loop: ${reading.p99DelayMs} ms late at p99 over ${reading.windowMs} ms (threshold ${thresholds.p99DelayMs} ms)`;
    return { status: 'up', remedy: 'none', message, data };
  }
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

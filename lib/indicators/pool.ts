/**
 * Stage 2, JUDGE: which one is it: the database gone, the database slow, the pool too small for its load, or the
 * pool wedged? Pure. Only the last is cured by a restart.
 */
import type { PoolReading } from '../sources/pools/reading.js';
import type { Code, Finding, Remedy, Status } from './finding.js';

/** Where a pool's numbers begin to mean something. All in ms. */
export interface PoolThresholds {
  /** Saturated and nothing returned for longer: wedged. It must exceed the longest query that is meant to be. Default 30000. */
  readonly wedgedAfterMs: number;
  /** A mean wait, a mean query or a ping above this is slow. Default 1000. */
  readonly slowAfterMs: number;
  /** Saturated, and a caller has waited, or nothing has returned, for this long: starved. Default 2000. */
  readonly starvedAfterMs: number;
}

interface Rule {
  readonly code: Code;
  readonly status: Status;
  readonly remedy: Remedy;
  readonly broken: (r: PoolReading, t: PoolThresholds) => boolean;
  readonly message: (r: PoolReading, t: PoolThresholds) => string;
}

// Order is severity; the first broken rule is the answer.
const RULES: readonly Rule[] = [
  {
    code: 'DB_UNREACHABLE',
    status: 'down',
    remedy: 'none',
    broken: (r) => r.database.isReachable === false,
    message: (r) =>
      `${unserved(r)}database unreachable, ${r.database.errorCode} by ${r.database.knownBy} ${age(r)}`,
  },
  {
    code: 'POOL_WEDGED',
    status: 'down',
    remedy: 'restart',
    // Known to be there by something that happened after the last connection came back: then it is not the database.
    broken: (r, t) => (r.stillMs ?? 0) > t.wedgedAfterMs && isThereSince(r, r.stillMs ?? 0),
    message: (r, t) =>
      `no connection returned for ${r.stillMs} ms while ${queue(r)} (threshold ${t.wedgedAfterMs} ms)`,
  },
  {
    code: 'DB_SLOW',
    status: 'degraded',
    remedy: 'none',
    broken: (r, t) => isStarved(r, t) && (r.queryMs ?? 0) > t.slowAfterMs,
    message: (r, t) =>
      `queries take ${r.queryMs} ms on average over ${r.windowMs} ms while ${queue(r)} (threshold ${t.slowAfterMs} ms)`,
  },
  {
    code: 'POOL_STARVED',
    status: 'degraded',
    remedy: 'drain',
    broken: isStarved,
    message: (r, t) => `${queue(r)}, the first for ${starvedMs(r)} ms (threshold ${t.starvedAfterMs} ms)`,
  },
  {
    code: 'DB_SLOW',
    status: 'degraded',
    remedy: 'none',
    broken: (r, t) => slowest(r).ms > t.slowAfterMs,
    message: (r, t) =>
      `${slowest(r).what} ${slowest(r).ms} ms${slowest(r).over} (threshold ${t.slowAfterMs} ms)`,
  },
];

/**
 * Judges one reading of the pool called `name`. `inconclusive` when the last question proved nothing, or when
 * nothing is known of the database yet and nothing is wrong with the pool either.
 */
export function judgePool(name: string, reading: PoolReading, thresholds: PoolThresholds): Finding {
  const rule = RULES.find(({ broken }) => broken(reading, thresholds));
  const { isInconclusive, isReachable } = reading.database;
  const text = rule ? rule.message(reading, thresholds) : wellMessage(reading);
  return {
    status: rule?.status ?? 'up',
    ...(rule ? { code: rule.code } : {}),
    remedy: rule?.remedy ?? 'none',
    message: `pool "${name}": ${text}`,
    data: dataOf(reading, thresholds),
    ...(isInconclusive || (!rule && isReachable === null) ? { inconclusive: true } : {}),
  };
}

function isThereSince({ database }: PoolReading, ms: number): boolean {
  return database.isReachable === true && (database.ageMs ?? Infinity) < ms;
}

function isStarved(r: PoolReading, t: PoolThresholds): boolean {
  return r.stillMs !== null && starvedMs(r) >= t.starvedAfterMs;
}

function starvedMs(r: PoolReading): number {
  return Math.max(r.oldestWaiterMs ?? 0, r.stillMs ?? 0);
}

/** The slowest of what may be slow; a wait counts here while the pool is not full, or by what it was on average. */
function slowest(r: PoolReading): { readonly what: string; readonly ms: number; readonly over: string } {
  const over = ` on average over ${r.windowMs} ms`;
  const unservedMs = isUnserved(r) ? (r.oldestWaiterMs ?? 0) : 0;
  const candidates = [
    { what: 'queries take', ms: r.queryMs ?? 0, over },
    { what: 'callers wait for a connection', ms: r.acquireWaitMs ?? 0, over },
    { what: 'a ping took', ms: r.database.pingMs ?? 0, over: '' },
    { what: `not full (${counts(r)}), yet a caller has waited`, ms: unservedMs, over: '' },
  ];
  return candidates.reduce((worst, candidate) => (candidate.ms > worst.ms ? candidate : worst));
}

function isUnserved(r: PoolReading): boolean {
  return r.waiting > 0 && r.used < r.max;
}

/** "The pool is probably full" is what drivers say when they cannot connect: say that it is not. */
function unserved(r: PoolReading): string {
  return isUnserved(r) ? `not full (${counts(r)}) while ${r.waiting} wait: ` : '';
}

function counts(r: PoolReading): string {
  return `${r.used} of ${r.max} used, ${r.opening} opening`;
}

function queue(r: PoolReading): string {
  const opening = r.opening > 0 ? ` with ${r.opening} opening` : '';
  return `${r.used} of ${r.max} are used${opening} and ${r.waiting} wait`;
}

function age(r: PoolReading): string {
  return `${r.database.ageMs} ms ago`;
}

function wellMessage(r: PoolReading): string {
  const { isReachable, knownBy } = r.database;
  const database = isReachable === null ? 'database not asked yet' : `database there by ${knownBy} ${age(r)}`;
  return `${r.used} of ${r.max} are used and ${r.waiting} wait, ${database}`;
}

function dataOf(
  { database, ...pool }: PoolReading,
  { wedgedAfterMs, slowAfterMs, starvedAfterMs }: PoolThresholds,
): Finding['data'] {
  const { ageMs, ...known } = database;
  return { ...pool, ...known, databaseAgeMs: ageMs, wedgedAfterMs, slowAfterMs, starvedAfterMs };
}

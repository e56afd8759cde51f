/**
 * Stage 2, JUDGE: which one is it: the database gone or slow, the pool too small for its load, wedged, leaking, or
 * handing out a connection that is dead? Pure. Only what this process has done to its pool is cured by a restart.
 */
import { POISONED_AT } from '../sources/pools/asking.js';
import type { PoolReading } from '../sources/pools/reading.js';
import type { Code, Finding, Remedy, Status } from './finding.js';
import { UPGRADE_KNEX } from './reset-setting.js';

/** Where a pool's numbers begin to mean something. All in ms. */
export interface PoolThresholds {
  /** Saturated and nothing returned for longer: wedged. It must exceed the longest query that is meant to be. Default 30000. */
  readonly wedgedAfterMs: number;
  /** A mean wait, a mean query or a ping above this is slow. Default 1000. */
  readonly slowAfterMs: number;
  /** Saturated, and a caller has waited, or nothing has returned, for this long: starved. Default 2000. */
  readonly starvedAfterMs: number;
  /** A connection out for longer, on which nothing moved all that time, has leaked. Default 30000. */
  readonly leakAfterMs: number;
}

interface Rule {
  readonly code: Code;
  readonly status: Status;
  readonly remedy: Remedy | ((r: PoolReading) => Remedy);
  readonly broken: (r: PoolReading, t: PoolThresholds) => boolean;
  readonly message: (r: PoolReading, t: PoolThresholds) => string;
}

/** A load that grows makes the mark rise as well, and falls back in between. */
const LEAKED_AT = 3;

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
    code: 'POOL_POISONED',
    status: 'down',
    remedy: 'restart',
    // Known to be there by something that happened after the first failure: then it is the connection.
    broken: ({ failing, ...r }) => (failing?.inARow ?? 0) >= POISONED_AT && isThereSince(r, failing!.forMs),
    message: (r) =>
      `the same connection failed ${r.failing!.inARow} checkouts in a row within ${r.failing!.forMs} ms, ${r.failing!.errorCode}, and is handed out again, while the database is there by ${r.database.knownBy} ${age(r)} (threshold ${POISONED_AT}); ${cleaning(r)}`,
  },
  {
    code: 'POOL_WEDGED',
    status: 'down',
    remedy: 'restart',
    // Known to be there by something that happened after the last connection came back: then it is not the database.
    broken: (r, t) => (r.stillMs ?? 0) > t.wedgedAfterMs && isThereSince(r, r.stillMs ?? 0),
    message: (r, t) =>
      `no connection returned for ${r.stillMs} ms while ${queue(r)} (threshold ${t.wedgedAfterMs} ms)${doing(r)}`,
  },
  {
    code: 'DB_UNREACHABLE',
    status: 'down',
    remedy: 'none',
    // The server answers whoever connects, and lets nobody in.
    broken: (r, t) => r.used + r.idle === 0 && (r.unopenedMs ?? 0) > t.wedgedAfterMs,
    message: (r, t) =>
      `${unserved(r)}no connection opened for ${r.unopenedMs} ms (threshold ${t.wedgedAfterMs} ms)`,
  },
  {
    code: 'POOL_LEAK',
    status: 'degraded',
    remedy: (r) => (r.silent >= r.max ? 'restart' : 'none'),
    // A pool that is starved with less than half of it leaked is starved for another reason.
    broken: (r, t) => r.silent > 0 && (!isStarved(r, t) || r.silent * 2 >= r.max),
    message: (r, t) => `${leaked(r)} (threshold ${t.leakAfterMs} ms)`,
  },
  {
    code: 'POOL_LEAK',
    status: 'degraded',
    remedy: (r) => (r.lowWater! >= r.max ? 'restart' : 'none'),
    // Where no socket can be seen: what was taken does not come back, and the oldest of it went before the rise began.
    broken: (r, t) =>
      r.lowWaterRises >= LEAKED_AT &&
      r.unseen >= (r.lowWater ?? 0) &&
      (r.oldestCheckoutMs ?? 0) > r.lowWaterRises * t.leakAfterMs,
    message: (r, t) =>
      `the fewest out at once over ${t.leakAfterMs} ms rose ${r.lowWaterRises} times in a row, to ${of(r, r.lowWater!)}, and never fell, the oldest being out for ${r.oldestCheckoutMs} ms (threshold ${LEAKED_AT} times)`,
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
    code: 'DB_SLOW',
    status: 'degraded',
    remedy: 'none',
    // Where the driver does not tell what queries take, what those under way have taken by now is less than that.
    broken: (r, t) => isStarved(r, t) && r.asking * 2 >= r.max && (r.queryAgeMs ?? 0) > t.slowAfterMs,
    message: (r, t) =>
      `${asking(r)}, ${r.queryAgeMs} ms on average, while ${queue(r)} (threshold ${t.slowAfterMs} ms)`,
  },
  {
    code: 'POOL_STARVED',
    status: 'degraded',
    remedy: 'drain',
    broken: isStarved,
    message: (r, t) =>
      `${queue(r)}, ${r.oldestWaiterMs === null ? 'one' : 'the first'} for ${starvedMs(r)} ms (threshold ${t.starvedAfterMs} ms)`,
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
    remedy: typeof rule?.remedy === 'function' ? rule.remedy(reading) : (rule?.remedy ?? 'none'),
    message: `pool "${name}": ${text}`,
    data: dataOf(reading, thresholds),
    ...(isInconclusive || (!rule && isReachable === null) ? { inconclusive: true } : {}),
  };
}

function isThereSince({ database }: Pick<PoolReading, 'database'>, ms: number): boolean {
  return database.isReachable === true && (database.ageMs ?? Infinity) < ms;
}

function isStarved(r: PoolReading, t: PoolThresholds): boolean {
  return r.stillMs !== null && starvedMs(r) >= t.starvedAfterMs;
}

/** Where the queue cannot be seen, a caller waits as long as those before did on average. */
function starvedMs(r: PoolReading): number {
  const waiterMs = r.oldestWaiterMs ?? (r.waiting > 0 ? r.acquireWaitMs : 0) ?? 0;
  return Math.max(waiterMs, r.stillMs ?? 0);
}

/** The slowest of what may be slow; a wait counts while somebody waits although the pool is not full: else it is its size. */
function slowest(r: PoolReading): { readonly what: string; readonly ms: number; readonly over: string } {
  const over = ` on average over ${r.windowMs} ms`;
  const unserved = isUnserved(r) ? r : null;
  const candidates = [
    { what: 'queries take', ms: r.queryMs ?? 0, over },
    { what: 'callers wait for a connection', ms: unserved?.acquireWaitMs ?? 0, over },
    { what: 'a ping took', ms: r.database.pingMs ?? 0, over: '' },
    { what: `not full (${counts(r)}), yet a caller has waited`, ms: unserved?.oldestWaiterMs ?? 0, over: '' },
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

/** What the connections of a wedged pool are out for. */
function doing(r: PoolReading): string {
  const told = [...(r.silent > 0 ? [leaked(r)] : []), ...(r.asking > 0 ? [asking(r)] : [])];
  return told.map((one) => `; ${one}`).join('');
}

function asking(r: PoolReading): string {
  return `${of(r, r.asking)} wait for the database, for up to ${r.oldestQueryMs} ms${takenBy(r.askedBy)}`;
}

function takenBy(caller: string | null): string {
  return caller === null ? '' : `, taken by ${caller}`;
}

function leaked(r: PoolReading): string {
  return `${of(r, r.silent)} are out with nothing sent or received for up to ${r.oldestSilentMs} ms${takenBy(r.silentBy)}`;
}

/** How to get rid of a connection that fails for ever. */
function cleaning({ evictsLost }: PoolReading): string {
  const cause = evictsLost === false ? UPGRADE_KNEX : 'validate connections at checkout';
  return `${cause}, or set hygiene: true for this pool`;
}

/** Not all pools have a size, or show it. */
function of({ max }: PoolReading, count: number): string {
  return Number.isFinite(max) ? `${count} of ${max}` : `${count}`;
}

function counts(r: PoolReading): string {
  return `${of(r, r.used)} used, ${r.opening} opening`;
}

function queue(r: PoolReading): string {
  const opening = r.opening > 0 ? ` with ${r.opening} opening` : '';
  return `${of(r, r.used)} are used${opening} and ${r.waiting} wait`;
}

function age(r: PoolReading): string {
  return `${r.database.ageMs} ms ago`;
}

function wellMessage(r: PoolReading): string {
  const { isReachable, knownBy } = r.database;
  const database = isReachable === null ? 'database not asked yet' : `database there by ${knownBy} ${age(r)}`;
  return `${of(r, r.used)} are used and ${r.waiting} wait, ${database}`;
}

function dataOf(
  reading: PoolReading,
  { wedgedAfterMs, slowAfterMs, starvedAfterMs, leakAfterMs }: PoolThresholds,
): Finding['data'] {
  const { database, failing, evictsLost, ...pool } = reading;
  const { ageMs, ...known } = database;
  return {
    ...pool,
    failuresInARow: failing?.inARow ?? 0,
    failingMs: failing?.forMs ?? null,
    failingCode: failing?.errorCode ?? null,
    evictsLost,
    ...known,
    databaseAgeMs: ageMs,
    wedgedAfterMs,
    slowAfterMs,
    starvedAfterMs,
    leakAfterMs,
  };
}

/**
 * Stage 1, MEASURE: is a question to the database due, and which one? Pure. Passive first: where the host's own
 * traffic tells, nobody asks; where the pool has no connection to spare, its callers are not made to wait for us.
 */
import type { Gauges } from './adapter.js';
import type { Target } from './reach.js';

/** How a pool may be asked. All cadences follow from these. */
export interface PoolAsking {
  /** After this long without news from the host's own traffic the database is pinged, ms. Default 10000. */
  readonly pingEveryMs: number;
  /** After this long a question counts as unanswered, ms. Default 2000. */
  readonly pingTimeoutMs: number;
  /** The indicator's threshold: the answer must be known before it is reached, ms. Default 30000. */
  readonly wedgedAfterMs: number;
  /** The indicator's threshold: a connection out in silence for this long has leaked, ms. Default 30000. */
  readonly leakAfterMs: number;
  /** The span of the mean figures, ms. Default 10000. */
  readonly windowMs: number;
}

/** `ping`: through the pool. `connect`: outside it. */
export type Question = 'ping' | 'connect' | null;

/** What the decision is made from. All times on the clock of `now`. */
export interface Situation {
  readonly now: number;
  readonly gauges: Gauges;
  readonly stillMs: number | null;
  /** For how long callers have waited although the pool was not full, ms; `null` when none do. */
  readonly unservedMs: number | null;
  readonly isReachable: boolean | null;
  /** When the database last proved to be there, or not to be. */
  readonly knownAt: number | null;
  /** When the last question was put, of either kind. */
  readonly askedAt: number | null;
  /** Something broke since then. */
  readonly hasTrouble: boolean;
  /** A ping, or a connect, has not come to its end. */
  readonly isPinging: boolean;
  readonly isConnecting: boolean;
  /** Connects in a row, while no ping was possible, that found the database there. */
  readonly connectStreak: number;
  /** Connects since the last login that succeeded. */
  readonly unfinishedLogins: number;
  /** Some connection fails again and again: a ping that gets it tells nothing of the database. */
  readonly isPoisoned: boolean;
  /** Where to connect to: `null` when unknown. */
  readonly protocol: Target['protocol'] | null;
}

/** A connection that has failed so many checkouts in a row, and is handed out all the same, is poisoned. */
export const POISONED_AT = 3;

/** While something is wrong or unknown, questions are at least this far apart, ms. */
const RETRY_MS = 800;
const CONNECT_EVERY_MS = 5_000;
// Doubling from there, up to this many times as long. MySQL and MariaDB count connections that end before the login:
// after `max_connect_errors` (100) of them with no login between, they shut out the host, its next process included.
const CONNECT_AT_MOST_EVERY: Readonly<Record<Target['protocol'], number>> = {
  pg: 6,
  mysql: 120,
  tns: 6,
  tcp: 6,
};
const MYSQL_CONNECTS = 50;

/** A third of the threshold: the first answer is there, and a second try is possible, before it is reached. */
export function reachAfterMs({ wedgedAfterMs }: PoolAsking): number {
  return wedgedAfterMs / 3;
}

/** The question that is due now. */
export function dueQuestion(situation: Situation, asking: PoolAsking): Question {
  if (canPing(situation)) return isPingDue(situation, asking) ? 'ping' : null;
  return isConnectDue(situation, asking) ? 'connect' : null;
}

/** Is there a connection, or room for one, that no caller of the host wants, and would a ping on it tell anything? */
export function canPing({ isPinging, isPoisoned, protocol, gauges }: Situation): boolean {
  const { max, used, idle, opening, waiting } = gauges;
  if (isPinging || (isPoisoned && protocol !== null)) return false;
  return waiting === 0 && (idle > 0 || used + opening < max);
}

/** Is it known where to connect to, and harmless? */
export function canConnect({
  isConnecting,
  protocol,
  unfinishedLogins,
}: Pick<Situation, 'isConnecting' | 'protocol' | 'unfinishedLogins'>): boolean {
  if (isConnecting || protocol === null) return false;
  return protocol !== 'mysql' || unfinishedLogins < MYSQL_CONNECTS;
}

function isPingDue(situation: Situation, asking: PoolAsking): boolean {
  const { now, isReachable, knownAt, askedAt, hasTrouble } = situation;
  const sinceAskedMs = now - (askedAt ?? -Infinity);
  if (isReachable !== true) return sinceAskedMs >= retryMs(asking);
  const sinceNewsMs = Math.min(sinceAskedMs, now - (knownAt ?? -Infinity));
  return hasTrouble || sinceNewsMs >= asking.pingEveryMs;
}

function isConnectDue(situation: Situation, asking: PoolAsking): boolean {
  const { now, askedAt, isReachable, hasTrouble, connectStreak } = situation;
  const protocol = situation.protocol ?? 'tcp';
  if (!canConnect(situation) || !isConnectNeeded(situation, asking)) return false;
  const sinceAskedMs = now - (askedAt ?? -Infinity);
  const everyMs = Math.min(CONNECT_EVERY_MS, asking.wedgedAfterMs / 6);
  // A poisoned connection goes on failing whatever the database does: that is no fresh trouble.
  if (isReachable !== true || (hasTrouble && !situation.isPoisoned) || connectStreak === 0) {
    // What a silent server finds in its backlog when it wakes up was ended before the login as well.
    return sinceAskedMs >= (protocol === 'mysql' ? everyMs : retryMs(asking));
  }
  return sinceAskedMs >= everyMs * Math.min(2 ** (connectStreak - 1), CONNECT_AT_MOST_EVERY[protocol]);
}

function isConnectNeeded(situation: Situation, asking: PoolAsking): boolean {
  const { now, knownAt, stillMs, unservedMs, isReachable, hasTrouble } = situation;
  if (isReachable !== true || hasTrouble || situation.isPoisoned) return true;
  const isOverdue = now - (knownAt ?? -Infinity) >= asking.pingEveryMs + 2 * asking.pingTimeoutMs;
  return (
    isOverdue ||
    (stillMs !== null && stillMs >= reachAfterMs(asking)) ||
    (unservedMs !== null && unservedMs >= Math.min(retryMs(asking), reachAfterMs(asking)))
  );
}

function retryMs({ pingEveryMs, wedgedAfterMs }: PoolAsking): number {
  return Math.min(RETRY_MS, pingEveryMs, wedgedAfterMs / 6);
}

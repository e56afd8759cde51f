/**
 * Stage 1, MEASURE: what is known of one connection pool and the database behind it at one instant.
 * Immutable numbers; whoever reads them decides what they mean.
 */

/** What the last question asked of the database, by traffic, ping or a connection of our own, came to. */
export interface DatabaseReading {
  /** `null` while nothing has answered or failed yet. */
  readonly isReachable: boolean | null;
  /** How that is known: the host's own traffic, our ping through the pool, or a connect outside it. */
  readonly knownBy: 'traffic' | 'ping' | 'connect' | null;
  /** Age of that knowledge, ms. */
  readonly ageMs: number | null;
  /** Time our last successful ping took on its connection, ms; `null` when none is recent. */
  readonly pingMs: number | null;
  /** Time the last successful connect outside the pool took, ms; `null` when none is recent. */
  readonly connectMs: number | null;
  /** `code` of the error that made it unreachable (`ECONNREFUSED`, `57P03`, `TIMEOUT`); never a message. */
  readonly errorCode: string | null;
  /** The last question got no answer, but our own loop was late: it proves nothing. */
  readonly isInconclusive: boolean;
}

/** The connection of the pool that fails again and again. */
export interface FailingReading {
  /** Checkouts in a row that ended in a network error. */
  readonly inARow: number;
  /** Since the first of them, ms. */
  readonly forMs: number;
  /** `code` of the last error; never a message. */
  readonly errorCode: string;
}

/**
 * One pool at one instant, with the movements of the last `windowMs`. It is the host's use that is told: the
 * connection, the place in the queue and the query of our own ping are in none of these figures.
 */
export interface PoolReading {
  /** `pg`, `knex/pg`, `knex/mysql2`, ... */
  readonly driver: string;
  /** The span that the `...InWindow` and mean figures cover, ms. */
  readonly windowMs: number;
  readonly max: number;
  readonly used: number;
  readonly idle: number;
  /** Connections being opened now. */
  readonly opening: number;
  /** Callers queueing for a connection now, those included whose connection is being opened. */
  readonly waiting: number;
  /** Since the source was attached. */
  readonly checkouts: number;
  readonly checkins: number;
  /** Connections that could not be opened. */
  readonly createFailures: number;
  /** Callers whose wait the pool's own time limit ended; 0 where the pool has none. Since the source was attached. */
  readonly timeouts: number;
  readonly checkinsInWindow: number;
  /**
   * Since the last checkin, or since the pool became saturated if that is later; `null` when not saturated. Waiters
   * who gave up do not end it: a pool with every connection lost is not well because nobody dares to ask any more.
   */
  readonly stillMs: number | null;
  /** `null` when nothing is checked out. Exact to one sample. */
  readonly oldestCheckoutMs: number | null;
  /** `null` when nobody waits, or where the pool does not show its queue. Exact to one sample. */
  readonly oldestWaiterMs: number | null;
  /** Mean wait for a connection over the window, by Little's law where the driver does not tell; `null` without a checkout in it. */
  readonly acquireWaitMs: number | null;
  /** Mean time of the host's own queries over the window; `null` where the driver does not tell. */
  readonly queryMs: number | null;
  /**
   * Connections out for `leakAfterMs` or longer on which nothing was sent or received and no query was under way all
   * that time. Exact to one sample; those whose socket cannot be seen are not among them.
   */
  readonly silent: number;
  /** The longest that a connection that is out has been silent by now; `null` when none is, or none can be seen. */
  readonly oldestSilentMs: number | null;
  /** Who took the silent ones, as far as it was recorded: the oldest whose caller is known; `null` when none is. */
  readonly silentBy: string | null;
  /** Connections out whose socket cannot be seen. */
  readonly unseen: number;
  /** The fewest that were out at once in the last whole span of `leakAfterMs`; `null` before the first is over. */
  readonly lowWater: number | null;
  /** How often in a row that rose from span to span, without ever falling. */
  readonly lowWaterRises: number;
  /** Connections out on which a query is under way, as far as that is seen; none where the socket cannot be seen. */
  readonly asking: number;
  /** The longest and the mean that these queries have been under way by now; `null` when none is. Exact to one sample. */
  readonly oldestQueryMs: number | null;
  readonly queryAgeMs: number | null;
  /** Who took the connection of the oldest one whose caller is known; `null` when none is. */
  readonly askedBy: string | null;
  /** For how long callers have waited, the pool not full, while none of them got a connection; `null` when none wait. */
  readonly unopenedMs: number | null;
  /** Connections in the pool that are known to be dead. */
  readonly dead: number;
  /** `null` when no connection in the pool failed its last checkout. */
  readonly failing: FailingReading | null;
  /** Whether the pool is known to recognize connections that its driver lost; `null` where that is not known. */
  readonly evictsLost: boolean | null;
  /** Dead idle connections closed by us, and idle ones after a burst of resets; 0 unless `hygiene` is on. */
  readonly evicted: number;
  readonly retired: number;
  readonly database: DatabaseReading;
}

/** A time as a reading tells it: whole ms, none below zero. */
export function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.max(0, Math.round(ms));
}

/**
 * Stage 1, MEASURE: does the same connection fail again and again? Counts, for each connection, the checkouts in a row
 * that ended in a network error. A pool that lets go of broken connections never gets past one.
 */

/** The connection of the pool that has failed most often in a row. */
export interface Failing {
  readonly inARow: number;
  /** Since the first of these failures, ms. */
  readonly forMs: number;
  /** `code` of the first error of the last of these checkouts; never a message. */
  readonly code: string;
}

interface Row {
  count: number;
  readonly since: number;
  lastAt: number;
  code: string;
  /** This checkout is in `count` already. */
  isCounted: boolean;
}

/** The failures of the connections that are in the pool. */
export class Failures {
  private readonly rows = new Map<object, Row>();

  /** The connection failed its present checkout; told more than once, it counts once. */
  failed(now: number, connection: object, code: string): void {
    const row = this.rows.get(connection) ?? { count: 0, since: now, lastAt: now, code, isCounted: false };
    this.rows.set(connection, row);
    row.lastAt = now;
    if (row.isCounted) return;
    row.count += 1;
    row.code = code;
    row.isCounted = true;
  }

  /** The database answered on it: it is well. */
  answered(connection: object): void {
    this.rows.delete(connection);
  }

  /** Its checkout is over: the next failure is of another one. */
  returned(connection: object): void {
    const row = this.rows.get(connection);
    if (row) row.isCounted = false;
  }

  /** Forgets the connections that left the pool; where it does not show its idle ones, those quiet for `windowMs`. */
  observe(now: number, used: readonly object[], idle: readonly object[] | null, windowMs: number): void {
    if (this.rows.size === 0) return;
    const present = new Set([...used, ...(idle ?? [])]);
    for (const [connection, { lastAt }] of this.rows) {
      const isGone = idle !== null || now - lastAt > windowMs;
      if (isGone && !present.has(connection)) this.rows.delete(connection);
    }
  }

  /** `null` when no connection in the pool failed its last checkout. */
  worst(now: number): Failing | null {
    let worst: Row | null = null;
    for (const row of this.rows.values()) if (!worst || row.count > worst.count) worst = row;
    return worst && { inARow: worst.count, forMs: now - worst.since, code: worst.code };
  }
}

/**
 * Stage 1, MEASURE: one ping through a pool, from borrowing the connection to giving it back or throwing it away.
 *
 * A time limit that only stops waiting leaves waiters and connections behind: enough of them and the pool is dead
 * until a restart. So whatever comes late is owned here, and `settled` is told only when nothing is outstanding.
 */
import { performance } from 'node:perf_hooks';
import { isOwnFault, limit } from '../deadline.js';
import type { PoolAdapter } from './adapter.js';
import { codeOf, isNetworkError } from './duck.js';
import type { Answer } from './reach.js';

/** A ping under way. */
export interface Ping {
  /** How it ended; never rejects. `ms` is the time of the query alone, without the wait for a connection. */
  readonly answer: Promise<Answer>;
  /** Nothing of it is left in the pool or in the driver. With a driver that hangs for good: never. */
  readonly settled: Promise<void>;
  /** Ends it now, as its time limit would. */
  abandon(): void;
}

/** Borrows a connection, asks, returns it; `timeoutMs` covers the whole. */
export function ping(adapter: PoolAdapter, timeoutMs: number): Ping {
  let isAbandoned = false;
  let askedAt = 0;
  let giveUp = (): void => {};

  const borrowing = adapter.borrow();
  const asked = borrowing.granted.then(async (connection) => {
    if (isAbandoned) return adapter.giveBack(connection);
    giveUp = () => adapter.discard(connection, new Error('nestjs-vitals: ping not answered in time'));
    askedAt = performance.now();
    try {
      await adapter.ask(connection);
    } catch (error) {
      if (!isAbandoned) adapter.discard(connection, error as Error);
      throw error;
    }
    if (!isAbandoned) adapter.giveBack(connection);
  });
  giveUp = () => borrowing.withdraw();

  const abandon = (): void => {
    if (isAbandoned) return;
    isAbandoned = true;
    attempt(giveUp);
  };
  const answer = new Promise<Answer>((resolve) => {
    limit(asked, timeoutMs, (outcome) => {
      if (outcome.kind === 'fulfilled') return resolve({ kind: 'answered', ms: performance.now() - askedAt });
      if (outcome.kind === 'rejected') {
        const isLost = askedAt > 0 && isNetworkError(outcome.error);
        return resolve({ kind: isLost ? 'lost' : 'failed', code: codeOf(outcome.error) });
      }
      const isCrowdedOut = askedAt === 0 && borrowing.isCrowdedOut();
      const isBehind = askedAt > 0 && adapter.isBehind?.() === true;
      abandon();
      if (isCrowdedOut) return resolve({ kind: 'unasked' });
      if (isBehind) return resolve({ kind: 'behind' });
      return resolve({ kind: isOwnFault(outcome, timeoutMs) ? 'inconclusive' : 'failed', code: 'TIMEOUT' });
    });
  });
  return { answer, settled: asked.catch(() => {}), abandon };
}

/** A driver that throws while it is told to give up has given up. */
function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // Nothing is left to undo.
  }
}

/**
 * Stage 1, MEASURE: a time limit that does not blame others for our own lateness.
 *
 * A timer that fires after our loop was blocked says nothing about the other side: its answer may lie unread
 * in the socket. So the limit first lets the loop read what has come (two turns), and tells how late it was.
 */
import { performance } from 'node:perf_hooks';

/** How a race against a time limit ended. `lateMs` is how long after the limit the timer ran. */
export type Outcome<T> =
  | { readonly kind: 'fulfilled'; readonly value: T; readonly ms: number }
  | { readonly kind: 'rejected'; readonly error: unknown; readonly ms: number }
  | { readonly kind: 'timedOut'; readonly ms: number; readonly lateMs: number };

/**
 * Reports how `work` ended, or that it had not ended `timeoutMs` after the call. Calls back exactly once and
 * never rejects; what becomes of unfinished work stays the caller's to follow. The timer is unref'd.
 */
export function limit<T>(work: Promise<T>, timeoutMs: number, report: (outcome: Outcome<T>) => void): void {
  const startedAt = performance.now();
  let isOpen = true;
  const once = (outcome: (ms: number) => Outcome<T>): void => {
    if (!isOpen) return;
    isOpen = false;
    clearTimeout(timer);
    report(outcome(performance.now() - startedAt));
  };
  const timer = setTimeout(() => {
    const lateMs = performance.now() - startedAt - timeoutMs;
    setImmediate(() => setImmediate(() => once((ms) => ({ kind: 'timedOut', ms, lateMs }))));
  }, timeoutMs);
  // A health module must not be the reason a process stays alive.
  timer.unref();
  work.then(
    (value) => once((ms) => ({ kind: 'fulfilled', value, ms })),
    (error: unknown) => once((ms) => ({ kind: 'rejected', error, ms })),
  );
}

/** Was the limit itself run so late that the outcome proves nothing about the other side? */
export function isOwnFault(outcome: Outcome<unknown>, timeoutMs: number): boolean {
  return outcome.kind === 'timedOut' && outcome.lateMs > timeoutMs / 4;
}

/**
 * Stage 2, JUDGE: whether uncaught errors are being swallowed. Pure. After an uncaught error a process is in an
 * undefined state (Node's documentation, `uncaughtException`): locks stay taken, requests stay unanswered.
 */
import type { SwallowedReading } from '../sources/swallowed.js';
import type { Finding } from './finding.js';

/** When swallowed errors matter. */
export interface SwallowedThresholds {
  /** Swallowed errors in the window from which it is `degraded`. Default 10. */
  readonly degradedAt: number;
  /**
   * Swallowed errors in the window from which it is `down`, so that liveness fails and recovery ends the process, or
   * `false` for never: errors of a dead dependency that nobody catches pile up as well, and no restart cures those.
   * Default `false`.
   */
  readonly downAt: number | false;
}

const SHOWN_CODES = 5;

/** The finding about one reading. Its remedy is a restart: nothing else brings back a defined state. */
export function judgeSwallowed(
  { windowMs, inWindow, total, codes }: SwallowedReading,
  { degradedAt, downAt }: SwallowedThresholds,
): Finding {
  const isDown = downAt !== false && inWindow >= downAt;
  const isMany = isDown || inWindow >= degradedAt;
  const shown = codes.slice(0, SHOWN_CODES);
  const named = shown.map(({ code, total: count }) => `${code} ${count}`).join(', ');
  return {
    status: isDown ? 'down' : isMany ? 'degraded' : 'up',
    ...(isMany ? { code: 'ERRORS_SWALLOWED' as const } : {}),
    remedy: isMany ? 'restart' : 'none',
    message:
      `swallowed: ${inWindow} uncaught errors in ${windowMs} ms did not end the process (threshold ${isDown ? downAt : degradedAt})` +
      (named ? `; since the start: ${named}` : ''),
    data: { inWindow, total, windowMs, degradedAt, downAt, codes: shown.map((one) => ({ ...one })) },
  };
}

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
}

const SHOWN_CODES = 5;

/** The finding about one reading. Its remedy is a restart: nothing else brings back a defined state. */
export function judgeSwallowed(
  { windowMs, inWindow, total, codes }: SwallowedReading,
  { degradedAt }: SwallowedThresholds,
): Finding {
  const isMany = inWindow >= degradedAt;
  const shown = codes.slice(0, SHOWN_CODES);
  const named = shown.map(({ code, total: count }) => `${code} ${count}`).join(', ');
  return {
    status: isMany ? 'degraded' : 'up',
    ...(isMany ? { code: 'ERRORS_SWALLOWED' as const } : {}),
    remedy: isMany ? 'restart' : 'none',
    message:
      `swallowed: ${inWindow} uncaught errors in ${windowMs} ms did not end the process (threshold ${degradedAt})` +
      (named ? `; since the start: ${named}` : ''),
    data: { inWindow, total, windowMs, degradedAt, codes: shown.map((one) => ({ ...one })) },
  };
}

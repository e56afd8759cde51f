/**
 * Stage 2, JUDGE: the words every indicator answers with. Plain data, no clock, no source.
 */

/** One indicator's status. `degraded` still takes traffic. */
export type Status = 'up' | 'degraded' | 'down';

/** What would cure a finding: a new process, less traffic, or nothing this process can do. */
export type Remedy = 'restart' | 'drain' | 'none';

/** The closed list of codes. They are public and stable: alerts may match on them. */
export const CODES = [
  'LOOP_BLOCKED',
  'LOOP_STARVED',
  'LOOP_SATURATED',
  'POOL_STARVED',
  'POOL_WEDGED',
  'POOL_LEAK',
  'POOL_POISONED',
  'DB_UNREACHABLE',
  'DB_SLOW',
  'RESET_RATE_HIGH',
  'PEER_UNREACHABLE',
  'ERRORS_SWALLOWED',
  'CHECK_FAILED',
  'CHECK_TIMED_OUT',
  'STALE',
  'STARTING',
  'DRAINING',
  'MAINTENANCE',
] as const;

/** One of {@link CODES}. */
export type Code = (typeof CODES)[number];

/** A value in `data`. Numbers carry their unit in the key; strings are withheld from the public. */
export type DataValue =
  number | boolean | string | null | readonly DataValue[] | { readonly [key: string]: DataValue };

/** What an indicator says of one reading: always with its numbers, up or down. */
export interface Finding {
  readonly status: Status;
  /** Absent when `up`. */
  readonly code?: Code;
  readonly remedy: Remedy;
  /** How long the finding must hold before its remedy counts, in ms. Default 0: at once. */
  readonly remedyAfterMs?: number;
  /** One line: subject, measured number with unit, window, threshold. For the log and the privileged reader. */
  readonly message: string;
  readonly data: { readonly [key: string]: DataValue };
  /** Nothing could be learned this time (our own loop was late): the status before it stands. */
  readonly inconclusive?: true;
}

/** How many readings in a row it takes to believe a worse (`failAfter`) or a better (`recoverAfter`) status. */
export interface Patience {
  /** Worse readings in a row. Default 2. */
  readonly failAfter: number;
  /** Better readings in a row. Default 2. */
  readonly recoverAfter: number;
}

/**
 * Stage 3, DECIDE: when to believe an indicator. Pure; every sequence of readings can be tested.
 */
import type { Finding, Patience, Status } from '../indicators/finding.js';

const SEVERITY: Record<Status, number> = { up: 0, degraded: 1, down: 2 };

/** Is `a` a worse status than `b`? */
export function worse(a: Status, b: Status): boolean {
  return SEVERITY[a] > SEVERITY[b];
}

/** The believed status and how many readings in a row have spoken against it: worse ones count up, better ones down. */
export interface Streak {
  readonly status: Status;
  readonly against: number;
}

/** One reading more. A reading that agrees with the believed status, or speaks the other way, resets the count. */
export function settle(
  { status, against }: Streak,
  seen: Status,
  { failAfter, recoverAfter }: Patience,
): Streak {
  if (seen === status) return { status, against: 0 };
  const isWorse = worse(seen, status);
  const count = isWorse ? Math.max(against, 0) + 1 : Math.min(against, 0) - 1;
  const needed = isWorse ? failAfter : recoverAfter;
  return Math.abs(count) < needed ? { status, against: count } : { status: seen, against: 0 };
}

/** What is believed of one indicator, and since when. Times are epoch ms. */
export interface Belief {
  readonly streak: Streak;
  /** The finding that the believed status rests on: its code, remedy and message are the ones to show. */
  readonly finding: Finding;
  /** The numbers of the last reading, whatever it was. */
  readonly data: Finding['data'];
  /** When the believed status began. */
  readonly since: number;
  /** When the believed status and code began together: a remedy may have to wait from here. */
  readonly codeSince: number;
  readonly checkedAt: number;
}

/** Takes one finding into account. The first one is believed at once: before it nothing was known. */
export function believe(before: Belief | null, seen: Finding, now: number, patience: Patience): Belief {
  if (!before) {
    const streak = { status: seen.status, against: 0 };
    return { streak, finding: seen, data: seen.data, since: now, codeSince: now, checkedAt: now };
  }
  if (seen.inconclusive) return { ...before, data: seen.data, checkedAt: now };
  const streak = settle(before.streak, seen.status, patience);
  const finding = seen.status === streak.status ? seen : before.finding;
  return {
    streak,
    finding,
    data: seen.data,
    since: streak.status === before.streak.status ? before.since : now,
    codeSince: sameVerdict(finding, before.finding) ? before.codeSince : now,
    checkedAt: now,
  };
}

function sameVerdict(a: Finding, b: Finding): boolean {
  return a.status === b.status && a.code === b.code;
}

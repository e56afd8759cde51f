/**
 * Stage 3, DECIDE: what changed between two snapshots, for alerts and for the log. Pure.
 */
import type { Detail, Snapshot } from './snapshot.js';

/** The part of a snapshot that alerts are about. */
export type Verdict = Pick<Snapshot, 'status' | 'phase' | 'cause' | 'remedy'>;

/** One change of the verdict. */
export interface Transition {
  readonly from: Verdict;
  readonly to: Verdict;
  /** Epoch ms. */
  readonly at: number;
  /** How long the old verdict had stood, ms. */
  readonly lastedMs: number;
}

/** One line for the log. */
export interface LogLine {
  readonly level: 'log' | 'warn' | 'error';
  readonly text: string;
}

/** The change of the verdict from one snapshot to the next, or `null`. `since` is when the old verdict began. */
export function transitionOf(before: Snapshot, after: Snapshot, since: number): Transition | null {
  const [from, to] = [verdictOf(before), verdictOf(after)];
  if (JSON.stringify(from) === JSON.stringify(to)) return null;
  return { from, to, at: after.takenAt, lastedMs: after.takenAt - since };
}

/** One line for each detail that changed, with the time spent in the old status. None for one that did not. */
export function linesOf(before: Snapshot, after: Snapshot): LogLine[] {
  const known = new Map(before.details.map((detail) => [detail.name, detail]));
  const current = new Set(after.details.map(({ name }) => name));
  const changed = after.details.flatMap((detail) => lineOf(known.get(detail.name), detail, after.takenAt));
  const gone = before.details.filter(({ name }) => !current.has(name));
  return [...changed, ...gone.map((detail) => overLine(detail, after.takenAt))];
}

const LEVELS = { up: 'log', degraded: 'warn', down: 'error' } as const;

function lineOf(old: Detail | undefined, detail: Detail, now: number): LogLine[] {
  const isSame =
    old && old.status === detail.status && old.code === detail.code && old.remedy === detail.remedy;
  if (isSame || (!old && detail.status === 'up')) return [];
  // The phases are news, not faults: a service that starts or drains is doing what it was told.
  const isPhase = ['STARTING', 'DRAINING', 'MAINTENANCE'].includes(detail.code ?? '');
  const was = old ? `${words(old)} -> ${words(detail)} after ${seconds(now - old.since)}` : words(detail);
  return [
    { level: isPhase ? 'log' : LEVELS[detail.status], text: `${detail.name}: ${was}: ${detail.message}` },
  ];
}

function overLine(old: Detail, now: number): LogLine {
  return {
    level: 'log',
    text: `${old.name}: ${old.code ?? old.status} is over after ${seconds(now - old.since)}`,
  };
}

function words({ status, code, remedy }: Detail): string {
  return [status, code, remedy === 'none' ? null : `(remedy ${remedy})`].filter(Boolean).join(' ');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function verdictOf({ status, phase, cause, remedy }: Snapshot): Verdict {
  return { status, phase, cause, remedy };
}

/**
 * Stage 3, DECIDE: from what is believed of each indicator to one verdict. Pure; takes `now`.
 */
import type { Code, DataValue, Remedy, Status } from '../indicators/finding.js';
import { type Belief, worse } from './hysteresis.js';

/** The process as a whole. */
export type VerdictStatus = 'ok' | 'degraded' | 'error';

/** Where the process is in its life. */
export type Phase = 'starting' | 'running' | 'draining';

/** One indicator as the endpoint shows it. Times are epoch ms. */
export interface Detail {
  readonly name: string;
  readonly status: Status;
  readonly code: Code | null;
  /** `none` until the finding has held for as long as its remedy asks. */
  readonly remedy: Remedy;
  readonly message: string;
  readonly data: { readonly [key: string]: DataValue };
  readonly since: number;
  readonly checkedAt: number;
  /** A detail that is not critical degrades the verdict at most. */
  readonly critical: boolean;
}

/** The last verdict with all its details: what the endpoint serves. Immutable. */
export interface Snapshot {
  readonly status: VerdictStatus;
  readonly phase: Phase;
  /** The worst detail: the first of them in the order of registration. `null` when all is well. */
  readonly cause: { readonly name: string; readonly code: Code } | null;
  /** Would a restart help, or less traffic, or nothing here? `restart` only from a critical detail that is down. */
  readonly remedy: Remedy;
  readonly details: readonly Detail[];
  /** Epoch ms. */
  readonly takenAt: number;
  /** Whether the verdict may be older than promised. */
  readonly isStale: boolean;
  readonly isMaintenance: boolean;
  readonly uptimeMs: number;
}

/** Something with a belief, or none yet. */
export interface Believed {
  readonly name: string;
  readonly critical: boolean;
  /** `null` before its first reading. */
  readonly belief: Belief | null;
  /** What a first reading waits for, for the log and the privileged reader. */
  readonly pending?: string;
}

/** What the verdict depends on besides the indicators. */
export interface Circumstances {
  readonly phase: Phase;
  readonly isMaintenance: boolean;
  /** When the process began, epoch ms. */
  readonly startedAt: number;
  /** When the phase or the maintenance switch last changed, epoch ms. */
  readonly changedAt: number;
}

/** The name under which the module speaks of itself in a body: starting, draining, maintenance, stale. */
export const OWN_NAME = 'vitals';
/** No indicator may be called so: after the indicators, `X-Health-Status` names the remedy by this word. */
export const REMEDY_WORD = 'remedy';

const OWN_CODES: Record<'starting' | 'draining' | 'maintenance', { code: Code; message: string }> = {
  starting: { code: 'STARTING', message: 'vitals: the first readings are not in yet' },
  draining: { code: 'DRAINING', message: 'vitals: readiness says no before the server closes' },
  maintenance: { code: 'MAINTENANCE', message: 'vitals: maintenance was switched on' },
};

/** The worst critical status decides; what is not critical degrades at most; the phase comes first of all. */
export function decide(believed: readonly Believed[], circumstances: Circumstances, now: number): Snapshot {
  const measured = believed.map((one) => detailOf(one, circumstances, now));
  const own = ownDetail(circumstances, now);
  const details = own ? [own, ...measured] : measured;
  return {
    ...summarize(details),
    phase: circumstances.phase,
    details,
    takenAt: now,
    isStale: false,
    isMaintenance: circumstances.isMaintenance,
    uptimeMs: now - circumstances.startedAt,
  };
}

/** How old a snapshot may get, ms. */
export interface Freshness {
  readonly staleAfterMs: number;
  readonly downAfterMs: number;
}

/**
 * The same snapshot as it must be served when it is `ageMs` old: an old "ok" is never served as a fresh one.
 * Returns its argument while that is fresh.
 */
export function aged(snapshot: Snapshot, ageMs: number, { staleAfterMs, downAfterMs }: Freshness): Snapshot {
  if (ageMs <= staleAfterMs) return snapshot;
  const isDown = ageMs > downAfterMs;
  const since = snapshot.takenAt + staleAfterMs;
  const own: Detail = {
    name: OWN_NAME,
    status: isDown ? 'down' : 'degraded',
    code: 'STALE',
    remedy: isDown ? 'restart' : 'none',
    message: `vitals: the last reading is ${Math.round(ageMs)} ms old (threshold ${isDown ? downAfterMs : staleAfterMs} ms)`,
    data: { ageMs: Math.round(ageMs), staleAfterMs, downAfterMs },
    since,
    checkedAt: since,
    critical: true,
  };
  const details = [own, ...snapshot.details.filter(({ name }) => name !== OWN_NAME)];
  const isLeaving = snapshot.phase !== 'running' || snapshot.isMaintenance;
  // Draining and starting are worse than stale already, and their own detail says more.
  if (isLeaving) return { ...snapshot, isStale: true };
  return { ...snapshot, ...summarize(details), details, isStale: true };
}

/** The snapshot as it would be without the named details. The phase and the maintenance switch stay. */
export function excluding(snapshot: Snapshot, names: readonly string[]): Snapshot {
  const details = snapshot.details.filter(({ name }) => name === OWN_NAME || !names.includes(name));
  if (details.length === snapshot.details.length) return snapshot;
  return { ...snapshot, ...summarize(details), details };
}

/** The snapshot with this detail, first, in place of the one of its name: as it would be at `now`. */
export function replacing(snapshot: Snapshot, detail: Detail, now: number): Snapshot {
  const details = [detail, ...snapshot.details.filter(({ name }) => name !== detail.name)];
  const uptimeMs = snapshot.uptimeMs + now - snapshot.takenAt;
  return { ...snapshot, ...summarize(details), details, takenAt: now, uptimeMs };
}

function detailOf(
  { name, critical, belief, pending }: Believed,
  { startedAt }: Circumstances,
  now: number,
): Detail {
  if (!belief) {
    const message = pending ?? `${name}: no reading yet`;
    const nothing = { status: 'down', code: 'STARTING', remedy: 'none', message, data: {} } as const;
    return { name, ...nothing, since: startedAt, checkedAt: now, critical };
  }
  const { finding, streak, data, since, codeSince, checkedAt } = belief;
  const isDue = now - codeSince >= (finding.remedyAfterMs ?? 0);
  return {
    name,
    status: streak.status,
    code: finding.code ?? null,
    remedy: isDue ? finding.remedy : 'none',
    message: finding.message,
    data,
    since,
    checkedAt,
    critical,
  };
}

function ownDetail({ phase, isMaintenance, changedAt }: Circumstances, now: number): Detail | null {
  const state = phase === 'running' ? (isMaintenance ? 'maintenance' : null) : phase;
  if (!state) return null;
  const common = { status: 'down', remedy: 'none', data: {}, critical: true } as const;
  return { name: OWN_NAME, ...common, ...OWN_CODES[state], since: changedAt, checkedAt: now };
}

function summarize(details: readonly Detail[]): Pick<Snapshot, 'status' | 'cause' | 'remedy'> {
  let worst: Detail | null = null;
  for (const detail of details) {
    if (effective(detail) !== 'up' && (!worst || worse(effective(detail), effective(worst)))) worst = detail;
  }
  const status = worst ? (effective(worst) === 'down' ? 'error' : 'degraded') : 'ok';
  return {
    status,
    cause: worst?.code ? { name: worst.name, code: worst.code } : null,
    remedy: details.some(wantsRestart)
      ? 'restart'
      : details.some((d) => d.remedy === 'drain')
        ? 'drain'
        : 'none',
  };
}

/** Would a restart cure it? The one question that liveness asks. */
export function wantsRestart({ critical, status, remedy }: Detail): boolean {
  return critical && status === 'down' && remedy === 'restart';
}

/** What is not critical degrades the verdict at most. */
function effective({ status, critical }: Detail): Status {
  return status === 'down' && !critical ? 'degraded' : status;
}

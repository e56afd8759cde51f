/**
 * Stage 2, JUDGE: whether connections are being reset more than the thresholds allow. Pure. Why they are
 * reset is the cause's affair, and no number of resets is a reason to restart: a new process would meet the same network.
 */
import type { KernelReading, ResetOrigin, ResetReading, StalledPeer } from '../sources/resets-reading.js';
import type { Code, DataValue, Finding, Status } from './finding.js';
import { causeOf, isNamed, tellCause, type Cause, type CauseName } from './reset-cause.js';
import { settingFor, timeoutFor } from './reset-setting.js';

/** When resets of one outbound origin matter. All conditions are about the window of the reading. */
export interface ResetThresholds {
  /** Resets of one origin from which it is `degraded`. Default 20. */
  readonly degradedAt: number;
  /** Resets of one origin from which it is `down`. Default 200. */
  readonly downAt: number;
  /**
   * Share of the origin's connections, 0 to 1, that must have been reset besides: twenty of ten thousand are the
   * noise of the internet, twenty of thirty are not. Default 0.05.
   */
  readonly ratio: number;
}

/** Whose connections go to one peer: the pool that was registered, in the words of its adapter. */
export interface Owner {
  readonly pool: string;
  readonly driver: string;
  /** Whether it recognizes connections that its driver lost; `null` or absent where that is not known. */
  readonly evictsLost?: boolean | null;
}

/** By peer, `host:port` as the pool was told. */
export type Owners = ReadonlyMap<string, Owner>;

/** What is known of the connections from elsewhere. */
export interface Context {
  readonly owners: Owners;
  /** What the audit of the configuration found. */
  readonly advice: readonly string[];
}

const UNKNOWN: Context = { owners: new Map(), advice: [] };
const SHOWN_ORIGINS = 5;
/** Each waits twice as long as the one before, from 0.2 s on: 12 s without an answer are no mere loss of packets. */
const MIN_RETRANSMITS = 6;
const SEVERITY: Record<Status, number> = { up: 0, degraded: 1, down: 2 };

/**
 * The finding about the outbound origin that is worst off: the worst status first, then the most resets. Inbound
 * resets are in `data` and never judged: browsers, port scanners and load balancers reset their connections at will.
 */
export function judgeResets(
  reading: ResetReading,
  thresholds: ResetThresholds,
  context: Partial<Context> = {},
): Finding {
  const { owners, advice } = { ...UNKNOWN, ...context };
  const judged = reading.origins
    .filter((origin) => origin.direction === 'outbound')
    .map((origin) => ({ origin, status: statusOf(origin, thresholds) }))
    .sort((a, b) => SEVERITY[b.status] - SEVERITY[a.status] || b.origin.inWindow - a.origin.inWindow);
  const worst = judged[0];
  const byResets = worst?.status ?? 'up';
  const stalled = reading.kernel?.stalled.find(({ retransmits }) => retransmits >= MIN_RETRANSMITS);
  return {
    ...standing(byResets, stalled),
    remedy: 'none',
    message:
      messageOf(reading, worst?.origin, byResets, thresholds) +
      (worst && byResets !== 'up' ? explained(worst.origin, owners) : '') +
      (stalled ? unacknowledged(stalled, owners) : ''),
    data: {
      ...dataOf(reading, worst?.origin, thresholds, owners),
      ...(advice.length > 0 ? { advice } : {}),
    },
  };
}

/**
 * The cause of what resets one outbound origin, in a line of its own, whatever the status: ten connections dropped each
 * six minutes are below any rate. `null` where it was never reset or no cause is named.
 */
export function tellOrigin(
  { direction, peer, total, ends, survivedMs }: ResetOrigin,
  owners: Owners,
): { readonly cause: CauseName; readonly line: string } | null {
  if (direction !== 'outbound' || total === 0) return null;
  const cause = causeOf(ends, survivedMs);
  if (!isNamed(cause)) return null;
  const owner = owners.get(peer);
  const of = owner ? ` of pool "${owner.pool}"` : '';
  const line = `resets: ${total} so far from origin "outbound ${peer}"${of}${inWords(cause, peer, owners)}`;
  return { cause: cause.name, line };
}

function standing(byResets: Status, stalled: StalledPeer | undefined): { status: Status; code?: Code } {
  if (byResets !== 'up') return { status: byResets, code: 'RESET_RATE_HIGH' };
  return stalled ? { status: 'degraded', code: 'PEER_UNREACHABLE' } : { status: 'up' };
}

function statusOf(origin: ResetOrigin, { degradedAt, downAt, ratio }: ResetThresholds): Status {
  if (origin.inWindow < degradedAt || ratioOf(origin) < ratio) return 'up';
  return origin.inWindow < downAt ? 'degraded' : 'down';
}

function ratioOf({ inWindow, connectionsInWindow }: ResetOrigin): number {
  // More resets than connections: some of them are older than the hook, which does not know them as connections.
  return inWindow === 0 ? 0 : Math.min(1, inWindow / Math.max(1, connectionsInWindow));
}

function messageOf(
  { windowMs }: ResetReading,
  worst: ResetOrigin | undefined,
  status: Status,
  { degradedAt, downAt, ratio }: ResetThresholds,
): string {
  const count = worst?.inWindow ?? 0;
  const threshold = `(threshold ${status === 'down' ? downAt : degradedAt})`;
  if (!worst || count === 0) return `resets: 0 in ${windowMs} ms ${threshold}`;
  const line = `resets: ${count} in ${windowMs} ms from origin "${worst.direction} ${worst.peer}" ${threshold}`;
  if (status !== 'up' || count < degradedAt) return line;
  const share = rounded(ratioOf(worst));
  return `${line}, a ratio of ${share} of its ${worst.connectionsInWindow} connections (threshold ${ratio})`;
}

function dataOf(
  reading: ResetReading,
  worst: ResetOrigin | undefined,
  thresholds: ResetThresholds,
  owners: Owners,
): Finding['data'] {
  return {
    outboundInWindow: reading.outboundInWindow,
    inboundInWindow: reading.inboundInWindow,
    worstInWindow: worst?.inWindow ?? 0,
    worstRatio: worst ? rounded(ratioOf(worst)) : 0,
    total: reading.total,
    synthesizedInWindow: reading.synthesizedInWindow,
    timeoutsInWindow: reading.timeoutsInWindow,
    connectFailuresInWindow: reading.connectFailuresInWindow,
    kernel: reading.kernel && kernelData(reading.kernel),
    windowMs: reading.windowMs,
    degradedAt: thresholds.degradedAt,
    downAt: thresholds.downAt,
    ratio: thresholds.ratio,
    origins: reading.origins.slice(0, SHOWN_ORIGINS).map((origin) => originData(origin, owners)),
  };
}

/** For the end of a message; nothing where no cause is named. */
function explained({ peer, ends, survivedMs }: ResetOrigin, owners: Owners): string {
  const cause = causeOf(ends, survivedMs);
  return isNamed(cause) ? inWords(cause, peer, owners) : '';
}

function inWords(cause: Cause, peer: string, owners: Owners): string {
  return `; cause: ${tellCause(cause)}; ${settingFor(cause, owners.get(peer) ?? null, peer)}`;
}

function unacknowledged({ peer, connections, retransmits }: StalledPeer, owners: Owners): string {
  const of = `${connections} ${connections === 1 ? 'connection' : 'connections'} to "${peer}"`;
  const why = `${retransmits} retransmits (threshold ${MIN_RETRANSMITS}): the peer is gone, or the path drops packets`;
  return `; ${of} without an acknowledgment after ${why}; ${timeoutFor(owners.get(peer)?.driver ?? null, peer)}`;
}

function kernelData({ resets, outsideNode, stalled }: KernelReading): DataValue {
  return { resets, outsideNode, stalled: stalled.slice(0, SHOWN_ORIGINS).map((peer) => ({ ...peer })) };
}

function originData(
  { ends, survivedMs, ...counts }: ResetOrigin,
  owners: Owners,
): { readonly [key: string]: DataValue } {
  const owner = owners.get(counts.peer);
  const of = { ...counts, pool: owner?.pool ?? null, driver: owner?.driver ?? null };
  if (counts.direction === 'inbound') return of;
  const cause = causeOf(ends, survivedMs);
  const setting = settingFor(cause, owner ?? null, counts.peer);
  return {
    ...of,
    cause: causeData(cause, survivedMs),
    setting: setting === '' ? null : setting,
    last: lastData(ends),
  };
}

function causeData({ share, ...cause }: Cause, survivedMs: number): { readonly [key: string]: DataValue } {
  return { ...cause, share: rounded(share), survivedMs };
}

/** The last end as it was seen: what a person would ask for first. */
function lastData(ends: ResetOrigin['ends']): DataValue {
  const last = ends.at(-1);
  if (!last) return null;
  const whole = (ms: number | null): number | null => (ms === null ? null : Math.round(ms));
  const { kind, phase, isTls, isReused } = last;
  return {
    kind,
    phase,
    idleMs: whole(last.idleMs),
    ageMs: whole(last.ageMs),
    isTls,
    isReused,
    loopDelayMs: whole(last.loopDelayMs),
  };
}

function rounded(ratio: number): number {
  return Math.round(ratio * 10_000) / 10_000;
}

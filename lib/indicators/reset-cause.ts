/**
 * Stage 2, JUDGE: why do the connections to one peer end? Pure. Each cause leaves a signature in five numbers: how many
 * end at once, in what phase, after how long a silence, at what age, and what silence others survived. The thresholds
 * are those that told seven injected causes and random kills apart; where no signature fits, none is named.
 */
import type { EndedConnection } from '../sources/resets-reading.js';

/** Closed list. The last two name no cause. */
export type CauseName =
  | 'restart'
  | 'idle-drop'
  | 'idle-timeout'
  | 'read-timeout'
  | 'max-lifetime'
  | 'reachability'
  | 'keep-alive-race'
  | 'no-pattern'
  | 'not-enough-data';

/** A cause with the numbers that it was named for. */
export interface Cause {
  readonly name: CauseName;
  /** How many ends were looked at. */
  readonly events: number;
  /** The share of them, 0 to 1, that bears the signature. */
  readonly share: number;
  /** The time limit behind it lies between these, ms; `null` where there is none. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  /** What is known to have this limit, with its own figure: `AWS NLB and NAT gateway, 350 s`. */
  readonly known: string | null;
  /** Who ended it, where that can be told: a FIN comes from the server, a RST out of silence from something between. */
  readonly by: 'server' | 'device between' | null;
}

const MIN_EVENTS = 5;
/** So many ends within so short a time, and quiet before and after, are one event. */
const BURST = { count: 4, withinMs: 100, quietMs: 1_000, share: 0.6 };
const MOST = 0.8;
/** Standard deviation over mean: below this a time is one limit, not chance. */
const MAX_VARIATION = 0.1;
/** Shorter than this nobody sets a limit; what is constant below it is how long a request takes. */
const MIN_LIMIT_MS = 500;

/** Limits that vendors document, s. Verify yours: most can be changed. */
const KNOWN: readonly (readonly [seconds: number, who: string])[] = [
  [5, "Node's HTTP server"],
  [55, 'Heroku router'],
  [60, 'AWS ALB, nginx'],
  [75, 'nginx keep-alive'],
  [240, 'Azure load balancer'],
  [350, 'AWS NLB and NAT gateway'],
  [600, 'GCP load balancer, pgbouncer, Azure Redis'],
  [900, 'Docker Swarm IPVS'],
  [1800, 'Azure SQL gateway'],
  [3600, 'firewalls, pgbouncer server_lifetime'],
  [7200, 'Linux TCP keepalive'],
  [28800, 'MySQL wait_timeout'],
  [432000, 'Linux conntrack'],
];
const KNOWN_WITHIN = 0.05;

type Named = Omit<Cause, 'events'>;
type Rule = (ends: readonly EndedConnection[], survivedMs: number) => Named | null;

// Order matters: a restart also makes ages alike, and an idle drop also leaves idle connections.
const RULES: readonly Rule[] = [restart, idleDrop, idleTimeout, readTimeout, maxLifetime, reachability, race];

/** The cause behind the ends of connections to one peer, of which others survived a silence of `survivedMs`. */
export function causeOf(ends: readonly EndedConnection[], survivedMs: number): Cause {
  const events = ends.length;
  if (events < MIN_EVENTS) return { ...named('not-enough-data', 0), events };
  for (const rule of RULES) {
    const found = rule(ends, survivedMs);
    if (found) return { ...found, events };
  }
  return { ...named('no-pattern', 0), events };
}

/** Whether a cause was found. */
export function isNamed({ name }: Cause): boolean {
  return name !== 'no-pattern' && name !== 'not-enough-data';
}

/** One clause, for the end of a message. */
export function tellCause(cause: Cause): string {
  const { name, events, share, known, by } = cause;
  const limit = limitOf(cause) + (known ? ` (${known})` : '');
  const evidence = `${Math.round(share * events)} of ${events} ends`;
  const words: Record<CauseName, string> = {
    restart: `the server restarted or failed over, ${evidence} came at once`,
    'idle-drop': `a device between drops connections idle for ${limit}: ${evidence} at the first write after`,
    'idle-timeout': `the ${by ?? 'server'} closes connections idle for ${limit}: ${evidence}`,
    'read-timeout': `something cuts requests off after ${limit}: ${evidence}`,
    'max-lifetime': `connections are ended at an age of ${limit}: ${evidence}`,
    reachability: `connections fail before they are used (address, TLS or limits): ${evidence}`,
    'keep-alive-race': `the server closes idle HTTP connections as we write on them: ${evidence}`,
    'no-pattern': `no pattern in ${events} ends`,
    'not-enough-data': `not enough data, ${events} of ${MIN_EVENTS} ends`,
  };
  return words[name];
}

function limitOf({ fromMs, toMs }: Cause): string {
  return fromMs === null || fromMs === toMs ? `${toMs} ms` : `${fromMs} to ${toMs} ms`;
}

/**
 * Connections that never came to be say nothing of a restart, nor do those that were closed after their one answer:
 * whoever opens ten at once has ten refused at once, or ten answers with `Connection: close`.
 */
function restart(ends: readonly EndedConnection[]): Named | null {
  const lived = ends.filter(({ kind, answers }) => kind === 'reset' || (kind === 'fin' && answers > 1));
  const times = lived.map(({ at }) => at).sort((a, b) => a - b);
  const burst = apart(times).reduce((sum, cluster) => sum + burstOf(cluster), 0);
  const share = burst / ends.length;
  return share > BURST.share ? named('restart', share) : null;
}

/** What is parted by quiet. Many ends a second for no reason are one long cluster, and no burst. */
function apart(times: readonly number[]): number[][] {
  const clusters: number[][] = [];
  times.forEach((time, i) => {
    if (i === 0 || time - times[i - 1]! > BURST.quietMs) clusters.push([]);
    clusters.at(-1)!.push(time);
  });
  return clusters;
}

/** How many of a cluster came at once; 0 where that is not most of them. */
function burstOf(cluster: readonly number[]): number {
  const most = Math.max(
    ...cluster.map((from) => cluster.filter((t) => t >= from && t - from <= BURST.withinMs).length),
  );
  return most >= BURST.count && most > BURST.share * cluster.length ? most : 0;
}

function idleDrop(ends: readonly EndedConnection[], survivedMs: number): Named | null {
  const dead = ends.filter(({ phase, kind }) => phase === 'first-write-after-idle' && kind !== 'fin');
  const share = dead.length / ends.length;
  if (share < MOST) return null;
  const toMs = Math.min(...dead.map(({ idleMs, idleErrorMs }) => (idleMs ?? 0) + idleErrorMs));
  if (!(survivedMs < toMs) || toMs < MIN_LIMIT_MS) return null;
  return { ...named('idle-drop', share), ...between(survivedMs, toMs), by: 'device between' };
}

function idleTimeout(ends: readonly EndedConnection[]): Named | null {
  const idle = ends.filter(({ phase }) => phase === 'idle');
  const share = idle.length / ends.length;
  const limit = share < MOST ? null : oneLimit(idle.map(idleOf));
  if (limit === null) return null;
  const fins = idle.filter(({ kind }) => kind === 'fin').length;
  return {
    ...named('idle-timeout', share),
    ...between(limit, limit),
    by: fins * 2 >= idle.length ? 'server' : 'device between',
  };
}

function readTimeout(ends: readonly EndedConnection[]): Named | null {
  // A first answer that never came is a request too.
  const asked = ends.filter(({ phase }) => phase === 'mid-request' || phase === 'handshake');
  const share = asked.length / ends.length;
  const limit = share < MOST ? null : oneLimit(asked.map(idleOf));
  return limit === null ? null : { ...named('read-timeout', share), ...between(limit, limit) };
}

function maxLifetime(ends: readonly EndedConnection[]): Named | null {
  // One answer and the end is how `Connection: close` looks: alike in age, and no limit.
  const used = ends.filter(({ ageMs, answers }) => ageMs !== null && answers > 1);
  const share = used.length / ends.length;
  const limit = share < MOST ? null : oneLimit(used.map(({ ageMs }) => ageMs ?? 0));
  return limit === null ? null : { ...named('max-lifetime', share), ...between(limit, limit) };
}

function reachability(ends: readonly EndedConnection[]): Named | null {
  const share = ends.filter(({ phase }) => phase === 'connect' || phase === 'handshake').length / ends.length;
  return share >= MOST ? named('reachability', share) : null;
}

function race(ends: readonly EndedConnection[]): Named | null {
  const share = ends.filter(({ isReused }) => isReused).length / ends.length;
  return share >= MOST ? named('keep-alive-race', share) : null;
}

function named(name: CauseName, share: number): Named {
  return { name, share, fromMs: null, toMs: null, known: null, by: null };
}

/** The middle of what the looks leave open. */
function idleOf({ idleMs, idleErrorMs }: EndedConnection): number {
  return (idleMs ?? 0) + idleErrorMs / 2;
}

/** The median of times that are one limit; `null` when they are not. */
function oneLimit(times: readonly number[]): number | null {
  if (times.length < MIN_EVENTS) return null;
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const deviation = Math.sqrt(times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / times.length);
  if (mean < MIN_LIMIT_MS || deviation / mean >= MAX_VARIATION) return null;
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? null;
}

/** The limits are rounded outwards; the nearest known one must be as near to the upper as its vendor's word allows. */
function between(fromMs: number, toMs: number): Pick<Cause, 'fromMs' | 'toMs' | 'known'> {
  const distance = (seconds: number): number => Math.abs(seconds * 1000 - toMs) / (seconds * 1000);
  const near = KNOWN.filter(([s]) => distance(s) <= KNOWN_WITHIN && s * 1000 > fromMs * (1 - KNOWN_WITHIN));
  const nearest = near.toSorted(([a], [b]) => distance(a) - distance(b))[0];
  return {
    fromMs: Math.floor(fromMs),
    toMs: Math.ceil(fromMs === toMs ? Math.floor(toMs) : toMs),
    known: nearest ? `${nearest[1]}, ${nearest[0]} s` : null,
  };
}

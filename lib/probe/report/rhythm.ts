/**
 * Stage 6, ASK, the report: bursts and a period in the times of resets. Pure over the times; keeps the first million.
 */

/** Past these resets count, but not for bursts and period. */
const MOST_TIMES = 1_000_000;

export const BURST_RESETS = 4;
export const BURST_MS = 1000;

/** A period is told when that share of at least 8 gaps is one, two or three times as long, give or take 5 %. */
const LEAST_GAPS = 8;
const STRONG_RATIO = 0.7;
const TOLERANCE_RATIO = 0.05;

/** Time-outs that many networks share, of the study of root causes. */
const KNOWN: readonly (readonly [seconds: number, whose: string])[] = [
  [5, 'Node’s keepAliveTimeout'],
  [60, 'load balancers (ALB, nginx)'],
  [75, 'nginx'],
  [240, 'Azure'],
  [350, 'AWS NLB and NAT'],
  [600, 'Google Cloud, Azure Redis, pgbouncer'],
  [900, 'Docker Swarm IPVS'],
  [1800, 'Azure SQL gateways'],
  [3600, 'firewalls, pgbouncer server_lifetime'],
  [7200, 'TCP keepalive of Linux'],
  [28800, 'wait_timeout of MySQL'],
];

export interface Bursts {
  readonly count: number;
  /** Resets in bursts, of all with a time. */
  readonly resets: number;
  readonly largest: { readonly atMs: number; readonly resets: number } | null;
}

export interface Period {
  readonly periodMs: number;
  /** Of the gaps, how many fit. */
  readonly ratio: number;
  readonly gaps: number;
  /** Whose time-out is that long. */
  readonly known: string | null;
}

export class Rhythm {
  private readonly times: number[] = [];

  add(ms: number): void {
    if (this.times.length < MOST_TIMES) this.times.push(ms);
  }

  /** At least 4 resets within a second; goes on while each 4 in a row are. */
  bursts(): Bursts {
    const times = this.sorted();
    const found: { atMs: number; resets: number }[] = [];
    let end = 0;
    for (let i = 0; i + BURST_RESETS <= times.length; i++) {
      const [atMs = 0, last = 0] = [times[i], times[i + BURST_RESETS - 1]];
      if (last - atMs > BURST_MS) continue;
      const current = found.at(-1);
      if (current && i < end) current.resets += i + BURST_RESETS - end;
      else found.push({ atMs, resets: BURST_RESETS });
      end = i + BURST_RESETS;
    }
    const resets = found.reduce((all, burst) => all + burst.resets, 0);
    const largest = found.reduce<Bursts['largest']>((a, b) => (a && a.resets >= b.resets ? a : b), null);
    return { count: found.length, resets, largest };
  }

  /** null unless it is strong: of resets by chance about one gap in ten fits. */
  period(): Period | null {
    const gaps = gapsBetween(this.sorted());
    if (gaps.length < LEAST_GAPS) return null;
    const periodMs = gaps.toSorted((a, b) => a - b)[gaps.length >> 1] ?? 0;
    const fitting = gaps.filter((gap) => fits(gap, periodMs)).length;
    if (fitting / gaps.length < STRONG_RATIO) return null;
    const known = KNOWN.find(([seconds]) => fits(periodMs, seconds * 1000, 1));
    return { periodMs, ratio: fitting / gaps.length, gaps: gaps.length, known: known?.[1] ?? null };
  }

  private sorted(): Float64Array {
    return Float64Array.from(this.times).sort();
  }
}

/** Between groups: what breaks within a second is one event. */
function gapsBetween(times: Float64Array): readonly number[] {
  const gaps: number[] = [];
  let start = times[0] ?? 0;
  let previous = start;
  for (const ms of times) {
    if (ms - previous > BURST_MS) {
      gaps.push(ms - start);
      start = ms;
    }
    previous = ms;
  }
  return gaps;
}

function fits(ms: number, periodMs: number, mostTimes = 3): boolean {
  const times = Math.min(mostTimes, Math.max(1, Math.round(ms / periodMs)));
  return Math.abs(ms - times * periodMs) <= TOLERANCE_RATIO * periodMs * times;
}

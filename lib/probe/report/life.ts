/**
 * Stage 6, ASK, the report: when there were lines at all, which processes wrote them, how their memory went, and what
 * lies between two of them. Takes sightings in any order; memory is bounded.
 */
import type { Memory, Sighting } from './record.js';

/** Past these (5.7 years) lines of further hours are no evidence. */
const MOST_HOURS = 50_000;
/** Past these further processes are not told apart. */
const MOST_PROCESSES = 10_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** A slope over less says nothing. */
const LEAST_SPAN_MS = 600_000;
const LEAST_SAMPLES = 5;

export interface Process {
  readonly pid: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** Entries with memory numbers. */
  readonly samples: number;
  /** Least squares; null below 5 samples or 10 minutes. */
  readonly rssBytesPerHour: number | null;
  readonly heapUsedBytesPerHour: number | null;
}

/** A pid whose first line comes after the last of another's. */
export interface Restart {
  readonly atMs: number;
  readonly pid: number;
  readonly previousPid: number;
  /** The longest time without any line between the two. */
  readonly silenceMs: number;
}

interface Track {
  firstMs: number;
  lastMs: number;
  samples: number;
  baseMs: number;
  baseRss: number;
  baseHeap: number;
  t: number;
  tt: number;
  rss: number;
  trss: number;
  heap: number;
  theap: number;
}

export class Life {
  firstMs = Infinity;
  lastMs = -Infinity;
  /** Hour of UTC -> its minutes with a line, as two times 30 bits. */
  private readonly minutes = new Map<number, [number, number]>();
  private readonly tracks = new Map<number, Track>();
  private lastMinute = -1;

  add({ ms, pid, memory }: Sighting): void {
    if (ms === undefined) return;
    this.firstMs = Math.min(this.firstMs, ms);
    this.lastMs = Math.max(this.lastMs, ms);
    this.mark(Math.floor(ms / MINUTE_MS));
    if (pid === undefined) return;
    const track = this.tracks.get(pid) ?? this.begin(pid, ms, memory);
    if (!track) return;
    track.firstMs = Math.min(track.firstMs, ms);
    track.lastMs = Math.max(track.lastMs, ms);
    if (memory) measure(track, ms, memory);
  }

  /** The starts of all quarters of an hour with a line, in order. */
  *quarters(): Generator<number> {
    for (const hour of [...this.minutes.keys()].toSorted((a, b) => a - b)) {
      for (let quarter = 0; quarter < 4; quarter++) {
        for (let minute = quarter * 15; minute < quarter * 15 + 15; minute++) {
          if (!this.has(hour * 60 + minute)) continue;
          yield hour * HOUR_MS + quarter * 15 * MINUTE_MS;
          break;
        }
      }
    }
  }

  processes(): readonly Process[] {
    const all = [...this.tracks].map(([pid, track]) => ({
      pid,
      firstMs: track.firstMs,
      lastMs: track.lastMs,
      samples: track.samples,
      rssBytesPerHour: slope(track, track.rss, track.trss),
      heapUsedBytesPerHour: slope(track, track.heap, track.theap),
    }));
    return all.toSorted((a, b) => a.firstMs - b.firstMs || a.pid - b.pid);
  }

  /** Processes that wrote at the same time are several workers, not restarts of each other. */
  restarts(): readonly Restart[] {
    const found: Restart[] = [];
    let latest: Process | undefined;
    for (const process of this.processes()) {
      if (latest && process.firstMs > latest.lastMs)
        found.push({
          atMs: process.firstMs,
          pid: process.pid,
          previousPid: latest.pid,
          silenceMs: this.silence(latest.lastMs, process.firstMs),
        });
      if (!latest || process.lastMs > latest.lastMs) latest = process;
    }
    return found;
  }

  /** To the minute where others wrote between the two, else exact. */
  private silence(fromMs: number, toMs: number): number {
    let [longestMs, sinceMs] = [0, fromMs];
    const last = Math.floor(toMs / MINUTE_MS);
    for (let minute = Math.floor(fromMs / MINUTE_MS) + 1; minute < last; minute++) {
      if (minute % 60 === 0 && !this.minutes.has(minute / 60)) minute += 59;
      else if (this.has(minute)) {
        longestMs = Math.max(longestMs, minute * MINUTE_MS - sinceMs);
        sinceMs = (minute + 1) * MINUTE_MS;
      }
    }
    return Math.max(longestMs, toMs - sinceMs, 0);
  }

  private has(minute: number): boolean {
    const masks = this.minutes.get(Math.floor(minute / 60));
    return masks !== undefined && ((masks[minute % 60 < 30 ? 0 : 1] >> (minute % 30)) & 1) === 1;
  }

  private mark(minute: number): void {
    if (minute === this.lastMinute) return;
    this.lastMinute = minute;
    const hour = Math.floor(minute / 60);
    const masks = this.minutes.get(hour) ?? [0, 0];
    masks[minute % 60 < 30 ? 0 : 1] |= 1 << (minute % 30);
    if (this.minutes.has(hour) || this.minutes.size < MOST_HOURS) this.minutes.set(hour, masks);
  }

  private begin(pid: number, ms: number, memory: Memory | undefined): Track | undefined {
    if (this.tracks.size >= MOST_PROCESSES) return undefined;
    // Sums around the first sample: squares of bytes and of the ms since 1970 would lose digits.
    const base = { baseMs: ms, baseRss: memory?.rssBytes ?? 0, baseHeap: memory?.heapUsedBytes ?? 0 };
    const sums = { samples: 0, t: 0, tt: 0, rss: 0, trss: 0, heap: 0, theap: 0 };
    const track: Track = { firstMs: ms, lastMs: ms, ...base, ...sums };
    this.tracks.set(pid, track);
    return track;
  }
}

function measure(track: Track, ms: number, { rssBytes, heapUsedBytes }: Memory): void {
  const t = (ms - track.baseMs) / HOUR_MS;
  const [rss, heap] = [rssBytes - track.baseRss, heapUsedBytes - track.baseHeap];
  track.samples += 1;
  track.t += t;
  track.tt += t * t;
  track.rss += rss;
  track.trss += t * rss;
  track.heap += heap;
  track.theap += t * heap;
}

function slope(track: Track, y: number, ty: number): number | null {
  const { samples, t, tt } = track;
  const spread = samples * tt - t * t;
  if (samples < LEAST_SAMPLES || track.lastMs - track.firstMs < LEAST_SPAN_MS || spread <= 0) return null;
  return (samples * ty - t * y) / spread;
}

/**
 * Stage 6, ASK, the report: when there were lines at all, which processes wrote them, how their memory went, and what
 * lies between two of them. Takes sightings in any order; memory is bounded.
 */
import type { Memory, Sighting } from './record.js';

/** Past these (5.7 years) lines of further hours are no evidence. */
const MOST_HOURS = 50_000;
/** Past these further lives of processes are not told apart. */
const MOST_PROCESSES = 10_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Lives of one pid that are kept apart before those that may be one are joined. */
const MOST_LIVES = 64;
/**
 * A container gives each of its lives the same pid. One that was silent for so long and came back with so much less
 * memory is another life: garbage collection gives little back to the system at once.
 */
const LULL_MS = 60_000;
const DROP_RATIO = 0.6;
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

/** The longest time without any line. */
export interface Silence {
  readonly sinceMs: number;
  readonly silenceMs: number;
}

/** A life whose first line comes after the last of another's, be it of another pid or of the same. */
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
  /** The first and the last memory that is known of it; none while `samples` is 0. */
  firstRss: { ms: number; bytes: number };
  lastRss: { ms: number; bytes: number };
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
  /** By pid, in the order of time. */
  private readonly tracks = new Map<number, Track[]>();
  private count = 0;
  private lastMinute = -1;

  add({ ms, pid, memory }: Sighting): void {
    if (ms === undefined) return;
    this.firstMs = Math.min(this.firstMs, ms);
    this.lastMs = Math.max(this.lastMs, ms);
    this.mark(Math.floor(ms / MINUTE_MS));
    if (pid === undefined) return;
    const track = this.lifeAt(pid, ms, memory);
    if (!track) return;
    track.firstMs = Math.min(track.firstMs, ms);
    track.lastMs = Math.max(track.lastMs, ms);
    if (memory) measure(track, ms, memory);
  }

  /** `null` before there are two times. */
  longestSilence(): Silence | null {
    const { firstMs, lastMs } = this;
    return lastMs > firstMs ? this.silence(firstMs, lastMs) : null;
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
    const lives = [...this.tracks].flatMap(([pid, tracks]) =>
      joined(tracks).map((track) => ({ pid, track })),
    );
    const all = lives.map(({ pid, track }) => ({
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
          silenceMs: this.silence(latest.lastMs, process.firstMs).silenceMs,
        });
      if (!latest || process.lastMs > latest.lastMs) latest = process;
    }
    return found;
  }

  /** To the minute where others wrote between the two, else exact. */
  private silence(fromMs: number, toMs: number): Silence {
    let [longest, sinceMs] = [{ sinceMs: fromMs, silenceMs: 0 }, fromMs];
    const until = (ms: number): void => {
      if (ms - sinceMs > longest.silenceMs) longest = { sinceMs, silenceMs: ms - sinceMs };
    };
    const last = Math.floor(toMs / MINUTE_MS);
    for (let minute = Math.floor(fromMs / MINUTE_MS) + 1; minute < last; minute++) {
      if (minute % 60 === 0 && !this.minutes.has(minute / 60)) minute += 59;
      else if (this.has(minute)) {
        until(minute * MINUTE_MS);
        sinceMs = (minute + 1) * MINUTE_MS;
      }
    }
    until(toMs);
    return longest;
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

  /** The life of the pid that a line at `ms` belongs to; a new one where none is near, or the memory says so. */
  private lifeAt(pid: number, ms: number, memory: Memory | undefined): Track | undefined {
    const lives = this.tracks.get(pid) ?? [];
    const place = lives.findLastIndex(({ firstMs }) => firstMs - LULL_MS <= ms);
    const near = lives[place];
    if (near && ms <= near.lastMs + LULL_MS) return near;
    // In the order of time, as most logs are read, a life goes on unless something says that it ended.
    if (near && place === lives.length - 1 && !isDrop(near, memory?.rssBytes)) return near;
    return this.begin(pid, lives, place + 1, ms, memory);
  }

  private begin(
    pid: number,
    lives: Track[],
    place: number,
    ms: number,
    memory: Memory | undefined,
  ): Track | undefined {
    if (this.count >= MOST_PROCESSES) return lives[place - 1] ?? lives[place];
    // Sums around the first sample: squares of bytes and of the ms since 1970 would lose digits.
    const base = { baseMs: ms, baseRss: memory?.rssBytes ?? 0, baseHeap: memory?.heapUsedBytes ?? 0 };
    const sums = { samples: 0, t: 0, tt: 0, rss: 0, trss: 0, heap: 0, theap: 0 };
    const rss = { ms, bytes: memory?.rssBytes ?? 0 };
    const track: Track = { firstMs: ms, lastMs: ms, firstRss: rss, lastRss: rss, ...base, ...sums };
    const longer = lives.toSpliced(place, 0, track);
    const kept = longer.length > MOST_LIVES ? joined(longer) : longer;
    this.count += kept.length - lives.length;
    this.tracks.set(pid, kept);
    // Joined, it may be a part of another by now.
    return kept.findLast(({ firstMs }) => firstMs <= ms);
  }
}

/** Whether memory of so many bytes after this life is that of another one. */
function isDrop({ samples, lastRss }: Track, bytes: number | undefined): boolean {
  return samples > 0 && bytes !== undefined && bytes < DROP_RATIO * lastRss.bytes;
}

/** Lives of one pid in the order of time: those made one between which there is no drop, or no lull. */
function joined(lives: readonly Track[]): Track[] {
  const found: Track[] = [];
  for (const life of lives) {
    const last = found.at(-1);
    const bytes = life.samples > 0 ? life.firstRss.bytes : undefined;
    const isOne = last && (life.firstMs - last.lastMs <= LULL_MS || !isDrop(last, bytes));
    if (isOne) found[found.length - 1] = sumOf(last, life);
    else found.push(life);
  }
  return found;
}

/** One life of two, the sums of the second moved to the base of the first. */
function sumOf(a: Track, b: Track): Track {
  if (a.samples === 0)
    return { ...b, firstMs: Math.min(a.firstMs, b.firstMs), lastMs: Math.max(a.lastMs, b.lastMs) };
  const n = b.samples;
  const [t, rss, heap] = [(b.baseMs - a.baseMs) / HOUR_MS, b.baseRss - a.baseRss, b.baseHeap - a.baseHeap];
  return {
    ...a,
    lastMs: Math.max(a.lastMs, b.lastMs),
    lastRss: n > 0 && b.lastRss.ms >= a.lastRss.ms ? b.lastRss : a.lastRss,
    samples: a.samples + n,
    t: a.t + b.t + n * t,
    tt: a.tt + b.tt + 2 * t * b.t + n * t * t,
    rss: a.rss + b.rss + n * rss,
    trss: a.trss + b.trss + rss * b.t + t * b.rss + n * t * rss,
    heap: a.heap + b.heap + n * heap,
    theap: a.theap + b.theap + heap * b.t + t * b.heap + n * t * heap,
  };
}

function measure(track: Track, ms: number, { rssBytes, heapUsedBytes }: Memory): void {
  const t = (ms - track.baseMs) / HOUR_MS;
  const [rss, heap] = [rssBytes - track.baseRss, heapUsedBytes - track.baseHeap];
  const isFirst = track.samples === 0;
  if (isFirst || ms < track.firstRss.ms) track.firstRss = { ms, bytes: rssBytes };
  if (isFirst || ms >= track.lastRss.ms) track.lastRss = { ms, bytes: rssBytes };
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

/**
 * Stage 6, ASK, the report: counts resets, each once however many files have it, per hour and by what they are. Memory
 * is bounded: the bounds are the constants here, and what is past one is counted as such.
 */
import type { Reset, Writer } from './record.js';
import type { Kind } from './words.js';
import type { Zone } from './zone.js';

/** Each key is remembered until that many others came, at most twice as many; a copy after that counts again. */
export const LEAST_REMEMBERED = 100_000;
/** Past these (5.7 years) resets of further hours count in the total only. */
export const MOST_HOURS = 50_000;
/** Past these a reset is from `OTHER`. */
const MOST_ORIGINS = 100;
const OTHER = 'others';

export type Counts = Record<string, number>;

export interface Bucket {
  readonly startMs: number;
  readonly codes: Counts;
}

interface Remembered {
  file: number;
  inFile: number;
  counted: number;
}

export class Tally {
  total = 0;
  duplicates = 0;
  /** Keys that had to be forgotten. */
  forgotten = 0;
  /** Past MOST_HOURS. */
  unplaced = 0;
  readonly codes: Counts = {};
  readonly kinds: Record<Kind, number> = { kernel: 0, synthesized: 0, driver: 0 };
  readonly writers: Record<Writer, number> = { exception: 0, rejection: 0, logged: 0 };
  readonly origins = new Map<string, number>();
  /** By the label of the hour. */
  readonly hours = new Map<string, Bucket>();
  /** Resets without a time, by the day in the name of their file; '' where it has none. */
  readonly undated = new Map<string, Counts>();
  private young = new Map<number, Remembered>();
  private old = new Map<number, Remembered>();

  constructor(private readonly zone: Zone) {}

  /** True when it is counted, false when an earlier file had it. `file` is the file's number. */
  add(reset: Reset, ms: number | undefined, file: number, day: string | undefined): boolean {
    if (this.isDuplicate(reset.key, file, ms !== undefined)) {
      this.duplicates += 1;
      return false;
    }
    this.total += 1;
    this.kinds[reset.kind] += 1;
    this.writers[reset.writer] += 1;
    increment(this.codes, reset.code);
    const origin = this.origins.has(reset.origin) || this.origins.size < MOST_ORIGINS ? reset.origin : OTHER;
    this.origins.set(origin, (this.origins.get(origin) ?? 0) + 1);
    if (ms === undefined)
      increment(
        entryOf(this.undated, day ?? '', () => ({})),
        reset.code,
      );
    else this.place(reset.code, ms);
    return true;
  }

  /**
   * One file may have the same key often: times have only seconds there, or five sockets broke in one millisecond. So
   * each key counts as often as the file that has it most often.
   */
  private isDuplicate(text: string, file: number, hasTime: boolean): boolean {
    if (!hasTime) return false;
    const key = hash(text);
    const known = this.young.get(key) ?? this.old.get(key);
    if (!known) {
      this.remember(key, file);
      return false;
    }
    known.inFile = known.file === file ? known.inFile + 1 : 1;
    known.file = file;
    if (known.inFile <= known.counted) return true;
    known.counted = known.inFile;
    return false;
  }

  // Not one by one: a Map of which the first entry is deleted each time looks for its first entry ever longer.
  private remember(key: number, file: number): void {
    if (this.young.size >= LEAST_REMEMBERED) {
      this.forgotten += this.old.size;
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, { file, inFile: 1, counted: 1 });
  }

  private place(code: string, ms: number): void {
    const { hour, offsetMs } = this.zone.slot(ms);
    const known = this.hours.get(hour);
    if (known) return increment(known.codes, code);
    if (this.hours.size >= MOST_HOURS) {
      this.unplaced += 1;
      return;
    }
    const startMs = ms - ((((ms + offsetMs) % 3_600_000) + 3_600_000) % 3_600_000);
    this.hours.set(hour, { startMs, codes: { [code]: 1 } });
  }
}

/** 53 bits: among 100000 keys two are alike once in two million reports. (cyrb53, public domain.) */
function hash(text: string): number {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    high = Math.imul(high ^ character, 2654435761);
    low = Math.imul(low ^ character, 1597334677);
  }
  const mixedHigh = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  const mixedLow =
    Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(mixedHigh ^ (mixedHigh >>> 13), 3266489909);
  return 4294967296 * (2097151 & mixedLow) + (mixedHigh >>> 0);
}

export function increment(counts: Counts, name: string, by = 1): void {
  counts[name] = (counts[name] ?? 0) + by;
}

export function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

export function sum(counts: Readonly<Counts>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

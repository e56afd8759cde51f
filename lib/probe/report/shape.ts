/**
 * Stage 6, ASK, the report: what has been counted to the object that `--json` prints. Pure. Names and meanings in
 * `Report` are stable; new ones may come.
 */
import type { Writer } from './record.js';
import type { Life } from './life.js';
import type { Period, Rhythm } from './rhythm.js';
import { type Setting, settingsOf } from './settings.js';
import { type Bucket, type Counts, type Tally, entryOf, increment, sum } from './tally.js';
import type { Kind } from './words.js';
import type { Zone } from './zone.js';

export type By = 'hour' | 'day';

/** A day or an hour with a line or a reset. Without either there is none: nothing says that the process lived. */
export interface Row {
  /** `2026-11-24` or `2026-11-24T03:00+07:00`. */
  readonly at: string;
  readonly resets: number;
  readonly codes: Readonly<Counts>;
}

export interface FileReport {
  readonly path: string;
  readonly lines: number;
  /** Counted from this file; what an earlier one had is in `duplicates`. */
  readonly resets: number;
  readonly duplicates: number;
  /** JSON that did not parse or ran into another line. */
  readonly broken: number;
  /** Longer than 1 MB. */
  readonly tooLong: number;
  /** The last line was being written. */
  readonly isGrowing: boolean;
  /** Why its reading ended early, or null. */
  readonly endedEarly: string | null;
}

/** Times are ISO in UTC, null where there is none. */
export interface Report {
  readonly format: 1;
  readonly timeZone: string;
  readonly firstAt: string | null;
  readonly lastAt: string | null;
  readonly resets: {
    readonly total: number;
    readonly codes: Readonly<Counts>;
    readonly kinds: Readonly<Record<Kind, number>>;
    readonly writers: Readonly<Record<Writer, number>>;
    /** Most first. A package by the first of its frames, or its code; `raw socket, unknown peer` without one. */
    readonly origins: readonly { readonly name: string; readonly resets: number }[];
    /** Entries that another file had already. */
    readonly duplicates: number;
    /** Without a time; in `days` where the file's name has one. */
    readonly undated: number;
    /** Lines that name one and are broken or belong to no entry: not in `total`. */
    readonly unreadable: number;
    /** Entries forgotten after 100000 others: copies of them in other files counted again. */
    readonly forgotten: number;
    /** Past 50000 hours: in `total` only. */
    readonly unplaced: number;
  };
  readonly days: readonly Row[];
  readonly hours: readonly Row[];
  /** 24 numbers: resets by hour of the day, all days together. */
  readonly hoursOfDay: readonly number[];
  readonly bursts: {
    readonly count: number;
    readonly resets: number;
    readonly largest: { readonly at: string; readonly resets: number } | null;
  };
  /** null unless at least 70 % of 8 or more gaps fit. */
  readonly period: Period | null;
  /** What to set about them; empty where that cannot be told. */
  readonly settings: readonly Setting[];
  readonly processes: readonly {
    readonly pid: number;
    readonly firstAt: string;
    readonly lastAt: string;
    readonly samples: number;
    readonly rssBytesPerHour: number | null;
    readonly heapUsedBytesPerHour: number | null;
  }[];
  readonly restarts: readonly {
    readonly at: string;
    readonly pid: number;
    readonly previousPid: number;
    readonly silenceMs: number;
  }[];
  readonly files: readonly FileReport[];
}

export interface Counted {
  readonly zone: Zone;
  readonly tally: Tally;
  readonly life: Life;
  readonly rhythm: Rhythm;
  readonly files: readonly FileReport[];
  readonly unreadable: number;
}

export function shape(counted: Counted): Report {
  const { zone, tally, life, rhythm, files } = counted;
  const hours = hoursOf(counted);
  const { largest, ...bursts } = rhythm.bursts();
  const [resets, period] = [resetsOf(counted), rhythm.period()];
  return {
    format: 1,
    timeZone: zone.name,
    firstAt: iso(life.firstMs),
    lastAt: iso(life.lastMs),
    resets,
    days: daysOf(hours, tally),
    hours: hours.map(([at, { codes }]) => row(at, codes)),
    hoursOfDay: hoursOfDay(hours),
    bursts: { ...bursts, largest: largest && { at: utc(largest.atMs), resets: largest.resets } },
    period,
    settings: settingsOf(period, resets.origins, resets.codes),
    processes: life.processes().map(({ firstMs, lastMs, ...process }) => ({
      ...process,
      firstAt: utc(firstMs),
      lastAt: utc(lastMs),
      rssBytesPerHour: rounded(process.rssBytesPerHour),
      heapUsedBytesPerHour: rounded(process.heapUsedBytesPerHour),
    })),
    restarts: life.restarts().map(({ atMs, ...restart }) => ({ at: utc(atMs), ...restart })),
    files,
  };
}

function resetsOf({ tally, unreadable }: Counted): Report['resets'] {
  const { total, codes, kinds, writers, duplicates, forgotten, unplaced } = tally;
  const origins = [...tally.origins]
    .map(([name, resets]) => ({ name, resets }))
    .toSorted((a, b) => b.resets - a.resets || (a.name < b.name ? -1 : 1));
  const undated = [...tally.undated.values()].reduce((all, counts) => all + sum(counts), 0);
  return {
    total,
    codes: mostFirst(codes),
    kinds,
    writers,
    origins,
    duplicates,
    undated,
    unreadable,
    forgotten,
    unplaced,
  };
}

function hoursOf({ zone, tally, life }: Counted): readonly (readonly [string, Bucket])[] {
  const hours = new Map(tally.hours);
  for (const startMs of life.quarters()) {
    const { hour } = zone.slot(startMs);
    if (!hours.has(hour)) hours.set(hour, { startMs, codes: {} });
  }
  return [...hours].toSorted(([, a], [, b]) => a.startMs - b.startMs);
}

function daysOf(hours: readonly (readonly [string, Bucket])[], tally: Tally): readonly Row[] {
  const days = new Map<string, Counts>();
  const add = (day: string, codes: Counts): void => {
    const counts = entryOf(days, day, () => ({}));
    for (const [code, count] of Object.entries(codes)) increment(counts, code, count);
  };
  for (const [hour, { codes }] of hours) add(hour.slice(0, 10), codes);
  for (const [day, codes] of tally.undated) if (day !== '') add(day, codes);
  return [...days].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([day, codes]) => row(day, codes));
}

function hoursOfDay(hours: readonly (readonly [string, Bucket])[]): readonly number[] {
  const counts = Array.from({ length: 24 }, () => 0);
  for (const [hour, { codes }] of hours) {
    const hourOfDay = Number(hour.slice(11, 13));
    counts[hourOfDay] = (counts[hourOfDay] ?? 0) + sum(codes);
  }
  return counts;
}

function row(at: string, codes: Counts): Row {
  return { at, resets: sum(codes), codes: mostFirst(codes) };
}

function mostFirst(codes: Counts): Counts {
  return Object.fromEntries(
    Object.entries(codes).toSorted(([a, many], [b, more]) => more - many || (a < b ? -1 : 1)),
  );
}

function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value);
}

function iso(ms: number): string | null {
  return Number.isFinite(ms) ? utc(ms) : null;
}

function utc(ms: number): string {
  return new Date(ms).toISOString();
}

/**
 * Stage 1, MEASURE: the last hour of a few figures, so that somebody who looks after the fact sees how it came. Fixed
 * memory, no clock, no timer: whoever notes a figure says when. It does not know what the figures mean.
 */

/** How long one slot lasts, ms; of the figures noted in it the largest is kept. */
export const SLOT_MS = 10_000;
/** An hour of them. */
export const SLOTS = 360;
/** How many series each group may have at a time; a series without a figure in the last hour makes room. */
const MOST = { loop: 3, pool: 64, reset: 12 } as const;

/** Each has a series for what is used and one for what waits. */
export const POOLS = MOST.pool / 2;

/** What a series belongs to. */
export type Group = keyof typeof MOST;

/** One series over a span of slots, oldest first; `null` where nothing was noted. */
export interface Series {
  /** Never used again. */
  readonly id: number;
  readonly group: Group;
  readonly name: string;
  readonly values: readonly (number | null)[];
}

interface Ring {
  readonly id: number;
  readonly group: Group;
  readonly name: string;
  readonly values: Float32Array;
  last: number;
}

/**
 * Figures of the last hour by series. One series takes 1 440 bytes: three are the event loop's, each pool has two, and
 * each of at most 12 origins of resets has one. That is 79 KB with 20 pools, and never more than 114 KB.
 */
export class History {
  private readonly rings = new Map<string, Ring>();
  private made = 0;

  /** Notes one figure at `now`, ms. Answers `false` when the group is full and the series is a new one. */
  note(now: number, group: Group, name: string, value: number): boolean {
    const slot = Math.floor(now / SLOT_MS);
    const ring = this.rings.get(keyOf(group, name)) ?? this.begin(slot, group, name);
    if (!ring) return false;
    if (!Number.isFinite(value) || slot < ring.last) return true;
    for (let passed = Math.max(ring.last + 1, slot - SLOTS + 1); passed <= slot; passed++)
      ring.values[passed % SLOTS] = NaN;
    ring.last = slot;
    const before = ring.values[slot % SLOTS]!;
    ring.values[slot % SLOTS] = Number.isNaN(before) ? value : Math.max(before, value);
    return true;
  }

  /** Every series of the last hour, from slot `first` to that of `now`, which is not over yet. */
  since(first: number, now: number): { readonly first: number; readonly series: readonly Series[] } {
    const end = Math.floor(now / SLOT_MS);
    const start = Math.min(end, Math.max(first, end - SLOTS + 1, 0));
    const series = [...this.rings.values()]
      .filter(({ last }) => last > end - SLOTS)
      .map(({ id, group, name, values, last }) => ({
        id,
        group,
        name,
        values: Array.from({ length: end - start + 1 }, (_, i) => valueAt(values, last, start + i)),
      }));
    return { first: start, series };
  }

  /** What all series hold, in bytes. */
  get bytes(): number {
    return this.rings.size * SLOTS * Float32Array.BYTES_PER_ELEMENT;
  }

  private begin(slot: number, group: Group, name: string): Ring | null {
    for (const [key, { last }] of this.rings) if (last <= slot - SLOTS) this.rings.delete(key);
    if ([...this.rings.values()].filter((ring) => ring.group === group).length >= MOST[group]) return null;
    const ring = { id: ++this.made, group, name, values: new Float32Array(SLOTS).fill(NaN), last: slot };
    this.rings.set(keyOf(group, name), ring);
    return ring;
  }
}

function keyOf(group: Group, name: string): string {
  return `${group} ${name}`;
}

function valueAt(values: Float32Array, last: number, slot: number): number | null {
  const value = slot > last || slot <= last - SLOTS ? NaN : values[slot % SLOTS]!;
  return Number.isNaN(value) ? null : Math.round(value * 1000) / 1000;
}

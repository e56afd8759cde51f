/**
 * Stage 6, ASK, the report: moments to days and hours in one time zone, and back. Pure but for a cache; Intl knows the
 * rules. It does not know what happened at those moments.
 */

/** The local quarter of an hour that a moment lies in. No zone changes its offset inside one. */
export interface Slot {
  /** `2026-11-24`. */
  readonly day: string;
  /** `2026-11-24T03:00+07:00`: twice `02:00` on the day the clocks go back, with two offsets. */
  readonly hour: string;
  readonly hourOfDay: number;
  readonly offsetMs: number;
}

const QUARTER_MS = 900_000;
const MOST_SLOTS = 5000;
/** Years 1990 to 2199: what is outside was not a time. */
const EARLIEST_MS = Date.UTC(1990, 0);
const LATEST_MS = Date.UTC(2200, 0);

const ISO = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))? ?(Z|[+-]\d\d:?\d\d)?$/;

const CANONICAL = /^\d{4}-\d\d-\d\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z$/;

export class Zone {
  private readonly format: Intl.DateTimeFormat;
  private readonly slots = new Map<number, Slot>();
  private lastText = '';
  private lastMs: number | undefined;
  private lastDay = '-';
  private lastDayMs = 0;

  /** Throws a RangeError for a zone that Intl does not know. */
  constructor(readonly name: string) {
    this.format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      timeZoneName: 'longOffset',
    });
  }

  slot(ms: number): Slot {
    const quarter = Math.floor(ms / QUARTER_MS);
    const known = this.slots.get(quarter);
    if (known) return known;
    if (this.slots.size >= MOST_SLOTS) this.slots.clear();
    const slot = this.read(quarter * QUARTER_MS);
    this.slots.set(quarter, slot);
    return slot;
  }

  /** `2026-11-24 03:11:55`. */
  text(ms: number): string {
    const local = new Date(ms + this.slot(ms).offsetMs).toISOString();
    return local.slice(0, 19).replace('T', ' ');
  }

  /** What a log calls a time; one without a zone is read in this one. undefined for what is no time. */
  parse(value: unknown): number | undefined {
    if (typeof value === 'number') return plausible(value < 1e11 ? value * 1000 : value);
    if (typeof value !== 'string') return undefined;
    if (value === this.lastText) return this.lastMs;
    this.lastText = value;
    return (this.lastMs = plausible(this.readIso(value) ?? this.readText(value)));
  }

  /** Nearly every time in a log is of the same day as the one before, and as `toISOString()` writes it. */
  private readIso(text: string): number | undefined {
    if (text.length !== 24 || !CANONICAL.test(text)) return undefined;
    if (!text.startsWith(this.lastDay)) {
      this.lastDay = text.slice(0, 11);
      this.lastDayMs = Date.parse(`${this.lastDay}00:00:00.000Z`);
    }
    const seconds = (digits(text, 11, 13) * 60 + digits(text, 14, 16)) * 60 + digits(text, 17, 19);
    return this.lastDayMs + seconds * 1000 + digits(text, 20, 23);
  }

  private readText(text: string): number {
    const [, y, mo, d, h, mi, s, fraction = '0', offset] = ISO.exec(text) ?? [];
    if (y === undefined) return Date.parse(text);
    const fields = [y, Number(mo) - 1, d, h, mi, s].map(Number) as [number, number, number];
    const wallMs = Date.UTC(...fields) + Math.trunc(Number(`0.${fraction}`) * 1000 + 1e-6);
    if (offset === undefined) return this.fromWall(wallMs);
    return wallMs - offsetMs(offset);
  }

  /** In the hour that exists twice it is the first, in the one that does not the one after. */
  private fromWall(wallMs: number): number {
    const before = this.slot(wallMs - 86_400_000).offsetMs;
    const after = this.slot(wallMs + 86_400_000).offsetMs;
    const fits = [before, after].find((offset) => this.slot(wallMs - offset).offsetMs === offset);
    return wallMs - (fits ?? before);
  }

  private read(ms: number): Slot {
    const parts = Object.fromEntries(this.format.formatToParts(ms).map(({ type, value }) => [type, value]));
    const offset = parts['timeZoneName']?.replace('GMT', '') ?? '';
    const day = `${parts['year']}-${parts['month']}-${parts['day']}`;
    return {
      day,
      hour: `${day}T${parts['hour']}:00${offset === '' ? '+00:00' : offset}`,
      hourOfDay: Number(parts['hour']),
      offsetMs: offset === '' ? 0 : offsetMs(offset),
    };
  }
}

function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) value = value * 10 + text.charCodeAt(i) - 48;
  return value;
}

function offsetMs(text: string): number {
  const [, sign, h, m, s] = /^([+-])(\d\d):?(\d\d)(?::(\d\d))?$/.exec(text) ?? [];
  const ms = ((Number(h ?? 0) * 60 + Number(m ?? 0)) * 60 + Number(s ?? 0)) * 1000;
  return sign === '-' ? -ms : ms;
}

function plausible(ms: number): number | undefined {
  return ms >= EARLIEST_MS && ms < LATEST_MS ? ms : undefined;
}

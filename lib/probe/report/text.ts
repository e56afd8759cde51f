/**
 * Stage 6, ASK, the report: entries of logs that are not JSON (`format.simple()`, `printf`), which go over several
 * lines: one that begins with a time or a level opens an entry, all others belong to the open one.
 */
import { type Entry, type Fields, object, understandEntry } from './record.js';
import type { Zone } from './zone.js';

const LEVELS = 'error|warn|info|http|verbose|debug|silly|emerg|alert|crit|warning|notice|fatal|trace|log';
const LEVEL = `\\[?(?:${LEVELS}|${LEVELS.toUpperCase()})\\]?`;
const TIME =
  '\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d{1,9})?(?: ?(?:Z|[+-]\\d\\d:?\\d\\d)(?!\\d))?';
/** A time, perhaps behind a level; or a level with its colon. */
const OPENING = new RegExp(`^(?:${LEVEL}[: ] *)?[[(]?(${TIME})|^${LEVEL}: `);
/** What stands in front of the message. */
const BEFORE_MESSAGE = new RegExp(`^(?:[[(]?${TIME}[\\])]?|${LEVEL}:?|[-:|]|\\s)+`);
// oxlint-disable-next-line no-control-regex -- colors of a terminal
const COLOR = /\x1b\[[\d;]*m/g;

/** More of an entry than this is not looked at. */
const LONGEST = 65_536;

interface Open {
  readonly ms: number | undefined;
  readonly lines: string[];
  length: number;
  isOfInterest: boolean;
}

export class TextEntries {
  private open: Open | undefined;

  constructor(
    private readonly zone: Zone,
    private readonly take: (entry: Entry) => void,
  ) {}

  /** False for a line of no entry: of what was cut off, or of a log without times and levels. */
  line(raw: string, isHit: boolean): boolean {
    const line = raw.includes('\x1b') ? raw.replace(COLOR, '') : raw;
    const opening = OPENING.exec(line);
    if (opening) {
      this.close();
      this.open = { ms: this.zone.parse(opening[1]), lines: [], length: 0, isOfInterest: false };
    }
    // A file cut within an entry begins with its rest: whoever has the beginning counts it.
    if (!this.open) return false;
    this.open.length += line.length;
    if (this.open.length <= LONGEST || opening) this.open.lines.push(line.slice(0, LONGEST));
    this.open.isOfInterest ||= isHit || line.includes('"process":{');
    return true;
  }

  close(): void {
    const { open } = this;
    this.open = undefined;
    if (!open) return;
    if (open.isOfInterest) this.take(understand(open, this.zone));
    else if (open.ms !== undefined) this.take({ ms: open.ms, reset: undefined });
  }
}

function understand({ ms, lines }: Open, zone: Zone): Entry {
  const whole = lines.join('\n');
  const [message, fields] = withoutTail(whole.replace(BEFORE_MESSAGE, ''));
  return understandEntry({ ...(ms !== undefined && { timestamp: ms }), ...fields, message }, zone);
}

/** `format.simple()` writes all other fields as JSON behind the message and its stack. */
function withoutTail(entry: string): readonly [string, Fields] {
  let at = entry.indexOf(' {"', entry.lastIndexOf('\n') + 1);
  for (; at >= 0; at = entry.indexOf(' {"', at + 1)) {
    try {
      return [entry.slice(0, at), object(JSON.parse(entry.slice(at + 1)))];
    } catch {
      // A brace of the message; the next one may begin the fields.
    }
  }
  return [entry, {}];
}

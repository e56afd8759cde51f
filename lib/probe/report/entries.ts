/**
 * Stage 6, ASK, the report: blocks of lines in, entries out, and what was broken. JSON lines without a hit word are not
 * parsed where time, pid and memory can be read off; anything unusual is parsed. One character per byte throughout.
 */
import { type Entry, type Fields, object, understandEntry } from './record.js';
import { hitWords } from './words.js';
import type { Zone } from './zone.js';
import { TextEntries } from './text.js';

export interface LineCounts {
  read: number;
  /** JSON that does not parse, or ran into another line. */
  broken: number;
  /** Broken lines and lines of no entry that name a reset: it is not counted. */
  unreadable: number;
}

const BRACE = 0x7b;
const BRACE_END = 0x7d;
const NUL = 0;
const BLANK = 0x20;
const BOM = 'ï»¿';
/** Long enough to tell one record's beginning from another's, `{"date":`. */
const PREFIX = /^\{"[^"\\]{1,40}":/;
const MARKS = ['level', 'message', 'msg', 'severity'];
/** winston's `json()` sorts the keys. */
const MEMORY = /"memoryUsage":\{[^{}]*"heapUsed":(\d+),"rss":(\d+)\},"pid":(\d+)[,}]/y;

/** Where the next one in a block is, searched once however many lines ask. */
class Finder {
  private at = -1;
  constructor(
    private readonly block: string,
    private readonly word: string | RegExp,
  ) {}

  /** The first place from `from` on, or past the end. Asked for ever later places only. */
  next(from: number): number {
    if (this.at < from) this.at = this.find(from);
    return this.at;
  }

  private find(from: number): number {
    if (typeof this.word === 'string') {
      const at = this.block.indexOf(this.word, from);
      return at < 0 ? Infinity : at;
    }
    this.word.lastIndex = from;
    return this.word.exec(this.block)?.index ?? Infinity;
  }
}

/** The lines of one file, block by block. */
export class Entries {
  readonly counts: LineCounts = { read: 0, broken: 0, unreadable: 0 };
  private readonly text: TextEntries;

  constructor(
    private readonly zone: Zone,
    private readonly take: (entry: Entry) => void,
  ) {
    this.text = new TextEntries(zone, take);
  }

  /** Whole lines, each with its line feed. */
  read(block: string): void {
    const hits = new Finder(block, hitWords());
    const nuls = new Finder(block, '\0');
    const times = new Finder(block, '"timestamp":"');
    const processes = new Finder(block, '"process":{');
    for (let start = 0; start < block.length;) {
      let end = block.indexOf('\n', start);
      if (end < 0) end = block.length;
      const isPlain = nuls.next(start) >= end && block.charCodeAt(start) === BRACE;
      const isHit = hits.next(start) < end;
      const quick = isPlain && !isHit ? this.peek(block, start, end, times, processes) : undefined;
      this.counts.read += 1;
      if (quick) {
        this.text.close();
        this.take(quick);
      } else if (end > start) this.line(block.slice(start, end), isHit);
      start = end + 1;
    }
  }

  /** The last line of a file, without a line feed: it may be being written. False when it is no whole line. */
  last(line: string): boolean {
    const { broken, unreadable } = this.counts;
    this.read(`${line}\n`);
    const isWhole = this.counts.broken === broken;
    if (!isWhole) Object.assign(this.counts, { broken, unreadable });
    return isWhole;
  }

  close(): void {
    this.text.close();
  }

  /** What an ordinary line without a hit says; undefined when it takes a parser to know. */
  private peek(
    block: string,
    start: number,
    end: number,
    times: Finder,
    processes: Finder,
  ): Entry | undefined {
    const last = block.charCodeAt(end - 1) === 13 ? end - 2 : end - 1;
    const at = times.next(start);
    if (block.charCodeAt(last) !== BRACE_END || at >= end) return undefined;
    const from = at + 13;
    const ms = this.zone.parse(block.slice(from, block.indexOf('"', from)));
    if (ms === undefined || times.next(from) < end) return undefined;
    const process = processes.next(start);
    if (process >= end) return { ms, reset: undefined };
    MEMORY.lastIndex = block.indexOf('"memoryUsage":{', process);
    const [, heapUsed, rss, pid] = (MEMORY.lastIndex > process && MEMORY.exec(block)) || [];
    if (pid === undefined || MEMORY.lastIndex > end || processes.next(process + 1) < end) return undefined;
    const memory = { rssBytes: Number(rss), heapUsedBytes: Number(heapUsed) };
    return { ms, pid: Number(pid), memory, reset: undefined };
  }

  private line(raw: string, isHit: boolean): void {
    const line = clean(raw);
    if (line === '') {
      // A file that was being written when the machine died ends in NULs.
      if (raw.charCodeAt(0) === NUL) this.counts.broken += 1;
      return;
    }
    if (line.charCodeAt(0) !== BRACE) {
      if (!this.text.line(line, isHit) && isHit) this.counts.unreadable += 1;
      return;
    }
    this.text.close();
    const whole = parse(line);
    const pieces = whole ? [whole] : piecesOf(line);
    if (!whole) {
      this.counts.broken += 1;
      if (isHit && pieces.length === 0) this.counts.unreadable += 1;
    }
    for (const fields of pieces) this.take(understandEntry(fields, this.zone));
  }
}

/** Without a byte order mark, and without NULs and white space at its ends. */
function clean(raw: string): string {
  let [start, end] = [raw.startsWith(BOM) ? BOM.length : 0, raw.length];
  while (raw.charCodeAt(start) === NUL) start += 1;
  while (end > start && raw.charCodeAt(end - 1) <= BLANK) end -= 1;
  return raw.slice(start, end);
}

/**
 * A whole record, which has a level or a message: what `format.simple()` writes behind its message has neither, and
 * begins a file that was cut there.
 */
function parse(line: string): Fields | undefined {
  try {
    const fields = object(JSON.parse(line));
    return MARKS.some((name) => name in fields) ? fields : undefined;
  } catch {
    return undefined;
  }
}

/** A process died within a line, the next one wrote on: whatever of it is a whole record, beginning as records do. */
function piecesOf(line: string): readonly Fields[] {
  const prefix = PREFIX.exec(line)?.[0];
  if (prefix === undefined) return [];
  const pieces = line.split(prefix).slice(1);
  return pieces.map((piece) => parse(prefix + clean(piece))).filter((fields) => fields !== undefined);
}

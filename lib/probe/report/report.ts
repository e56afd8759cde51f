/**
 * Stage 6, ASK, the report: the command line of `vitals report`, and one pass over all its files. Reads logs and prints;
 * it asks no process anything.
 */
import { LONGEST_LINE_BYTES, readLines } from './blocks.js';
import { Entries } from './entries.js';
import { type Input, inputsOf } from './inputs.js';
import { Life } from './life.js';
import type { Entry } from './record.js';
import { Rhythm } from './rhythm.js';
import { type By, type FileReport, type Report, shape } from './shape.js';
import { type Paper, table } from './table.js';
import { Tally } from './tally.js';
import { Zone } from './zone.js';

export interface ReportOptions {
  readonly names: readonly string[];
  readonly isJson: boolean;
  readonly by: By;
  /** An IANA name. Default: the host's. */
  readonly timeZone: string;
  /** A flight directory, read instead of logs. */
  readonly incidents: string | undefined;
}

export const FLAGS = 'LOGS... | --incidents DIR [--json] [--time-zone ZONE] [--by hour|day]';

const PROGRESS_BYTES = 16_777_216;
const PROGRESS_EVERY_BYTES = 8_388_608;
const DEFAULT_COLUMNS = 80;

/** Reads what the command line names and returns the text to print. Throws on mistakes, naming what is accepted. */
export async function report(args: readonly string[]): Promise<string> {
  const { names, isJson, by, timeZone, incidents } = readArguments(args);
  const zone = zoneOf(timeZone);
  if (incidents !== undefined) {
    const { readRestarts, restartTable } = await import('./restarts.js');
    const restarts = readRestarts(incidents, zone);
    return isJson ? `${JSON.stringify(restarts, null, 2)}\n` : restartTable(restarts, zone);
  }
  const found = await readAll(inputsOf(names), zone, progressTo(process.stderr));
  return isJson ? `${JSON.stringify(found, null, 2)}\n` : table(found, by, zone, paper());
}

/** Understands the command line of `vitals report`. */
export function readArguments(args: readonly string[]): ReportOptions {
  const names: string[] = [];
  const given: Record<string, string> = {};
  let isJson = false;
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] ?? '';
    const [flag = '', ...value] = argument.split('=');
    if (argument === '--') {
      names.push(...args.slice(i + 1));
      break;
    }
    if (argument === '--json') isJson = true;
    else if (flag === '--time-zone' || flag === '--by' || flag === '--incidents')
      given[flag] = value.length > 0 ? value.join('=') : (args[++i] ?? '');
    else if (argument.startsWith('-') && argument !== '-')
      throw new Error(`unknown flag "${argument}": report takes ${FLAGS}`);
    else names.push(argument);
  }
  const { '--by': by = 'day', '--time-zone': timeZone = hostZone() } = given;
  if (by !== 'day' && by !== 'hour') throw new Error(`--by must be hour or day, got "${by}"`);
  const { '--incidents': incidents } = given;
  if (incidents !== undefined && names.length > 0)
    throw new Error('report takes log files or --incidents DIR, got both');
  return { names, isJson, by, timeZone, incidents };
}

/** Reads all inputs, one after the other, and counts. What a file contains is never an error. */
export async function readAll(
  inputs: readonly Input[],
  zone: Zone,
  progress: (bytes: number, ofBytes: number) => void = () => {},
): Promise<Report> {
  const [tally, life, rhythm] = [new Tally(zone), new Life(), new Rhythm()];
  const files: FileReport[] = [];
  const sizeBytes = inputs.reduce((all, input) => all + (input.sizeBytes ?? 0), 0);
  let [doneBytes, unreadable] = [0, 0];
  for (const input of inputs) {
    const [before, duplicates] = [tally.total, tally.duplicates];
    const entries = new Entries(zone, (entry: Entry) => {
      life.add(entry);
      const { reset, ms } = entry;
      const isNew = reset && tally.add(reset, ms, files.length, input.day);
      if (isNew && ms !== undefined) rhythm.add(ms);
    });
    const { tooLong, isGrowing, endedEarly } = await readOne(input, entries, (bytes) =>
      progress((doneBytes += bytes), sizeBytes),
    );
    const { read, broken, unreadable: unreadableHere } = entries.counts;
    unreadable += unreadableHere;
    files.push({
      path: input.path,
      lines: read,
      resets: tally.total - before,
      duplicates: tally.duplicates - duplicates,
      broken,
      tooLong,
      isGrowing,
      endedEarly: endedEarly ?? null,
    });
  }
  progress(sizeBytes, sizeBytes);
  return shape({ zone, tally, life, rhythm, files, unreadable });
}

async function readOne(
  input: Input,
  entries: Entries,
  progress: (bytes: number) => void,
): Promise<Pick<FileReport, 'tooLong' | 'isGrowing'> & { readonly endedEarly: string | undefined }> {
  let [tooLong, isGrowing] = [0, false];
  const lines = {
    block: (text: string) => entries.read(text),
    rest: (text: string) => {
      if (text.length > LONGEST_LINE_BYTES) tooLong += 1;
      else isGrowing = !entries.last(text);
    },
    tooLong: () => {
      tooLong += 1;
    },
  };
  const endedEarly = await readLines(input, lines, progress);
  entries.close();
  return { tooLong, isGrowing, endedEarly };
}

function zoneOf(name: string): Zone {
  try {
    return new Zone(name);
  } catch (error) {
    throw new Error(`--time-zone must be an IANA name such as UTC or Asia/Bangkok, got "${name}"`, {
      cause: error,
    });
  }
}

// Without ICU's data, or with a TZ that it does not know, there is none.
function hostZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'UTC';
}

function paper(): Paper {
  const { columns, isTTY } = process.stdout;
  // A terminal that nobody has told its size says 0.
  const columnsGiven = [columns, Number(process.env['COLUMNS'])].find((given) => given > 0);
  const hasColor = isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
  return { columns: columnsGiven ?? DEFAULT_COLUMNS, hasColor };
}

/** A bar, only for people who wait. */
function progressTo(stream: NodeJS.WriteStream): (bytes: number, ofBytes: number) => void {
  let shownBytes = 0;
  return (bytes, ofBytes) => {
    if (stream.isTTY !== true || ofBytes <= PROGRESS_BYTES) return;
    if (bytes < ofBytes && bytes - shownBytes < PROGRESS_EVERY_BYTES) return;
    shownBytes = bytes;
    const share = Math.min(1, bytes / ofBytes);
    const bar = '#'.repeat(Math.round(share * 30)).padEnd(30);
    stream.write(share < 1 ? `\r[${bar}] ${Math.round(share * 100)} %` : '\r\x1b[K');
  };
}

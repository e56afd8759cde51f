/**
 * Stage 6, ASK, the report: one log entry in, what it says about the process and a broken connection out. Pure; knows
 * winston's fields and nothing of files.
 */
import { type Kind, type Named, nameInText, nameOfError, packageOf } from './words.js';
import type { Zone } from './zone.js';

/** Who wrote the entry: winston's handler of exceptions, of rejections, or somebody who called the logger. */
export type Writer = 'exception' | 'rejection' | 'logged';

export interface Memory {
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
}

/** That a process was there. */
export interface Sighting {
  /** undefined when the entry has no time. */
  readonly ms: number | undefined;
  readonly pid?: number;
  readonly memory?: Memory;
}

export interface Reset {
  readonly code: string;
  readonly kind: Kind;
  readonly writer: Writer;
  readonly origin: string;
  /** The same for the same event in another file. */
  readonly key: string;
}

export interface Entry extends Sighting {
  readonly reset: Reset | undefined;
}

export type Fields = Readonly<Record<string, unknown>>;

export const UNKNOWN_ORIGIN = 'raw socket, unknown peer';

const LONGEST_KEY = 300;
const LONGEST_ORIGIN = 60;

const FRAME = /node_modules[\\/]((?:@[\w.-]+[\\/])?[\w-][\w.-]*)[\\/]/;

/** What one entry says. */
export function understandEntry(fields: Fields, zone: Zone): Entry {
  const process = object(fields['process']);
  const usage = object(process['memoryUsage']);
  const pid = process['pid'] ?? fields['pid'];
  const [rssBytes, heapUsedBytes] = [usage['rss'], usage['heapUsed']];
  const ms = timeOf(fields, zone);
  return {
    ms,
    ...(typeof pid === 'number' && { pid }),
    ...(typeof rssBytes === 'number' &&
      typeof heapUsedBytes === 'number' && { memory: { rssBytes, heapUsedBytes } }),
    reset: resetOf(fields, ms, typeof pid === 'number' ? pid : undefined),
  };
}

/** The objects in a value that is one; otherwise an empty one. */
export function object(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function timeOf(fields: Fields, zone: Zone): number | undefined {
  for (const name of ['timestamp', '@timestamp', 'time', 'ts', 'date']) {
    const ms = zone.parse(fields[name]);
    if (ms !== undefined) return ms;
  }
  return undefined;
}

function resetOf(fields: Fields, ms: number | undefined, pid: number | undefined): Reset | undefined {
  const message = text(fields['message']);
  const stack = text(fields['stack']);
  const named = nameOf(fields, message, stack);
  if (!named) return undefined;
  return {
    ...named,
    writer: writerOf(fields, message),
    origin: originOf(named, fields, stack === '' ? message : stack),
    key: keyOf(fields, ms, pid, firstLine(message) || named.code),
  };
}

function nameOf(fields: Fields, message: string, stack: string): Named | undefined {
  const [error, err] = [object(fields['error']), object(fields['err'])];
  const byCode =
    nameOfError(error) ??
    nameOfError(object(error['cause'])) ??
    nameOfError(err) ??
    nameOfError(object(err['cause'])) ??
    nameOfError(fields);
  if (byCode) return byCode;
  const texts = [message, stack, text(fields['error']), text(error['message']), text(err['message'])];
  return nameInText(texts.join('\n'));
}

function writerOf({ exception, rejection }: Fields, message: string): Writer {
  if (exception === true || message.startsWith('uncaughtException')) return 'exception';
  return rejection === true || message.startsWith('unhandledRejection') ? 'rejection' : 'logged';
}

function originOf({ code }: Named, fields: Fields, stack: string): string {
  // The trace has the frames of the stack again.
  const frames = typeof fields['stack'] === 'string' ? stack : `${stack}\n${otherFrames(fields)}`;
  const found = packageIn(frames) ?? packageOf(code);
  if (found !== undefined) return printable(found.replace('\\', '/'));
  if (frames.includes('node:internal/deps/undici')) return 'fetch';
  return frames.includes('node:_http_client') ? 'node:http' : UNKNOWN_ORIGIN;
}

function packageIn(frames: string): string | undefined {
  return frames.includes('node_modules') ? FRAME.exec(frames)?.[1] : undefined;
}

function otherFrames(fields: Fields): string {
  const nested = [fields['err'], fields['error']].map((error) => text(object(error)['stack']));
  const trace: readonly unknown[] = Array.isArray(fields['trace']) ? fields['trace'] : [];
  return [...nested, ...trace.map((frame) => `${text(object(frame)['file'])}/`)].join('\n');
}

/**
 * winston takes date and uptime once for an event and stamps the time per transport: the first two are the same in
 * every file, the time may differ by a millisecond.
 */
function keyOf(fields: Fields, ms: number | undefined, pid: number | undefined, message: string): string {
  const uptime = object(fields['os'])['uptime'];
  const isFromHandler = typeof uptime === 'number' && typeof fields['date'] === 'string';
  const moment = isFromHandler ? `${fields['date']}+${uptime}` : ms;
  return `${moment}|${pid}|${message.slice(0, LONGEST_KEY)}`;
}

function firstLine(message: string): string {
  const end = message.indexOf('\n');
  return (end < 0 ? message : message.slice(0, end)).trim();
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A copy: a piece of an entry would keep the whole of it. And no control characters for the terminal. */
function printable(name: string): string {
  return Buffer.from(name.slice(0, LONGEST_ORIGIN).replace(/[^ -~]/g, '?'), 'latin1').toString('latin1');
}

/**
 * Stage 6, ASK, the report: a file to blocks of whole lines, one character per byte. Unpacks what is gzip by its first
 * bytes; holds one line of at most 1 MB, passes over longer ones. It does not know what a line says.
 */
import { type ReadStream, createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { type Input, STDIN } from './inputs.js';

export const LONGEST_LINE_BYTES = 1_048_576;
const BLOCK_BYTES = 262_144;

export interface Lines {
  /** Whole lines with their line feeds. */
  block(text: string): void;
  /** What stands behind the last line feed. */
  rest(text: string): void;
  /** A line that is too long has been passed over. */
  tooLong(): void;
}

/**
 * Reads to the end the file has now: one that grows faster than it is read would never end. `progress` gets the bytes
 * of the file. Resolves to why the reading ended early, or undefined; rejects for nothing the file can contain.
 */
export async function readLines(
  input: Input,
  lines: Lines,
  progress: (bytes: number) => void,
): Promise<string | undefined> {
  const splitter = new Splitter(lines);
  let ended: string | undefined;
  try {
    for await (const chunk of unpacked(input, progress)) splitter.push(chunk);
  } catch (error) {
    ended = reason(error as NodeJS.ErrnoException);
  }
  splitter.end();
  return ended;
}

async function* unpacked(input: Input, progress: (bytes: number) => void): AsyncGenerator<Buffer> {
  const source = raw(input, progress);
  const first = await source.next();
  if (first.done) return;
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
    yield first.value;
    return yield* source;
  }
  // Goes on from one member to the next by itself.
  const gunzip = createGunzip({ chunkSize: BLOCK_BYTES });
  const feeding = feed(gunzip, first.value, source);
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } finally {
    gunzip.destroy();
    await feeding;
  }
}

async function feed(
  gunzip: ReturnType<typeof createGunzip>,
  first: Buffer,
  source: AsyncGenerator<Buffer>,
): Promise<void> {
  const accept = (chunk: Buffer): Promise<unknown> =>
    new Promise((resolve) => {
      // Its own errors come out where it is read.
      gunzip.once('close', resolve);
      gunzip.write(chunk, () => {
        gunzip.off('close', resolve);
        resolve(undefined);
      });
    });
  try {
    await accept(first);
    for await (const chunk of source) {
      if (gunzip.destroyed) return;
      await accept(chunk);
    }
    gunzip.end();
  } catch (error) {
    gunzip.destroy(error as Error);
  }
}

/** The first chunk has at least two bytes, if there are two. */
async function* raw(input: Input, progress: (bytes: number) => void): AsyncGenerator<Buffer> {
  if (input.sizeBytes === 0) return;
  const stream = open(input);
  let early: Buffer | undefined;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    progress(chunk.length);
    const whole: Buffer = early ? Buffer.concat([early, chunk]) : chunk;
    early = whole.length < 2 ? whole : undefined;
    if (!early) yield whole;
  }
  if (early) yield early;
}

function open({ path, sizeBytes }: Input): ReadStream | NodeJS.ReadStream {
  if (path === STDIN) return process.stdin;
  return createReadStream(path, {
    highWaterMark: BLOCK_BYTES,
    ...(sizeBytes !== undefined && { end: sizeBytes - 1 }),
  });
}

class Splitter {
  private carry = '';
  private isSkipping = false;

  constructor(private readonly lines: Lines) {}

  push(chunk: Buffer): void {
    let text = chunk.toString('latin1');
    const first = text.indexOf('\n');
    if (this.isSkipping) {
      if (first < 0) return;
      this.isSkipping = false;
      text = text.slice(first + 1);
    } else if (this.carry.length + (first < 0 ? text.length : first) > LONGEST_LINE_BYTES) {
      this.carry = '';
      this.lines.tooLong();
      this.isSkipping = first < 0;
      text = first < 0 ? '' : text.slice(first + 1);
    }
    const last = text.lastIndexOf('\n') + 1;
    if (last > 0) {
      this.lines.block(this.carry + text.slice(0, last));
      this.carry = '';
    }
    this.carry += text.slice(last);
  }

  end(): void {
    if (this.carry !== '') this.lines.rest(this.carry);
    this.carry = '';
  }
}

function reason({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'Z_BUF_ERROR') return 'the gzip data ends early';
  if (code?.startsWith('Z_') === true) return `the gzip data is broken (${code})`;
  if (code === 'ENOENT') return 'it is gone';
  return code ?? message;
}

/**
 * Stage 6, ASK: the probe in JavaScript, for machines without a binary: the same sentences and exit codes as probe.c.
 * One limit over connecting, sending and receiving; no DNS, no proxy, no redirect.
 */
import { type Socket, connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import {
  MORE,
  NOT_HTTP,
  bodyAt,
  headerOf,
  isInformational,
  statusOf,
  withoutInformational,
} from './reply.js';
import { type Facts, TOLD, compose } from './sentences.js';
import type { Address, Target } from './target.js';

/** The line, with its end, and what the process exits with. */
export interface Told {
  readonly line: string;
  readonly code: 0 | 1;
}

/** How a read ended: with bytes, at the end of the stream, with a reset, or without anything in time. */
type Read = 'bytes' | 'end' | 'reset' | 'late';

const ANSWER_BYTES = 4096;
const BODY_MS = 200;
const FULL_BACKLOG_MS = 10;

/** Asks once. Never throws: everything that can go wrong is a line. */
export async function ask(target: Target): Promise<Told> {
  const clock = new Clock(target.limitMs);
  const connected = await reach(target.addresses, clock);
  if (typeof connected === 'string') return unreached(connected, target, clock.ms());
  const stream = new Stream(connected);
  const host = target.where.startsWith('unix:') ? 'localhost' : target.where;
  connected.write(
    `GET /${target.path} HTTP/1.0\r\nHost: ${host}\r\nUser-Agent: vitals-probe\r\n\r\n`,
    'latin1',
  );
  try {
    return await judge(stream, target, clock);
  } finally {
    connected.destroy();
  }
}

async function judge(stream: Stream, target: Target, clock: Clock): Promise<Told> {
  const { where, limitMs } = target;
  let status = MORE;
  while ((status === MORE || isInformational(status)) && !stream.isFull()) {
    const read = await stream.read(limitMs, clock);
    if (read !== 'bytes') return unfinished(read, target, stream.total, clock.ms());
    stream.answer = withoutInformational(stream.answer);
    status = statusOf(stream.answer);
  }
  const ms = clock.ms();
  if (status === MORE || status === NOT_HTTP)
    return failed(TOLD.foreign, { where, quoted: stream.answer }, ms);
  // The verdict has fallen. The rest is for the message, and so that the server sees its answer taken.
  const untilMs = Math.min(ms + BODY_MS, limitMs);
  while (!stream.isFull() && (await stream.read(untilMs, clock)) === 'bytes');
  return decided(status, stream.answer, target, ms);
}

function decided(status: number, answer: string, { where, path }: Target, ms: number): Told {
  const isHealthy = status >= 200 && status < 300;
  const said = headerOf(answer, 'x-health-status');
  const body = bodyAt(answer);
  const shown = headerOf(answer, 'location') ?? (body < 0 ? undefined : answer.slice(body));
  const facts = { where, path, number: status, quoted: said ?? shown };
  const sentence = said !== undefined ? TOLD.said : isHealthy ? TOLD.status : shown ? TOLD.ofSaid : TOLD.of;
  return { line: compose(isHealthy ? 'healthy' : 'unhealthy', sentence, facts, ms), code: isHealthy ? 0 : 1 };
}

function unfinished(read: Exclude<Read, 'bytes'>, { where }: Target, total: number, ms: number): Told {
  if (read === 'end') return failed(TOLD.closed, { where, number: total }, ms);
  if (read === 'reset') return failed(TOLD.reset, { where, number: total }, ms);
  return failed(total > 0 ? TOLD.late : TOLD.silent, { where, number: total }, ms);
}

function unreached(code: string, { where }: Target, ms: number): Told {
  if (code === 'ETIMEDOUT') return failed(TOLD.unreached, { where }, ms);
  if (code === 'ECONNREFUSED') return failed(TOLD.refused, { where }, ms);
  if (code === 'ENOENT') return failed(TOLD.absent, { where }, ms);
  if (code === 'EACCES') return failed(TOLD.forbidden, { where }, ms);
  return failed(TOLD.unrouted, { where, number: Number(code) }, ms);
}

function failed(sentence: string, facts: Facts, ms: number): Told {
  return { line: compose('unhealthy', sentence, facts, ms), code: 1 };
}

/** The addresses one after the other. When all fail, the first one's error, unless the time is over. */
async function reach(addresses: readonly Address[], clock: Clock): Promise<Socket | string> {
  let first: string | undefined;
  for (const address of addresses) {
    const result = await connectTo(address, clock);
    if (typeof result !== 'string' || result === 'ETIMEDOUT') return result;
    first ??= result;
  }
  return first ?? 'ETIMEDOUT';
}

/** A socket, or the error: by name where the sentence depends on it, else by number. */
async function connectTo(address: Address, clock: Clock): Promise<Socket | string> {
  for (;;) {
    const result = await attempt(address, clock);
    // The backlog of a unix socket is full. No event will tell when it no longer is.
    if (result !== 'EAGAIN') return result;
    await new Promise((resolve) => setTimeout(resolve, FULL_BACKLOG_MS));
  }
}

function attempt(address: Address, clock: Clock): Promise<Socket | string> {
  return new Promise((resolve) => {
    if (clock.leftMs() <= 0) return resolve('ETIMEDOUT');
    const socket = connect({ ...address, allowHalfOpen: true });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve('ETIMEDOUT');
    }, clock.leftMs());
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const { code = '', errno = 0 } = error;
      const isNamed = ['ETIMEDOUT', 'ECONNREFUSED', 'ENOENT', 'EACCES', 'EAGAIN'].includes(code);
      resolve(isNamed ? code : String(Math.abs(errno)));
    });
  });
}

/** One monotonic clock for everything, in whole ms since it was made. */
class Clock {
  private readonly start = performance.now();

  constructor(private readonly limitMs: number) {}

  ms(): number {
    return Math.floor(performance.now() - this.start);
  }

  leftMs(): number {
    return this.limitMs - this.ms();
  }
}

/** The first bytes of an answer as they come. */
class Stream {
  /** One character per byte; NUL as `?`, as the binary keeps it. */
  answer = '';
  total = 0;
  private ended: 'end' | 'reset' | undefined;
  private wake: (() => void) | undefined;
  private taken = 0;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      const room = ANSWER_BYTES - this.answer.length;
      this.total += Math.min(room, chunk.length);
      this.answer += chunk.toString('latin1', 0, room).replaceAll('\0', '?');
      if (this.isFull()) socket.pause();
      this.wake?.();
    });
    socket.on('end', () => this.finish('end'));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.finish(error.code === 'EPIPE' ? 'end' : 'reset'),
    );
    socket.on('close', () => this.finish('end'));
  }

  isFull(): boolean {
    return this.answer.length >= ANSWER_BYTES;
  }

  /** Waits for more bytes than the last read has seen. */
  async read(untilMs: number, clock: Clock): Promise<Read> {
    while (this.taken === this.total && !this.ended) {
      const left = untilMs - clock.ms();
      if (left <= 0) return 'late';
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = undefined;
    }
    if (this.taken === this.total) return this.ended ?? 'late';
    this.taken = this.total;
    return 'bytes';
  }

  private finish(how: 'end' | 'reset'): void {
    this.ended ??= how;
    this.wake?.();
  }
}

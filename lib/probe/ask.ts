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
/** Node.js before 22 fills an abstract name with zeros up to this size; for the kernel that is another name. */
const SUN_PATH = 108;

interface Answered {
  readonly status: number;
  readonly answer: string;
  readonly ms: number;
}

/** What came of asking, where it was not an answer the sentence about what is wrong. */
type Found = Answered | { readonly wrong: string; readonly facts: Facts };

/** Asks once. Never throws: everything that can go wrong is a line. */
export async function ask(target: Target): Promise<Told> {
  const clock = new Clock();
  const service = new Conversation(target, target.addresses, clock);
  const isWatchable = target.watchdog !== undefined && process.platform === 'linux';
  try {
    let found = await service.converse(isWatchable ? Math.floor((target.limitMs * 3) / 4) : target.limitMs);
    if (isWatchable && isOneOf(found, SILENCES)) {
      const said = await askWatchdog(target, clock);
      if (said) return said;
    }
    if (isOneOf(found, TIMEOUTS)) found = await service.converse(target.limitMs);
    return 'status' in found ? decided(found, target) : failed(found.wrong, found.facts, clock.ms());
  } finally {
    service.end();
  }
}

/** A process that says nothing; any answer shows that it lives. */
const SILENCES: readonly string[] = [TOLD.refused, TOLD.unreached, TOLD.silent];
const TIMEOUTS: readonly string[] = [TOLD.unreached, TOLD.silent, TOLD.late];

function isOneOf(found: Found, sentences: readonly string[]): boolean {
  return 'wrong' in found && sentences.includes(found.wrong);
}

/** What the thread beside a silent one says, where it says that something is wrong. */
async function askWatchdog(target: Target, clock: Clock): Promise<Told | undefined> {
  const name = target.watchdog ?? '';
  const watchdog = new Conversation(target, [{ path: name }, { path: name.padEnd(SUN_PATH, '\0') }], clock);
  const found = await watchdog.converse(target.limitMs);
  watchdog.end();
  if (!('status' in found) || found.status !== 503) return undefined;
  const quoted = headerOf(found.answer, 'x-health-status');
  if (quoted === undefined) return undefined;
  return failed(TOLD.watched, { number: found.status, quoted }, found.ms);
}

/** One question and its answer. It can be waited for again where it was left. */
class Conversation {
  private socket: Socket | undefined;
  private stream: Stream | undefined;

  constructor(
    private readonly target: Target,
    private readonly addresses: readonly Address[],
    private readonly clock: Clock,
  ) {}

  async converse(untilMs: number): Promise<Found> {
    if (!this.stream) {
      const connected = await reach(this.addresses, this.clock, untilMs);
      if (typeof connected === 'string') return unreached(connected, this.target);
      this.socket = connected;
      this.stream = new Stream(connected);
      const { where, path } = this.target;
      const host = where.startsWith('unix:') ? 'localhost' : where;
      connected.write(`GET /${path} HTTP/1.0\r\nHost: ${host}\r\nUser-Agent: vitals-probe\r\n\r\n`, 'latin1');
    }
    return this.judge(this.stream, untilMs);
  }

  end(): void {
    this.socket?.destroy();
  }

  private async judge(stream: Stream, untilMs: number): Promise<Found> {
    let status = MORE;
    while ((status === MORE || isInformational(status)) && !stream.isFull()) {
      const read = await stream.read(untilMs, this.clock);
      if (read !== 'bytes') return unfinished(read, this.target, stream.total);
      stream.answer = withoutInformational(stream.answer);
      status = statusOf(stream.answer);
    }
    if (status === MORE || status === NOT_HTTP)
      return { wrong: TOLD.foreign, facts: { where: this.target.where, quoted: stream.answer } };
    // The verdict has fallen. The rest is for the message, and so that the server sees its answer taken.
    const ms = this.clock.ms();
    const restMs = Math.min(ms + BODY_MS, untilMs);
    while (!stream.isFull() && (await stream.read(restMs, this.clock)) === 'bytes');
    return { status, answer: stream.answer, ms };
  }
}

function decided({ status, answer, ms }: Answered, { where, path }: Target): Told {
  const isHealthy = status >= 200 && status < 300;
  const said = headerOf(answer, 'x-health-status');
  const body = bodyAt(answer);
  const shown = headerOf(answer, 'location') ?? (body < 0 ? undefined : answer.slice(body));
  const facts = { where, path, number: status, quoted: said ?? shown };
  const sentence = said !== undefined ? TOLD.said : isHealthy ? TOLD.status : shown ? TOLD.ofSaid : TOLD.of;
  return { line: compose(isHealthy ? 'healthy' : 'unhealthy', sentence, facts, ms), code: isHealthy ? 0 : 1 };
}

function unfinished(read: Exclude<Read, 'bytes'>, { where }: Target, total: number): Found {
  const late = total > 0 ? TOLD.late : TOLD.silent;
  const wrong = read === 'end' ? TOLD.closed : read === 'reset' ? TOLD.reset : late;
  return { wrong, facts: { where, number: total } };
}

const UNREACHED: Readonly<Record<string, string>> = {
  ETIMEDOUT: TOLD.unreached,
  ECONNREFUSED: TOLD.refused,
  ENOENT: TOLD.absent,
  EACCES: TOLD.forbidden,
};

function unreached(code: string, { where }: Target): Found {
  return { wrong: UNREACHED[code] ?? TOLD.unrouted, facts: { where, number: Number(code) } };
}

function failed(sentence: string, facts: Facts, ms: number): Told {
  return { line: compose('unhealthy', sentence, facts, ms), code: 1 };
}

/** The addresses one after the other. When all fail, the first one's error, unless the time is over. */
async function reach(addresses: readonly Address[], clock: Clock, untilMs: number): Promise<Socket | string> {
  let first: string | undefined;
  for (const address of addresses) {
    const result = await connectTo(address, clock, untilMs);
    if (typeof result !== 'string' || result === 'ETIMEDOUT') return result;
    first ??= result;
  }
  return first ?? 'ETIMEDOUT';
}

/** A socket, or the error: by name where the sentence depends on it, else by number. */
async function connectTo(address: Address, clock: Clock, untilMs: number): Promise<Socket | string> {
  for (;;) {
    const result = await attempt(address, clock, untilMs);
    // The backlog of a unix socket is full. No event will tell when it no longer is.
    if (result !== 'EAGAIN') return result;
    await new Promise((resolve) => setTimeout(resolve, FULL_BACKLOG_MS));
  }
}

function attempt(address: Address, clock: Clock, untilMs: number): Promise<Socket | string> {
  return new Promise((resolve) => {
    const leftMs = untilMs - clock.ms();
    if (leftMs <= 0) return resolve('ETIMEDOUT');
    const socket = connect({ ...address, allowHalfOpen: true });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve('ETIMEDOUT');
    }, leftMs);
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

  ms(): number {
    return Math.floor(performance.now() - this.start);
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

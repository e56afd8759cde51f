/**
 * Stage 1, MEASURE: who took the connections that are out? Recorded only while the pool is under pressure: a stack at
 * every checkout is too dear for a pool that is well. Paths are relative to the working directory.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { PoolAdapter } from './adapter.js';
import { peek } from './duck.js';

/** This share of the connections out is pressure. */
const PRESSURE_RATIO = 0.8;
/** The pressure must be there for two samples; recording goes on for so long after it ended, ms. */
const CALM_MS = 60_000;
const MAX_FRAMES = 3;
const MAX_LENGTH = 300;

/** What a pool's pressure is judged by. */
export interface Pressure {
  readonly max: number;
  readonly used: number;
  /** Some connection has been out in silence for a good part of what makes a leak. */
  readonly isSuspicious: boolean;
}

/** Who took which connection, of one pool. */
export class CheckoutCallers {
  private readonly callers = new WeakMap<object, string>();
  private pressedSince: number | null = null;
  private pressedAt = -Infinity;
  private end: (() => void) | null = null;

  constructor(private readonly adapter: Pick<PoolAdapter, 'followCheckouts'>) {}

  get isRecording(): boolean {
    return this.end !== null;
  }

  /** Begins to record with the second sample under pressure in a row, and ends a minute after the last. */
  observe(now: number, { max, used, isSuspicious }: Pressure): void {
    const isPressed = isSuspicious || (max > 0 && used >= max * PRESSURE_RATIO);
    if (isPressed) this.pressedAt = now;
    if (isPressed && this.pressedSince !== null) this.record();
    this.pressedSince = isPressed ? (this.pressedSince ?? now) : null;
    if (now - this.pressedAt > CALM_MS) this.close();
  }

  /** `GET /orders/:id at find (src/orders.service.ts:31)`, as far as it is known; `null` when it was not recorded. */
  of(connection: object): string | null {
    return this.callers.get(connection) ?? null;
  }

  /** The checkout is over, or another one begins: whoever took the connection before is not to blame for it. */
  forget(connection: object): void {
    this.callers.delete(connection);
  }

  close(): void {
    this.end?.();
    this.end = null;
  }

  private record(): void {
    if (this.end || !this.adapter.followCheckouts) return;
    const unfollow = this.adapter.followCheckouts(caller, (connection, by) => {
      if (by) this.callers.set(connection, by);
    });
    followRequests();
    this.end = () => {
      unfollow();
      unfollowRequests();
    };
  }
}

interface Story {
  readonly request: unknown;
  /** Where a call began that asks for its connection in a later turn. */
  readonly frames: string;
}

const stories = new AsyncLocalStorage<Story>();
let followers = 0;

/** Runs `work`, and what it leads to, with the present stack remembered. */
export function remembering<T>(work: () => T): T {
  return stories.run({ request: stories.getStore()?.request, frames: frames() }, work);
}

/** Who is running now: the route of the request it belongs to, and the first frames of the application. */
export function caller(): string | null {
  const story = stories.getStore();
  const route = routeOf(story?.request);
  const at = frames() || (story?.frames ?? '');
  const text = [route, at && `at ${at}`].filter(Boolean).join(' ');
  return text === '' ? null : text.slice(0, MAX_LENGTH);
}

function requestStarted(message: unknown): void {
  stories.enterWith({ request: peek(message, 'request'), frames: '' });
}

function followRequests(): void {
  if (followers++ === 0) subscribe('http.server.request.start', requestStarted);
}

function unfollowRequests(): void {
  if (--followers > 0) return;
  unsubscribe('http.server.request.start', requestStarted);
  stories.disable();
}

/** The pattern where the router has told it (Express), else the path; never the query. */
function routeOf(request: unknown): string {
  const method = peek(request, 'method');
  if (typeof method !== 'string') return '';
  const pattern = peek(request, 'route', 'path');
  const base = peek(request, 'baseUrl');
  const url = peek(request, 'originalUrl') ?? peek(request, 'url');
  const path = typeof pattern === 'string' ? `${typeof base === 'string' ? base : ''}${pattern}` : url;
  return `${method} ${String(path).split('?', 1)[0]!.slice(0, 100)}`;
}

/** Our own folder, as a stack names it; nothing where a bundler has put us into one file with the application. */
const OURS = /(\/.*\/pools\/)[^/]+:\d+:\d+/.exec(new Error().stack ?? '')?.[1] ?? '\0';

function frames(): string {
  const { stackTraceLimit } = Error;
  const at: { stack?: string } = {};
  // It may be frozen, and then the limit stays.
  Reflect.set(Error, 'stackTraceLimit', 40);
  Error.captureStackTrace(at, frames);
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  const lines = String(at.stack)
    .split('\n')
    .slice(1)
    .map((line) => line.trim().replace(/^at (async )?/, ''));
  const theirs = lines.filter(
    (line) => /:\d+:\d+\)?$/.test(line) && !/node:|[\\/]node_modules[\\/]/.test(line),
  );
  return theirs
    .filter((line) => !line.includes(OURS))
    .slice(0, MAX_FRAMES)
    .map((line) =>
      line
        .replace(/file:\/\//, '')
        .replace(`${process.cwd()}/`, '')
        .replace(/:\d+(\)?)$/, '$1'),
    )
    .join(' < ');
}

/**
 * Stage 1, MEASURE: the settings that decide how connections end, read once from live objects. Imports no driver, asks
 * nobody, and reads no credential, host or statement.
 */
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { can, peek, peekObject } from './pools/duck.js';
import { adapterFor } from './pools/index.js';

/** What is set for one pool; `null` where it does not say or cannot have it. */
export interface PoolFacts {
  readonly name: string;
  readonly driver: string;
  /** Connections it keeps however idle. */
  readonly min: number | null;
  /** Silence before the first TCP keepalive, ms; 0: whatever the system has, two hours on Linux; `null`: none is sent. */
  readonly keepAliveMs: number | 'unknown' | null;
  /** How long a caller waits for a connection, ms; 0: for ever. */
  readonly connectTimeoutMs: number | null;
  /** Whether a connection that its driver lost is recognized, and not handed out again; only asked of oracledb. */
  readonly evictsLost: boolean | null;
  /** Whether somebody hears the error of an idle connection; without, it ends the process. */
  readonly hearsErrors: boolean | null;
}

/** What is set for the HTTP server, ms. */
export interface ServerFacts {
  readonly keepAliveTimeoutMs: number;
  readonly headersTimeoutMs: number;
}

/** Which process the kernel treats as the first one: it gets no default signal handling, and orphans. */
export interface ProcessFacts {
  readonly firstProcess: 'node' | 'npm' | 'other';
}

/** Facts about the pool under `name`; `null` for what is no pool. */
export function poolFacts(name: string, pool: unknown): PoolFacts | null {
  const adapter = adapterFor(pool);
  if (!adapter) return null;
  const client = peekObject(pool, 'client');
  const settings = client ? peek(client, 'connectionSettings') : peek(pool, 'options');
  const isPg = adapter.driver === 'pg';
  const dialect = adapter.driver.split('/').at(-1) ?? '';
  return {
    name,
    driver: adapter.driver,
    min: numberOf(peek(client ?? pool, client ? 'pool' : 'options', 'min')),
    keepAliveMs: keepAliveOf(dialect, settings),
    connectTimeoutMs: isPg ? (numberOf(peek(settings, 'connectionTimeoutMillis')) ?? 0) : null,
    evictsLost: client && dialect.startsWith('oracle') ? knowsLostOracle(client) : null,
    hearsErrors: isPg ? hasErrorListener(pool) : null,
  };
}

/** Facts about the server; `null` where there is none, or one that has no such limits. */
export function serverFacts(server: Server | undefined): ServerFacts | null {
  const keepAliveTimeoutMs = numberOf(peek(server, 'keepAliveTimeout'));
  const headersTimeoutMs = numberOf(peek(server, 'headersTimeout'));
  return keepAliveTimeoutMs === null || headersTimeoutMs === null
    ? null
    : { keepAliveTimeoutMs, headersTimeoutMs };
}

/** Facts about the process. `commandLine` is that of process 1, its words separated by NUL. */
export function processFacts(pid = process.pid, commandLine = firstCommandLine()): ProcessFacts {
  if (pid === 1) return { firstProcess: 'node' };
  return { firstProcess: /^(npm|\S*node\0\S*npm)/.test(commandLine) ? 'npm' : 'other' };
}

function firstCommandLine(): string {
  try {
    return readFileSync('/proc/1/cmdline', 'latin1');
  } catch {
    return '';
  }
}

function keepAliveOf(dialect: string, settings: unknown): PoolFacts['keepAliveMs'] {
  if (typeof settings !== 'object' || settings === null) return 'unknown';
  if (dialect === 'pg' || dialect === 'postgres') {
    if (peek(settings, 'keepAlive') !== true) return null;
    return numberOf(peek(settings, 'keepAliveInitialDelayMillis')) ?? 0;
  }
  if (dialect === 'mysql2') {
    if (peek(settings, 'enableKeepAlive') === false) return null;
    return numberOf(peek(settings, 'keepAliveInitialDelay')) ?? 0;
  }
  if (dialect.startsWith('oracle')) {
    const minutes = /\(\s*EXPIRE_TIME\s*=\s*(\d+)\s*\)/i.exec(String(peek(settings, 'connectString') ?? ''));
    return minutes ? Number(minutes[1]) * 60_000 : null;
  }
  return 'unknown';
}

/**
 * Whether this Knex knows the code of a connection that oracledb lost (NJS-500). It does from 3.2 on; an instance does
 * not tell its version, but from 3.2 on it takes a lifetime out of the pool's settings, and before it passes it on.
 */
function knowsLostOracle(client: object): boolean | null {
  if (!can(client, 'getPoolSettings')) return null;
  const { getPoolSettings } = client as { getPoolSettings(given: object): object };
  try {
    return !(
      'maxConnectionLifetimeMillis' in getPoolSettings.call(client, { maxConnectionLifetimeMillis: 0 })
    );
  } catch {
    return null;
  }
}

function hasErrorListener(pool: unknown): boolean | null {
  if (!can(pool, 'listenerCount')) return null;
  return (pool as NodeJS.EventEmitter).listenerCount('error') > 0;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/**
 * Stage 1, MEASURE: the settings that decide how connections end, read from live objects. Imports no driver, asks
 * nobody, and reads no credential, host or statement.
 */
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { PoolAdapter, Settings } from './pools/adapter.js';
import { can, peek } from './pools/duck.js';
import { adapterFor } from './pools/index.js';

/** What is set for one pool; `null` where it does not say or cannot have it. */
export interface PoolFacts {
  readonly name: string;
  readonly driver: string;
  /** The driver at the bottom, whatever it is reached through. */
  readonly dialect: string;
  /** Connections it keeps however idle. */
  readonly min: number | null;
  /** What the pool calls that. */
  readonly minSetting: string | null;
  /** Silence before the first TCP keepalive, ms; 0: whatever the system has, two hours on Linux; `null`: none is sent. */
  readonly keepAliveMs: number | 'unknown' | null;
  /** How long a caller waits for a connection, ms; 0: for ever. Of oracledb, for its login. */
  readonly connectTimeoutMs: number | null;
  /** How long a call to the database may take, ms; 0: for ever; only asked of oracledb. */
  readonly callTimeoutMs: number | null;
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

/** Facts about the pool under `name`; `null` for what is no pool, or has none yet. */
export function poolFacts(name: string, pool: unknown): PoolFacts | null {
  const adapter = adapterFor(pool);
  if (!adapter?.pool) return null;
  const settings = adapter.settings?.() ?? { connection: null, pool: null };
  const dialect = dialectOf(adapter.driver);
  const isPgPool = dialect === 'pg' && can(adapter.pool, 'connect', 'listenerCount');
  const isOracle = dialect === 'oracledb';
  const minSetting = MIN_SETTINGS.find((key) => numberOf(peek(settings.pool, key)) !== null) ?? null;
  return {
    name,
    driver: adapter.driver,
    dialect,
    minSetting: minSetting === 'minSize' ? 'min' : minSetting,
    min: minSetting === null ? null : numberOf(peek(settings.pool, minSetting)),
    keepAliveMs: keepAliveOf(dialect, settings.connection),
    connectTimeoutMs: isPgPool
      ? (numberOf(peek(settings.connection, 'connectionTimeoutMillis')) ?? 0)
      : isOracle
        ? oracleConnectTimeoutOf(settings)
        : null,
    callTimeoutMs: isOracle ? callTimeoutOf(adapter, settings) : null,
    evictsLost: settings.client && isOracle ? knowsLostOracle(settings.client) : null,
    hearsErrors: isPgPool ? hasErrorListener(adapter.pool) : null,
  };
}

/** How pools call the number of connections they keep: tarn and pg, sequelize-pool, oracledb, mariadb. */
const MIN_SETTINGS = ['min', 'minSize', 'poolMin', 'minimumIdle'] as const;

/** Sequelize calls the driver by its database. */
function dialectOf(driver: string): string {
  if (driver === 'sequelize/mysql') return 'mysql2';
  return driver === 'sequelize/postgres' ? 'pg' : (driver.split('/').at(-1) ?? '');
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
  if (dialect === 'pg') {
    if (peek(settings, 'keepAlive') !== true) return null;
    return numberOf(peek(settings, 'keepAliveInitialDelayMillis')) ?? 0;
  }
  if (dialect === 'mysql2') {
    if (peek(settings, 'enableKeepAlive') === false) return null;
    return numberOf(peek(settings, 'keepAliveInitialDelay')) ?? 0;
  }
  if (dialect === 'mariadb') return numberOf(peek(settings, 'keepAliveDelay'));
  if (dialect === 'oracledb') {
    const minutes = inConnectString(settings, 'EXPIRE_TIME') ?? numberOf(peek(settings, 'expireTime'));
    return minutes ? minutes * 60_000 : null;
  }
  return 'unknown';
}

/** thin waits 20 s for the TCP connection by itself, and for the login without end; Knex passes the string on alone. */
function oracleConnectTimeoutOf({ connection }: Settings): number | null {
  if (typeof connection !== 'object' || connection === null) return null;
  const seconds =
    inConnectString(connection, 'CONNECT_TIMEOUT') ?? numberOf(peek(connection, 'connectTimeout')) ?? 0;
  return seconds * 1_000;
}

/** Read off a live connection; without one only of those that have no place where it could be set. */
function callTimeoutOf(adapter: PoolAdapter, { client, pool }: Settings): number | null {
  const [connection] = [...adapter.used(), ...(adapter.idle?.() ?? [])];
  const live = numberOf(peek(connection, 'callTimeout'));
  if (live !== null) return live;
  const isWrapped = adapter.driver.includes('/');
  const isPrepared = can(peek(client, 'config', 'pool'), 'afterCreate') || can(pool, 'sessionCallback');
  return isWrapped && !isPrepared ? 0 : null;
}

/** Of a descriptor, `(NAME=1)`, or of the short form, `?name=1`. */
function inConnectString(settings: unknown, name: string): number | null {
  const found = new RegExp(`[(?&]\\s*${name}\\s*=\\s*(\\d+)`, 'i').exec(
    String(peek(settings, 'connectString') ?? ''),
  );
  return found ? Number(found[1]) : null;
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

/**
 * Stage 2, JUDGE: the one setting that ends a named cause, in the words of the driver whose connections it ends. Pure.
 */
import type { Cause } from './reset-cause.js';

/** The driver families that have words of their own. */
type Family = 'pg' | 'mysql2' | 'mariadb' | 'oracledb' | 'mssql' | 'redis' | 'mongodb' | 'http';

/** Ports that their protocols are known by, for connections of no known pool. */
const PORTS: Readonly<Record<string, Family>> = {
  5432: 'pg',
  6432: 'pg',
  3306: 'mysql2',
  1521: 'oracledb',
  1433: 'mssql',
  6379: 'redis',
  27017: 'mongodb',
  80: 'http',
  443: 'http',
  8080: 'http',
};

/** Driver names as adapters say them (`knex/pg`), and what they belong to. */
const DRIVERS: Readonly<Record<string, Family>> = {
  pg: 'pg',
  postgres: 'pg',
  mysql: 'mysql2',
  mysql2: 'mysql2',
  mariadb: 'mariadb',
  oracledb: 'oracledb',
  oracle: 'oracledb',
  mssql: 'mssql',
  tedious: 'mssql',
  redis: 'redis',
  ioredis: 'redis',
  mongodb: 'mongodb',
};

/** Sends something within half the limit, so that the connection is never silent for as long. */
const KEEP_ALIVE: Readonly<Record<Family, (ms: number) => string>> = {
  pg: (ms) => `keepAlive: true and keepAliveInitialDelayMillis: ${ms}`,
  mysql2: (ms) => `enableKeepAlive: true and keepAliveInitialDelay: ${ms}`,
  mariadb: (ms) => `keepAliveDelay: ${ms}`,
  // Whole minutes, and no fewer than one.
  oracledb: (ms) => (ms < 60_000 ? IDLE.oracledb(ms) : `(EXPIRE_TIME=${minutes(ms)}) in the connect string`),
  // tedious sends keepalives after 30 s already, and has no setting for it.
  mssql: (ms) => IDLE.mssql(ms),
  redis: (ms) => `keepAlive: ${ms} (ioredis) or socket.keepAliveInitialDelay: ${ms} (redis)`,
  mongodb: (ms) => `maxIdleTimeMS: ${ms}`,
  http: (ms) => `new Agent({ keepAlive: true, timeout: ${ms} })`,
};

/** Lets go of a connection before the other side does. */
const IDLE: Readonly<Record<Family, (ms: number) => string>> = {
  pg: (ms) => `idleTimeoutMillis: ${ms}`,
  // Nothing looks at idleTimeout unless maxIdle is below connectionLimit; and of the free ones those above maxIdle go each
  // second, however young they are.
  mysql2: (ms) => `idleTimeout: ${ms} and maxIdle: connectionLimit - 1`,
  mariadb: (ms) => `idleTimeout: ${seconds(ms)} and minimumIdle: 0`,
  oracledb: (ms) => `poolTimeout: ${seconds(ms)} and poolMin: 0`,
  mssql: (ms) => `pool: { min: 0, idleTimeoutMillis: ${ms} }`,
  redis: (ms) => `pingInterval: ${ms} (redis), or a PING every ${ms} ms (ioredis)`,
  mongodb: (ms) => `maxIdleTimeMS: ${ms}`,
  http: (ms) => `new Agent({ keepAlive: true, timeout: ${ms} })`,
};

/** Renews a connection before its age is held against it. */
const LIFETIME: Readonly<Partial<Record<Family, (ms: number) => string>>> = {
  pg: (ms) => `maxLifetimeSeconds: ${seconds(ms)}`,
  oracledb: (ms) => `maxLifetimeSession: ${seconds(ms)}`,
};

/** Ends a request of our own before somebody else does, so that the error says which it was. */
const QUERY: Readonly<Partial<Record<Family, (ms: number) => string>>> = {
  pg: (ms) => `query_timeout: ${ms}`,
  mysql2: (ms) => `{ sql, timeout: ${ms} } in the query`,
  mariadb: (ms) => `queryTimeout: ${ms}`,
  oracledb: (ms) => `connection.callTimeout = ${ms}`,
  mssql: (ms) => `requestTimeout: ${ms}`,
  mongodb: (ms) => `timeoutMS: ${ms}`,
};

/** For a Knex that hands a connection out again which oracledb has lost; what is below it is learned by `evictsLost`. */
export const UPGRADE_KNEX = 'upgrade Knex to 3.2.0 or later';

const RECOVERS = 'nothing to set: the pool recovers within one use of each connection';

/** What hardly any request takes, ms. */
const ENOUGH_MS = 60_000;

/** The pool that the connections belong to, as far as it decides what to set. */
export interface SettingOwner {
  /** The adapter's word for it. */
  readonly driver: string;
  /** Whether it recognizes connections that its driver lost; `null` where that is not known. */
  readonly evictsLost?: boolean | null;
}

/**
 * What to set. Where the connections belong to no pool the port of `peer` decides, and where that says nothing the
 * words are those of Node's sockets. A pool that keeps lost connections recovers from no reset, whatever its cause: that
 * comes first.
 */
export function settingFor(cause: Cause, owner: SettingOwner | null, peer: string): string {
  const setting = endingOf(cause, owner?.driver ?? null, peer);
  if (owner?.evictsLost !== false) return setting;
  const upgrade = `${UPGRADE_KNEX}: the pool hands a lost connection out for ever`;
  return setting === '' || setting === RECOVERS ? upgrade : `${upgrade}; then ${setting}`;
}

/** What ends the cause. */
function endingOf(cause: Cause, driver: string | null, peer: string): string {
  const isKnex = driver?.startsWith('knex/') ?? false;
  const family = familyOf(driver, peer);
  const toMs = cause.toMs ?? 0;
  const half = Math.floor(toMs / 2);
  const below = Math.floor(Math.max(cause.fromMs ?? 0, toMs / 2) * 0.9);
  switch (cause.name) {
    case 'idle-drop':
      if (!family) return `set socket.setKeepAlive(true, ${half})`;
      return isKnex
        ? `${knexIdle(half)}, or connection ${KEEP_ALIVE[family](half)}`
        : `set ${KEEP_ALIVE[family](half)}`;
    case 'idle-timeout':
      if (isKnex) return knexIdle(below);
      return family ? `set ${IDLE[family](below)}` : `close connections idle for ${below} ms`;
    case 'read-timeout':
      return `shorten the work or raise that limit, and set ${QUERY[family ?? 'http']?.(below) ?? `a request timeout of ${below} ms`}`;
    case 'max-lifetime':
      if (isKnex) return `set pool: { maxConnectionLifetimeMillis: ${below} } (Knex 3.2)`;
      return `set ${(family && LIFETIME[family]?.(below)) ?? `a lifetime of ${below} ms in the pool`}`;
    case 'reachability':
      return 'check the address, the certificate and the connection limit of the server';
    case 'keep-alive-race':
      return 'set the timeout of the HTTP agent below the keep-alive timeout of the server, and retry what may be sent twice';
    case 'restart':
      return RECOVERS;
    case 'no-pattern':
    case 'not-enough-data':
      return '';
  }
}

/** What ends a request that nobody answers: the kernel itself gives up after about a quarter of an hour. */
export function timeoutFor(driver: string | null, peer: string): string {
  const family = familyOf(driver, peer);
  return `set ${(family && QUERY[family]?.(ENOUGH_MS)) ?? `a request timeout of ${ENOUGH_MS} ms`}`;
}

function knexIdle(ms: number): string {
  return `set pool: { min: 0, idleTimeoutMillis: ${ms} }`;
}

function familyOf(driver: string | null, peer: string): Family | null {
  const name = driver?.split('/').at(-1)?.toLowerCase();
  const port = /:(\d+)$/.exec(peer)?.[1] ?? '';
  return (name ? DRIVERS[name] : PORTS[port]) ?? null;
}

function seconds(ms: number): number {
  return Math.max(1, Math.floor(ms / 1000));
}

function minutes(ms: number): number {
  return Math.max(1, Math.floor(ms / 60_000));
}

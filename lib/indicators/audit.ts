/**
 * Stage 2, JUDGE: settings that lead to trouble, before they do. Pure. Each line says what is set, what comes of it, and
 * what to set; none changes a status.
 */
import type { PoolFacts, ProcessFacts, ServerFacts } from '../sources/configuration.js';
import { UPGRADE_KNEX } from './reset-setting.js';

/** Everything an audit looks at. */
export interface Facts {
  readonly pools: readonly PoolFacts[];
  readonly server: ServerFacts | null;
  readonly process: ProcessFacts | null;
  /** How long the load balancer in front keeps an idle connection, ms. */
  readonly loadBalancerIdleMs: number;
}

type Rule<T> = (facts: T) => string | null;

/** Two hours, the system's own delay: no device between waits for it. */
const KEEP_ALIVE: Readonly<Record<string, string>> = {
  pg: 'keepAlive: true and keepAliveInitialDelayMillis: 30000',
  mysql2: 'enableKeepAlive: true and keepAliveInitialDelay: 30000',
  mariadb: 'keepAliveDelay: 30000',
  oracledb: '(EXPIRE_TIME=2) in the connect string',
};

const POOL_RULES: readonly Rule<PoolFacts>[] = [
  ({ evictsLost }) =>
    evictsLost === false
      ? `Knex before 3.2.0 does not recognize a connection that oracledb lost (NJS-500): once reset it is handed out again and fails for ever; ${UPGRADE_KNEX}`
      : null,
  ({ min, minSetting }) =>
    min !== null && min > 0
      ? `${minSetting} ${min} keeps connections however idle, until a device between drops them; set ${minSetting}: 0`
      : null,
  ({ keepAliveMs, dialect }) => {
    const setting = KEEP_ALIVE[dialect];
    if (!setting || (keepAliveMs !== null && keepAliveMs !== 0)) return null;
    const what = keepAliveMs === 0 ? 'the first TCP keepalive comes after two hours' : 'TCP keepalive is off';
    return `${what}: a connection that was dropped between is noticed only by a query that fails or hangs; set ${setting}`;
  },
  ({ connectTimeoutMs, dialect }) => {
    if (connectTimeoutMs !== 0) return null;
    return dialect === 'oracledb'
      ? 'no connect timeout: a login that is not answered holds its caller without end; set (CONNECT_TIMEOUT=10) in the connect string'
      : 'connectionTimeoutMillis 0: callers wait without end for a connection; set connectionTimeoutMillis: 5000';
  },
  ({ callTimeoutMs, driver }) =>
    callTimeoutMs === 0
      ? `callTimeout 0: a query that is not answered holds its connection without end; set connection.callTimeout = 60000${driver.startsWith('knex/') ? ' in pool.afterCreate' : ''}`
      : null,
  ({ hearsErrors }) =>
    hearsErrors === false
      ? "nobody listens to its 'error': the reset of an idle connection ends the process; add pool.on('error', ...)"
      : null,
];

const SERVER_RULES: readonly Rule<ServerFacts & Pick<Facts, 'loadBalancerIdleMs'>>[] = [
  ({ keepAliveTimeoutMs, loadBalancerIdleMs }) =>
    keepAliveTimeoutMs > 0 && keepAliveTimeoutMs <= loadBalancerIdleMs
      ? `HTTP server: keepAliveTimeout ${keepAliveTimeoutMs} ms is not above the load balancer's idle time (${loadBalancerIdleMs} ms): it sends requests on connections that we close, and answers 502; set server.keepAliveTimeout = ${loadBalancerIdleMs + 5_000}`
      : null,
  ({ keepAliveTimeoutMs, headersTimeoutMs }) =>
    headersTimeoutMs > 0 && headersTimeoutMs <= keepAliveTimeoutMs
      ? `HTTP server: headersTimeout ${headersTimeoutMs} ms is not above keepAliveTimeout (${keepAliveTimeoutMs} ms): kept connections are reset; set server.headersTimeout = ${keepAliveTimeoutMs + 1_000}`
      : null,
];

const FIRST: ReadonlyMap<ProcessFacts['firstProcess'], string> = new Map([
  [
    'node',
    'node is process 1: the kernel keeps fatal signals from it, and nobody reaps orphans; run the container with init (compose, init: true)',
  ],
  [
    'npm',
    'npm is process 1: signals reach the service late or never; set CMD ["node", ...] and init (compose, init: true)',
  ],
]);

/** The advice, pools first; empty where there is none. */
export function audit({ pools, server, process, loadBalancerIdleMs }: Facts): string[] {
  const ofPools = pools.flatMap((pool) =>
    POOL_RULES.map((rule) => rule(pool)).map((line) => line && `pool "${pool.name}": ${line}`),
  );
  const ofServer = server ? SERVER_RULES.map((rule) => rule({ ...server, loadBalancerIdleMs })) : [];
  return [...ofPools, ...ofServer, (process && FIRST.get(process.firstProcess)) ?? null].filter(
    (line) => line !== null,
  );
}

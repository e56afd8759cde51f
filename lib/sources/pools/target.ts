/**
 * Stage 1, MEASURE: where the database of a pool listens, read from what its driver was given. No look-ups, no
 * connection; credentials are not read.
 */
import { clientHello } from './client-hello.js';
import { peek, peekNumber, socketOf } from './duck.js';
import type { Target } from './reach.js';

type Protocol = Target['protocol'];

const DEFAULT_PORT: Readonly<Record<Protocol, number | null>> = {
  pg: 5432,
  mysql: 3306,
  tns: 1521,
  tcp: null,
};

/**
 * The target in driver settings: an object with `host` or `server`, `port`, `socketPath`, `connectionString` or
 * `uri`, or a URL; Oracle's `connectString`. `null` where they do not say, as with settings that are a function.
 */
export function targetOf(settings: unknown, protocol: Protocol): Target | null {
  if (typeof settings === 'string') return targetOfUrl(settings, protocol);
  if (typeof settings !== 'object' || settings === null) return null;
  const oracle = text(peek(settings, 'connectString'));
  if (oracle) return targetOfConnectString(oracle);
  const url = text(peek(settings, 'connectionString')) ?? text(peek(settings, 'uri'));
  if (url) return targetOfUrl(url, protocol);
  const path = text(peek(settings, 'socketPath'));
  if (path) return { protocol, address: { path } };
  const host =
    text(peek(settings, 'host')) ?? text(peek(settings, 'server')) ?? text(peek(settings, 'address'));
  return build(protocol, host, peek(settings, 'port') ?? peek(settings, 'options', 'port'));
}

/** TDS 7 PRELOGIN as any client sends it: no wish for encryption. SQL Server answers it before any login. */
const PRELOGIN = Buffer.from([
  0x12, 1, 0, 26, 0, 0, 0, 0, 0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, 2,
]);

/** Adds what makes SQL Server speak. Strict encryption is TDS 8: TLS from the first byte on, in which TDS is asked for. */
export function withPrelogin(target: Target | null, settings: unknown): Target | null {
  const isStrict = peek(settings, 'options', 'encrypt') === 'strict';
  if (!isStrict) return target && { ...target, hello: PRELOGIN };
  return target && overTls(target, peek(settings, 'options', 'serverName'), 'tds/8.0');
}

/** Adds what makes a server speak that wants TLS from the first byte on. It is called `serverName`, or what its host is. */
export function overTls(target: Target, serverName?: unknown, application?: string): Target {
  const host = 'host' in target.address ? target.address.host : undefined;
  return { ...target, hello: clientHello(text(serverName) ?? host, application) };
}

const DATABASES: readonly (readonly string[])[] = [
  ['options', 'database'], // pg
  ['config', 'connectionConfig', 'database'], // mysql2
  ['options', 'replication', 'write', 'database'], // Sequelize
  ['config', 'database'], // mssql, Sequelize
  ['client', 'connectionSettings', 'database'], // Knex
  ['driver', 'database'], // TypeORM
];
const URLS: readonly (readonly string[])[] = [
  ['options', 'connectionString'],
  ['client', 'connectionSettings', 'connectionString'],
];

/** The name of the database that the given pool, or what it was reached through, is for; `null` where they do not say. */
export function databaseOf(...values: readonly unknown[]): string | null {
  for (const value of values) {
    for (const path of DATABASES) {
      const name = text(peek(value, ...path));
      if (name) return name;
    }
    for (const path of URLS) {
      const name = /^[a-z+]+:\/\/[^/]*\/([^/?#]+)/i.exec(text(peek(value, ...path)) ?? '')?.[1];
      if (name) return name;
    }
  }
  return null;
}

/** The far end of a live connection: true whatever the settings said, names and proxies resolved. */
export function targetOfConnection(connection: object, protocol: Protocol): Target | null {
  const socket = socketOf(connection);
  const host = text(peek(socket, 'remoteAddress'));
  const port = peekNumber(socket, ['remotePort'], 0);
  return host && port > 0 ? { protocol, address: { host, port } } : null;
}

/** Oracle's two ways to write it, as far as they name a host: `host:port/service`, and a descriptor, its first address. */
function targetOfConnectString(text: string): Target | null {
  const host = /\(\s*HOST\s*=\s*([^)\s]+)/i.exec(text)?.[1];
  const port = /\(\s*PORT\s*=\s*(\d+)/i.exec(text)?.[1];
  const isTls = /^\s*tcps:|\(\s*PROTOCOL\s*=\s*tcps\s*\)/i.test(text);
  const found = (target: Target | null): Target | null => (target && isTls ? overTls(target) : target);
  if (host) return found(build('tns', host, port));
  const easy = /^(?:tcps?:)?(?:\/\/)?(\[[^\]]+\]|[\w.-]+)(?::(\d+))?(?:[/?:]|$)/.exec(text);
  // A bare word is an alias that a file on this machine explains.
  const isAlias = easy && !easy[2] && !text.includes('/');
  return easy && !isAlias ? found(build('tns', easy[1]!.replace(/[[\]]/g, ''), easy[2])) : null;
}

function targetOfUrl(url: string, protocol: Protocol): Target | null {
  try {
    const { hostname, port, searchParams } = new URL(url);
    const host = searchParams.get('host') ?? decodeURIComponent(hostname).replace(/^\[(.*)\]$/, '$1');
    return build(protocol, text(host), port === '' ? (searchParams.get('port') ?? undefined) : port);
  } catch {
    return null;
  }
}

function build(protocol: Protocol, givenHost: string | undefined, givenPort: unknown): Target | null {
  const isPg = protocol === 'pg';
  const host =
    givenHost ??
    (isPg ? text(process.env['PGHOST']) : undefined) ??
    (protocol === 'tcp' ? undefined : 'localhost');
  const port = Number(
    givenPort ?? (isPg ? text(process.env['PGPORT']) : undefined) ?? DEFAULT_PORT[protocol] ?? 0,
  );
  if (!host || !Number.isInteger(port) || port <= 0) return null;
  // libpq's convention: a host that is a directory holds the socket.
  if (isPg && host.startsWith('/')) return { protocol, address: { path: `${host}/.s.PGSQL.${port}` } };
  return { protocol, address: { host, port } };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

import { adapterFor } from '../../../lib/sources/pools/index.js';
import type { Target } from '../../../lib/sources/pools/reach.js';
import { targetOf, targetOfConnection, withPrelogin } from '../../../lib/sources/pools/target.js';

const at = (protocol: string, host: string, port: number) => ({ protocol, address: { host, port } });

const KEPT = { PGHOST: process.env['PGHOST'], PGPORT: process.env['PGPORT'] };
beforeEach(() => {
  delete process.env['PGHOST'];
  delete process.env['PGPORT'];
});
afterAll(() => {
  for (const [name, value] of Object.entries(KEPT)) if (value !== undefined) process.env[name] = value;
});

test.each([
  ['host and port', { host: 'db', port: 5433 }, 'pg', at('pg', 'db', 5433)],
  ['a port as text', { host: 'db', port: '5433' }, 'pg', at('pg', 'db', 5433)],
  ['nothing, pg', {}, 'pg', at('pg', 'localhost', 5432)],
  ['nothing, mysql', {}, 'mysql', at('mysql', 'localhost', 3306)],
  ['nothing, others', {}, 'tcp', null],
  ['a connection string', { connectionString: 'postgres://u:p%40w@db:6000/x' }, 'pg', at('pg', 'db', 6000)],
  ['a URL', 'mysql://u:p@db/x', 'mysql', at('mysql', 'db', 3306)],
  ['a URL of an IPv6 host', 'postgres://u@[::1]:5000/x', 'pg', at('pg', '::1', 5000)],
  [
    'a URL whose host is a parameter',
    'postgres:///x?host=/run/pg',
    'pg',
    { protocol: 'pg', address: { path: '/run/pg/.s.PGSQL.5432' } },
  ],
  [
    'a directory as host',
    { host: '/run/pg', port: 6000 },
    'pg',
    { protocol: 'pg', address: { path: '/run/pg/.s.PGSQL.6000' } },
  ],
  [
    'a socket path',
    { socketPath: '/run/mysqld.sock' },
    'mysql',
    { protocol: 'mysql', address: { path: '/run/mysqld.sock' } },
  ],
  ['server and options.port', { server: 'sql', options: { port: 1444 } }, 'tcp', at('tcp', 'sql', 1444)],
  [
    'an easy connect string',
    { connectString: 'ora.internal:1522/ORCL' },
    'tcp',
    at('tns', 'ora.internal', 1522),
  ],
  ['one without a port', { connectString: 'tcp://ora/ORCL' }, 'tcp', at('tns', 'ora', 1521)],
  [
    'a connect descriptor',
    { connectString: '(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=ora)(PORT=1523))(CONNECT_DATA=(SID=x)))' },
    'tcp',
    at('tns', 'ora', 1523),
  ],
  ['an alias', { connectString: 'ORCL' }, 'tcp', null],
  ['a function', () => ({}), 'pg', null],
  ['a URL that is none', 'not a url', 'pg', null],
] as const)('%s', (_name, settings, protocol, target) => {
  expect(targetOf(settings, protocol)).toEqual(target);
});

test('PGHOST and PGPORT fill in what pg would take from them', () => {
  process.env['PGHOST'] = 'envdb';
  process.env['PGPORT'] = '7000';
  expect(targetOf({}, 'pg')).toEqual(at('pg', 'envdb', 7000));
  expect(targetOf({ host: 'db' }, 'pg')).toEqual(at('pg', 'db', 7000));
  expect(targetOf({}, 'mysql')).toEqual(at('mysql', 'localhost', 3306));
});

test('a live connection tells where its other end is, a closed one does not', () => {
  const stream = { destroy() {}, remoteAddress: '10.0.0.7', remotePort: 1521 };
  expect(targetOfConnection({ stream }, 'tcp')).toEqual(at('tcp', '10.0.0.7', 1521));
  expect(targetOfConnection({ stream: { destroy() {} } }, 'tcp')).toBeNull();
});

test('SQL Server is greeted', () => {
  const target = { protocol: 'tcp', address: { host: 'sql', port: 1433 } } as const;
  expect(withPrelogin(target, { options: { encrypt: true } })!.hello![0]).toBe(0x12);
  expect(withPrelogin(null, {})).toBeNull();
  expect(withPrelogin(null, { options: { encrypt: 'strict' } })).toBeNull();
});

describe('a server that wants TLS from the first byte on gets a ClientHello', () => {
  const does = (...names: string[]) => Object.fromEntries(names.map((name) => [name, () => {}]));
  const strict = (options: object) =>
    withPrelogin({ protocol: 'tcp', address: { host: 'sql', port: 1433 } }, { options });
  const oracle = (connectString: string) => targetOf({ connectString }, 'tcp');
  const emitter = does('ping', 'on', 'removeListener', 'duplicate');
  const ioredis = (options: object) =>
    adapterFor({ ...emitter, status: 'ready', offlineQueue: {}, options })!.target();
  const nodeRedis = (socket: object) =>
    adapterFor({ ...emitter, isOpen: true, isReady: true, options: { socket } })!.target();
  const mongo = (options: object) => {
    const pool = { options: { hostAddress: { host: 'mongo', port: 27017 } } };
    return adapterFor({
      ...does('db', 'connect', 'startSession', 'on'),
      options: { maxPoolSize: 1, ...options },
      topology: { s: { servers: new Map([['any', { pool }]]) } },
    })!.target();
  };

  test.each<[string, Target | null, string]>([
    ['SQL Server, strict', strict({ encrypt: 'strict' }), 'sql'],
    ['SQL Server, strict, under another name', strict({ encrypt: 'strict', serverName: 'other' }), 'other'],
    ['SQL Server, strict, its protocol', strict({ encrypt: 'strict' }), 'tds/8.0'],
    ['Oracle, an easy connect string', oracle('tcps://ora/ORCL'), 'ora'],
    ['Oracle, a descriptor', oracle('(ADDRESS=(PROTOCOL = TCPS)(HOST=ora)(PORT=2484))'), 'ora'],
    ['ioredis', ioredis({ host: 'redis', port: 1, tls: {} }), 'redis'],
    ['ioredis, from a URL', ioredis({ host: 'redis', port: 1, tls: true }), 'redis'],
    ['ioredis, under another name', ioredis({ host: 'a', port: 1, tls: { servername: 'other' } }), 'other'],
    ['node-redis', nodeRedis({ host: 'redis', port: 1, tls: true }), 'redis'],
    ['node-redis, under another name', nodeRedis({ port: 1, tls: true, servername: 'other' }), 'other'],
    ['MongoDB', mongo({ tls: true }), 'mongo'],
    ['MongoDB, under another name', mongo({ tls: true, servername: 'other' }), 'other'],
  ])('%s', (_who, target, said) => {
    expect(target!.hello![0]).toBe(22);
    expect(Buffer.from(target!.hello!).includes(said)).toBe(true);
  });

  test.each<[string, Target | null]>([
    ['SQL Server', strict({ encrypt: true })],
    ['Oracle', oracle('tcp://ora/ORCL')],
    ['ioredis', ioredis({ host: 'redis', port: 1 })],
    ['node-redis', nodeRedis({ port: 1, tls: false })],
    ['MongoDB', mongo({ tls: false })],
  ])('and another does not: %s', (_who, target) => {
    expect(target?.hello?.[0]).not.toBe(22);
  });
});

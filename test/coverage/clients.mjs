/**
 * The clients under test, by name: behind which gate their server stands, and how one is made that keeps one
 * connection. `open` returns how to ask it once; what goes wrong in either is the application's, and of no interest.
 */
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';

/**
 * When the reset comes: before either side has spoken, at our first words, in the middle of the first answer, at rest, at
 * the first words after a rest, in the middle of an answer after that. `refused` comes before there is a connection.
 */
const PHASES = ['connect', 'handshake', 'greeting', 'idle', 'first-write', 'mid'];
const REFUSED = ['refused', ...PHASES];
const LOGIN = { user: 'user', password: 'secret' };
const LAX = { rejectUnauthorized: false };

/** `tedious` and `undici` have left Node 20; the plain name is the last release for it. */
const major = Number(process.versions.node.split('.')[0]);

export const CLIENTS = {
  net: { gate: 'echo', phases: REFUSED, open: (at) => echoed(net.connect(at), 'connect') },
  tls: { gate: 'echo over tls', open: (at) => echoed(tls.connect({ ...at, ...LAX }), 'secureConnect') },
  pg: { gate: 'postgres', phases: REFUSED, open: (at) => pg(at) },
  'pg over tls': { gate: 'postgres', open: (at) => pg({ ...at, ssl: LAX }) },
  mysql2: { gate: 'mysql', phases: REFUSED, open: (at) => mysql2(at) },
  'mysql2 over tls': { gate: 'mysql', open: (at) => mysql2({ ...at, ssl: LAX }) },
  mariadb: { gate: 'mysql', open: (at) => mariadb(at) },
  'mariadb over tls': { gate: 'mysql', open: (at) => mariadb({ ...at, ssl: LAX }) },
  tedious: { gate: 'tds', open: tedious },
  mssql: { gate: 'tds', open: mssql },
  // Nobody but Oracle speaks its protocol far enough to log in.
  'oracledb thin': { gate: 'mute', phases: ['refused', 'connect', 'handshake'], open: oracledb },
  ioredis: { gate: 'redis', open: ioredis },
  redis: { gate: 'redis', open: redis },
  mongodb: { gate: 'mongo', open: mongodb },
  http: { gate: 'http', phases: REFUSED, open: (at) => request(http, at) },
  https: { gate: 'https', open: (at) => request(https, at) },
  axios: { gate: 'http', open: (at) => axios(`http://${at.host}:${at.port}/`) },
  fetch: { gate: 'http', phases: REFUSED, open: (at) => fetched(`http://${at.host}:${at.port}/`) },
  'fetch over tls': { gate: 'https', open: (at) => fetched(`https://${at.host}:${at.port}/`) },
  undici: { gate: 'http', open: (at) => undici(`http://${at.host}:${at.port}/`) },
  'undici over tls': { gate: 'https', open: (at) => undici(`https://${at.host}:${at.port}/`) },
  http2: { gate: 'http2', open: (at) => streams(`http://${at.host}:${at.port}/`) },
  'http2 over tls': { gate: 'http2 over tls', open: (at) => streams(`https://${at.host}:${at.port}/`) },
  ws: { gate: 'http', open: (at) => ws(at) },
  WebSocket: { gate: 'http', open: (at) => webSocket(globalThis.WebSocket, at), since: 22 },
  ldapjs: { gate: 'ldap', open: ldapjs },
  nodemailer: { gate: 'smtp', open: nodemailer },
};

/** Every client in every phase that it has on that Node. */
export function clientScenarios(nodeMajor) {
  return Object.entries(CLIENTS)
    .filter(([, { since = 0 }]) => nodeMajor >= since)
    .flatMap(([name, { phases = PHASES }]) => phases.map((phase) => ({ kind: 'client', name, phase })));
}

async function echoed(socket, ready) {
  socket.on('error', () => {});
  await once(socket, ready);
  return async () => {
    socket.write('a question of some length');
    await once(socket, 'data');
  };
}

async function pg({ ssl, ...at }) {
  const pool = new (await import('pg')).default.Pool({ ...at, ...LOGIN, database: 'any', ssl, max: 1 });
  pool.on('error', () => {});
  return () => pool.query('SELECT 1');
}

async function mysql2(options) {
  const { createPool } = await import('mysql2/promise');
  const pool = createPool({ ...options, ...LOGIN, connectionLimit: 1 });
  return () => pool.query('DO 1');
}

async function mariadb(options) {
  const pool = (await import('mariadb')).default.createPool({ ...options, ...LOGIN, connectionLimit: 1 });
  return () => pool.query('DO 1');
}

async function tedious({ host, port }) {
  const { default: driver } = await import(major >= 22 ? 'tedious-newest' : 'tedious');
  const { Connection, Request } = driver;
  const connection = new Connection({
    server: host,
    authentication: { type: 'default', options: { userName: LOGIN.user, password: LOGIN.password } },
    options: { port, encrypt: false },
  });
  connection.on('error', () => {});
  await new Promise((resolve, reject) => connection.connect((error) => (error ? reject(error) : resolve())));
  return () =>
    new Promise((resolve, reject) => {
      connection.execSqlBatch(new Request('select 1', (error) => (error ? reject(error) : resolve())));
    });
}

async function mssql({ host, port }) {
  const { ConnectionPool } = (await import('mssql')).default;
  const options = { server: host, port, ...LOGIN, options: { encrypt: false }, pool: { min: 0, max: 1 } };
  const pool = await new ConnectionPool(options).connect();
  pool.on('error', () => {});
  return () => pool.request().batch('select 1');
}

async function oracledb({ host, port }) {
  const { default: driver } = await import('oracledb');
  return () => driver.getConnection({ ...LOGIN, connectString: `${host}:${port}/any` });
}

async function ioredis(at) {
  const client = new (await import('ioredis')).default({ ...at, maxRetriesPerRequest: 1 });
  client.on('error', () => {});
  return () => client.ping();
}

async function redis(at) {
  const client = (await import('redis')).createClient({ socket: { ...at, reconnectStrategy: false } });
  client.on('error', () => {});
  await client.connect();
  return () => client.ping();
}

async function mongodb({ host, port }) {
  const { MongoClient } = await import('mongodb');
  const client = new MongoClient(`mongodb://${host}:${port}/?directConnection=true`, { maxPoolSize: 1 });
  return () => client.db('any').command({ ping: 1 });
}

async function request(module, at) {
  const agent = new module.Agent({ keepAlive: true, maxSockets: 1 });
  return () =>
    new Promise((resolve, reject) => {
      module
        .get({ ...at, ...LAX, agent }, (response) => response.resume().on('end', resolve).on('error', reject))
        .on('error', reject);
    });
}

async function axios(url) {
  const { default: client } = await import('axios');
  return () => client.get(url);
}

async function fetched(url) {
  return async () => (await fetch(url)).text();
}

async function undici(url) {
  const { Agent, request: ask } = await import(major >= 22 ? 'undici-newest' : 'undici');
  const dispatcher = new Agent({ connect: LAX });
  return async () => (await ask(url, { dispatcher })).body.text();
}

async function streams(url) {
  const session = http2.connect(url, LAX);
  session.on('error', () => {});
  return async () => {
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    stream.resume().end();
    await once(stream, 'end');
  };
}

async function ws(at) {
  return webSocket((await import('ws')).default, at);
}

async function webSocket(WebSocket, { host, port }) {
  const socket = new WebSocket(`ws://${host}:${port}/`);
  const heard = (name) => new Promise((resolve) => socket.addEventListener(name, resolve, { once: true }));
  socket.addEventListener('error', () => {});
  await heard('open');
  return async () => {
    socket.send('a question of some length');
    await heard('message');
  };
}

async function ldapjs({ host, port }) {
  const client = (await import('ldapjs')).default.createClient({ url: `ldap://${host}:${port}` });
  client.on('error', () => {});
  return () =>
    new Promise((resolve, reject) =>
      client.bind('cn=any', LOGIN.password, (error) => (error ? reject(error) : resolve())),
    );
}

async function nodemailer(at) {
  const { default: mailer } = await import('nodemailer');
  const transport = mailer.createTransport({ ...at, pool: true, maxConnections: 1, ignoreTLS: true });
  return () => transport.sendMail({ from: 'a@example.com', to: 'b@example.com', text: 'any' });
}

function once(emitter, name) {
  return new Promise((resolve, reject) => {
    emitter.once(name, resolve);
    emitter.once('error', reject);
  });
}

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reach, type Target } from '../../../lib/sources/pools/reach.js';

let servers: Server[] = [];
let sockets: Socket[] = [];
let received: Buffer[] = [];

async function serve(onSocket: (socket: Socket) => void, path?: string): Promise<number> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => received.push(chunk));
    onSocket(socket);
  });
  servers.push(server);
  await new Promise<void>((done) => (path ? server.listen(path, done) : server.listen(0, '127.0.0.1', done)));
  return path ? 0 : (server.address() as AddressInfo).port;
}

const at = (protocol: Target['protocol'], port: number): Target => ({
  protocol,
  address: { host: '127.0.0.1', port },
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  servers = [];
  sockets = [];
  received = [];
});

test('a PostgreSQL that answers the SSLRequest is there', async () => {
  const port = await serve((socket) => socket.once('data', () => socket.write('N')));
  expect(await reach(at('pg', port), 5_000)).toEqual({ kind: 'answered', ms: expect.any(Number) });
  expect(Buffer.concat(received).toString('hex')).toBe('0000000804d2162f');
});

test('a MySQL that greets is there, without a byte from us', async () => {
  const port = await serve((socket) => socket.write(Buffer.from([1, 0, 0, 0, 10])));
  expect((await reach(at('mysql', port), 5_000)).kind).toBe('answered');
  expect(received).toEqual([]);
});

test('an Oracle listener that answers the ping, or hangs up on it, is there', async () => {
  const refuse = Buffer.from([0, 8, 0, 0, 4, 0, 0, 0]);
  const plain = await serve((socket) => socket.once('data', () => socket.write(refuse)));
  expect((await reach(at('tns', plain), 5_000)).kind).toBe('answered');
  const packet = Buffer.concat(received);
  expect([packet.readUInt16BE(0), packet[4], packet.readUInt16BE(24), packet.readUInt16BE(26)]).toEqual([
    packet.length,
    1,
    29,
    58,
  ]);
  expect(packet.subarray(58).toString()).toBe('(CONNECT_DATA=(COMMAND=ping))');
  const wantsTls = await serve((socket) => socket.once('data', () => socket.destroy()));
  expect((await reach(at('tns', wantsTls), 5_000)).kind).toBe('answered');
});

test.each(['pg', 'mysql', 'tns'] as const)(
  'a server that accepts and stays silent is not there: %s',
  async (protocol) => {
    const port = await serve(() => {});
    expect(await reach(at(protocol, port), 100)).toMatchObject({ code: 'TIMEOUT' });
  },
);

test('of any other server an accepted connection has to do', async () => {
  const port = await serve(() => {});
  expect((await reach(at('tcp', port), 5_000)).kind).toBe('answered');
});

test('any other server that answers a hello has to', async () => {
  const hello = Buffer.from('PING\r\n');
  const speaking = await serve((socket) => socket.once('data', () => socket.write('+PONG\r\n')));
  expect((await reach({ ...at('tcp', speaking), hello }, 5_000)).kind).toBe('answered');
  expect(Buffer.concat(received)).toEqual(hello);
  const silent = await serve(() => {});
  expect(await reach({ ...at('tcp', silent), hello }, 100)).toMatchObject({ code: 'TIMEOUT' });
});

test('a hello of its own comes before that of its protocol', async () => {
  const port = await serve((socket) => socket.once('data', () => socket.write('any')));
  await reach({ ...at('tns', port), hello: Buffer.from([22]) }, 5_000);
  expect(Buffer.concat(received)).toEqual(Buffer.from([22]));
});

test('a closed port is refused', async () => {
  const port = await serve(() => {});
  await new Promise((done) => servers.pop()!.close(done));
  expect(await reach(at('pg', port), 5_000)).toEqual({ kind: 'failed', code: 'ECONNREFUSED' });
});

test('a server that accepts and closes is not there', async () => {
  const port = await serve((socket) => socket.end());
  expect(await reach(at('pg', port), 5_000)).toMatchObject({ kind: 'failed' });
});

test('a socket in the file system is reached', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'vitals-reach-'));
  const path = join(dir, '.s.PGSQL.5432');
  await serve((socket) => socket.once('data', () => socket.write('S')), path);
  expect((await reach({ protocol: 'pg', address: { path } }, 5_000)).kind).toBe('answered');
  expect(await reach({ protocol: 'pg', address: { path: join(dir, 'no') } }, 5_000)).toMatchObject({
    code: 'ENOENT',
  });
  rmSync(dir, { recursive: true });
});

test('the connection is closed after the answer', async () => {
  const closed = new Promise((done) => {
    void serve((socket) => {
      socket.once('close', done);
      socket.once('data', () => socket.write('N'));
    }).then((port) => reach(at('pg', port), 5_000));
  });
  await closed;
});

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';

import { ResetSource } from '../../lib/sources/resets.js';
import type { ResetLedger } from '../../lib/sources/reset-ledger.js';
import type { ResetReading } from '../../lib/sources/resets-reading.js';
import { errorOf, listening, selfSigned, until } from './resets-peers.js';

const WINDOW_MS = 60_000;
const ignore = (): void => undefined;

let source: ResetSource;
const closers: (() => void)[] = [];

beforeEach(() => {
  source = new ResetSource({ windowMs: WINDOW_MS });
});

afterEach(() => {
  source.close();
  for (const close of closers.splice(0)) close();
});

const read = (): ResetReading => source.sample(performance.now());

/** `direction peer: resets in the window`, one for each origin. */
const seen = (): string[] => read().origins.map((o) => `${o.direction} ${o.peer}: ${o.inWindow}`);

async function serve(server: net.Server, path?: string): Promise<number> {
  server.on('connection', (socket: net.Socket) => closers.push(() => socket.destroy()));
  closers.push(() => server.close());
  return listening(server, path);
}

/** A TCP server that does `act` with each socket; its own errors are its own affair. */
function peer(act: (socket: net.Socket) => void): Promise<number> {
  return serve(
    net.createServer((socket) => {
      socket.on('error', ignore);
      act(socket);
    }),
  );
}

/** Resets each connection when it has received something, so that the client is surely connected. */
const resetOnData = (): Promise<number> =>
  peer((socket) => socket.once('data', () => socket.resetAndDestroy()));

/** Connects as pg does, says something, and waits for the end. */
async function resetOnce(port: number, socket = new net.Socket()): Promise<NodeJS.ErrnoException | null> {
  const ended = errorOf(socket);
  socket.connect(port, 'localhost', () => socket.write('x'));
  const error = await ended;
  await until('close', () => socket.destroyed);
  return error;
}

describe('a reset is counted once, with its origin, when the client is', () => {
  it('a bare socket, connected as pg does', async () => {
    const port = await resetOnData();
    expect(await resetOnce(port)).toMatchObject({ code: 'ECONNRESET', syscall: 'read' });
    expect(seen()).toEqual([`outbound localhost:${port}: 1`]);
    expect(read()).toMatchObject({
      total: 1,
      outboundInWindow: 1,
      inboundInWindow: 0,
      synthesizedInWindow: 0,
    });
  });

  it('net.connect with options', async () => {
    const port = await resetOnData();
    const socket = net.connect({ host: '127.0.0.1', port }, () => socket.write('x'));
    await errorOf(socket);
    expect(seen()).toEqual([`outbound 127.0.0.1:${port}: 1`]);
  });

  it('an http request', async () => {
    const port = await resetOnData();
    expect(await errorOf(http.get({ port, host: 'localhost' }))).toMatchObject({ code: 'ECONNRESET' });
    expect(seen()).toEqual([`outbound localhost:${port}: 1`]);
    expect(read().synthesizedInWindow).toBe(0);
  });

  it('an http request on a connection used before', async () => {
    let requests = 0;
    const server = http.createServer((request, response) => {
      if (++requests === 1) response.end('ok');
      else request.socket.resetAndDestroy();
    });
    const port = await serve(server);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    closers.push(() => agent.destroy());
    await new Promise<void>((done) => {
      http.get({ port, host: 'localhost', agent }, (response) =>
        response.resume().on('end', () => setImmediate(done)),
      );
    });
    const second = http.get({ port, host: 'localhost', agent });
    expect(await errorOf(second)).toMatchObject({ code: 'ECONNRESET', errno: expect.any(Number) });
    expect(second.reusedSocket).toBe(true);
    expect(seen()).toEqual([`outbound localhost:${port}: 1`]);
    expect(read().origins[0]!.connectionsInWindow).toBe(1);
  });

  it('fetch', async () => {
    const port = await resetOnData();
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed');
    expect(seen()).toEqual([`outbound 127.0.0.1:${port}: 1`]);
  });

  it('a socket whose driver removed all listeners', async () => {
    const port = await resetOnData();
    const socket = net.connect(port, 'localhost', () => {
      socket.removeAllListeners();
      socket.on('error', ignore);
      socket.write('x');
    });
    await until('the reset', () => socket.destroyed);
    expect(seen()).toEqual([`outbound localhost:${port}: 1`]);
  });

  it('one socket that connects again, for each of its lives', async () => {
    const port = await resetOnData();
    const socket = new net.Socket();
    await resetOnce(port, socket);
    await until('the first close', () => socket.closed);
    await resetOnce(port, socket);
    expect(seen()).toEqual([`outbound localhost:${port}: 2`]);
    expect(read().origins[0]!.connectionsInWindow).toBe(2);
  });

  it('a writer that learns of it by EPIPE', async () => {
    const port = await peer((socket) => socket.destroy());
    const socket = net.connect({ port, host: 'localhost', allowHalfOpen: true });
    socket.resume();
    await new Promise((ended) => socket.once('end', ended));
    const failed = errorOf(socket);
    socket.write('answered by RST', () => setTimeout(() => socket.write('too late'), 50));
    expect(await failed).toMatchObject({ code: 'EPIPE', syscall: 'write' });
    expect(seen()).toEqual([`outbound localhost:${port}: 1`]);
  });

  it('a proxy that passes the error object on to other sockets', async () => {
    const port = await resetOnData();
    const quiet = await peer(ignore);
    const others = [net.connect(quiet, 'localhost'), net.connect(quiet, 'localhost')];
    await Promise.all(others.map((other) => new Promise((connected) => other.once('connect', connected))));
    const error = await resetOnce(port);
    await Promise.all(others.map((other) => errorOf(other.destroy(error!))));
    expect(seen()).toEqual([`outbound localhost:${port}: 1`]);
  });

  it('on a Unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'resets-'));
    closers.push(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 's');
    // Closing with unread data is how a Unix socket resets.
    const server = net.createServer({ pauseOnConnect: true }, (socket) =>
      setTimeout(() => socket.destroy(), 50),
    );
    await serve(server, path);
    const socket = net.connect(path, () => socket.write('unread'));
    expect(await errorOf(socket)).toMatchObject({ code: 'ECONNRESET' });
    expect(seen()).toEqual([`outbound unix:${path}: 1`]);
  });

  it('our own server on a Unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'resets-'));
    closers.push(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 's');
    const server = net.createServer((socket) =>
      socket.on('error', ignore).write('unread', () => client.destroy()),
    );
    await serve(server, path);
    const client = net.connect(path).pause();
    await until('the inbound reset', () => read().total > 0);
    expect(seen()).toEqual([`inbound unix:${path}: 1`]);
  });

  it('our own server, reset by its caller: inbound, at our port', async () => {
    const server = http.createServer(ignore);
    const port = await serve(server);
    const socket = net.connect(port, 'localhost', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.on('error', ignore);
    server.once('request', () => socket.resetAndDestroy());
    await until('the inbound reset', () => read().total > 0);
    expect(seen()).toEqual([`inbound :${port}: 1`]);
    expect(read()).toMatchObject({ outboundInWindow: 0, inboundInWindow: 1 });
  });
});

describe('over TLS a reset is counted once, with the name of the connection below, when', () => {
  let keys: { key: Buffer; cert: Buffer };
  beforeAll(() => {
    keys = selfSigned();
  });

  /** Shakes hands; resets the raw connection at the first decrypted byte. */
  function tlsPeer(): Promise<number> {
    const raw = new Map<number, net.Socket>();
    const server = tls.createServer(keys, (secure) => {
      secure.on('error', ignore);
      secure.once('data', () => raw.get(secure.remotePort!)!.resetAndDestroy());
    });
    server.prependListener('connection', (socket: net.Socket) => raw.set(socket.remotePort!, socket));
    return serve(server);
  }

  it('the client called tls.connect with a host', async () => {
    const port = await tlsPeer();
    const socket = tls.connect({ port, host: 'localhost', rejectUnauthorized: false }, () =>
      socket.write('x'),
    );
    expect(await errorOf(socket)).toMatchObject({ code: 'ECONNRESET' });
    expect(seen()).toEqual([`outbound localhost:${port}: 1`]);
  });

  it('the client began TLS on a socket it had, as pg and mysql2 do', async () => {
    const port = await tlsPeer();
    const raw = new net.Socket();
    raw.on('error', ignore);
    await new Promise<void>((connected) => raw.connect(port, 'localhost', connected));
    const socket = tls.connect({ socket: raw, rejectUnauthorized: false }, () => socket.write('x'));
    expect(await errorOf(socket)).toMatchObject({ code: 'ECONNRESET' });
    await until('both to close', () => raw.destroyed && socket.destroyed);
    expect(seen()).toEqual([`outbound localhost:${port}: 1`]);
    expect(read().origins[0]!.connectionsInWindow).toBe(1);
  });

  it('the client is an https request', async () => {
    const port = await tlsPeer();
    const request = https.get({ port, host: 'localhost', rejectUnauthorized: false, agent: false });
    expect(await errorOf(request)).toMatchObject({ code: 'ECONNRESET' });
    expect(seen()).toEqual([`outbound localhost:${port}: 1`]);
    expect(read().synthesizedInWindow).toBe(0);
  });

  it('our server was reset by its caller', async () => {
    const server = tls.createServer(keys, (secure) => {
      secure.on('error', ignore);
      secure.write('hello');
    });
    const port = await serve(server);
    let toServer: net.Socket | undefined;
    const relay = await peer((fromClient) => {
      toServer = net.connect(port, 'localhost');
      toServer.on('error', ignore).on('close', () => fromClient.destroy());
      fromClient.pipe(toServer).pipe(fromClient);
    });
    const client = tls.connect({ port: relay, host: 'localhost', rejectUnauthorized: false });
    client.on('error', ignore).once('data', () => toServer!.resetAndDestroy());
    await until('the inbound reset', () => read().total > 0);
    expect(seen()).toEqual([`inbound :${port}: 1`]);
  });

  it('it happens within the handshake', async () => {
    const port = await resetOnData();
    expect(await errorOf(tls.connect({ port, host: 'localhost' }))).toMatchObject({ code: 'ECONNRESET' });
    expect(seen()).toEqual([`outbound localhost:${port}: 1`]);
  });

  it('a FIN within the handshake is no reset but one synthesized, for a socket and for a request', async () => {
    const port = await peer((socket) => socket.once('data', () => socket.end()));
    expect(await errorOf(tls.connect({ port, host: 'localhost' }))).toMatchObject({ code: 'ECONNRESET' });
    expect(read()).toMatchObject({ total: 0, origins: [], synthesizedInWindow: 1 });
    expect(await errorOf(https.get({ port, host: 'localhost' }))).toMatchObject({ code: 'ECONNRESET' });
    expect(read()).toMatchObject({ total: 0, origins: [], synthesizedInWindow: 2 });
  });
});

describe('what is no reset', () => {
  it('counts a hang-up after a FIN as synthesized, once', async () => {
    const port = await peer((socket) => socket.once('data', () => socket.end()));
    expect(await errorOf(http.get({ port, host: 'localhost' }))).toMatchObject({ message: 'socket hang up' });
    expect(read()).toMatchObject({ total: 0, origins: [], synthesizedInWindow: 1 });
  });

  it('does not count a request that the application destroyed', async () => {
    const port = await peer(ignore);
    for (const agent of [false as const, new http.Agent({ keepAlive: true })]) {
      const atOnce = http.get({ port, host: 'localhost', agent });
      const failed = errorOf(atOnce);
      atOnce.destroy();
      await failed;
      const later = http.get({ port, host: 'localhost', agent });
      await new Promise<void>((connected) =>
        later.once('socket', (socket) => socket.once('connect', connected)),
      );
      const laterFailed = errorOf(later);
      later.destroy();
      expect(await laterFailed).toMatchObject({ code: 'ECONNRESET' });
    }
    expect(read()).toMatchObject({ total: 0, synthesizedInWindow: 0, connectFailuresInWindow: 0 });
  });

  it('counts a refused connection as a failure to connect, once for all addresses of a name', async () => {
    const port = await unusedPort();
    await errorOf(net.connect(port, '127.0.0.1'));
    expect(read()).toMatchObject({ total: 0, connectFailuresInWindow: 1 });
    const twice = net.connect({ port, host: 'two.test', lookup: lookupOf('127.0.0.1', '127.0.0.2') });
    expect(await errorOf(twice)).toMatchObject({ code: 'ECONNREFUSED', errors: [{}, {}] });
    expect(read()).toMatchObject({ total: 0, origins: [], connectFailuresInWindow: 2 });
  });

  it('counts a connection that the kernel gave up as a timeout', async () => {
    const socket = net.connect(await peer(ignore), 'localhost');
    await new Promise((connected) => socket.once('connect', connected));
    const gaveUp = Object.assign(new Error('read ETIMEDOUT'), {
      code: 'ETIMEDOUT',
      errno: -110,
      syscall: 'read',
    });
    await errorOf(socket.destroy(gaveUp));
    expect(read()).toMatchObject({ total: 0, timeoutsInWindow: 1 });
  });

  it.each([
    ['an error of the application', new Error('idle too long')],
    ['an error with a code of a library', Object.assign(new Error('x'), { code: 'UND_ERR_SOCKET' })],
    ['no error', undefined],
  ])('does not count %s', async (_what, error) => {
    const socket = net.connect(await peer(ignore), 'localhost');
    await new Promise((connected) => socket.once('connect', connected));
    await errorOf(socket.destroy(error));
    expect(read()).toMatchObject({
      total: 0,
      synthesizedInWindow: 0,
      timeoutsInWindow: 0,
      connectFailuresInWindow: 0,
    });
  });

  it('does not count the EPIPE of a pipe to a child process', async () => {
    const { stdin, pid } = spawn(process.execPath, [
      '-e',
      'require("fs").closeSync(0); setTimeout(() => {}, 20000)',
    ]);
    closers.push(() => process.kill(pid!));
    const failed = errorOf(stdin);
    const writing = setInterval(() => stdin.write('x'), 10);
    expect(await failed).toMatchObject({ code: 'EPIPE', syscall: 'write' });
    clearInterval(writing);
    expect(read()).toMatchObject({ total: 0, origins: [] });
  });
});

describe('the reading', () => {
  it('counts as connections those that exist and those that ended, not only those opened', async () => {
    const sockets: net.Socket[] = [];
    const port = await peer((socket) => sockets.push(socket));
    const pool = [1, 2, 3, 4].map(() => net.connect(port, 'localhost'));
    pool.forEach((client) => client.on('error', ignore));
    await until('four connections', () => sockets.length === 4);
    sockets[0]!.resetAndDestroy();
    await until('the reset', () => read().total === 1);
    expect(read().origins).toMatchObject([
      { direction: 'outbound', peer: `localhost:${port}`, inWindow: 1, total: 1, connectionsInWindow: 4 },
    ]);
    expect(source.sample(performance.now() + 2 * WINDOW_MS).origins[0]).toMatchObject({
      connectionsInWindow: 3,
    });
    await Promise.all(pool.map((client) => client.destroyed || errorOf(client.destroy())));
    expect(read().origins[0]!.connectionsInWindow).toBe(4);
    expect(source.sample(performance.now() + 2 * WINDOW_MS).origins[0]).toMatchObject({
      connectionsInWindow: 0,
    });
  });

  it('does not count attempts to connect among the connections', async () => {
    const port = await resetOnData();
    await resetOnce(port);
    closers.splice(0).forEach((close) => close());
    for (let i = 0; i < 3; i++) await errorOf(net.connect(port, 'localhost'));
    net.connect(port, 'localhost').destroy();
    expect(read()).toMatchObject({ connectFailuresInWindow: 3 });
    expect(read().origins[0]!.connectionsInWindow).toBe(1);
  });

  it('loses a connection again when connect throws', async () => {
    const port = await resetOnData();
    await resetOnce(port);
    const bad = { host: 'localhost', port, localAddress: 'not an address' };
    expect(() => new net.Socket().connect(bad)).toThrow('Invalid IP address');
    expect(read().origins[0]!.connectionsInWindow).toBe(1);
  });

  it('forgets the window and keeps the total', async () => {
    await resetOnce(await resetOnData());
    const later = source.sample(performance.now() + 2 * WINDOW_MS);
    expect(later).toMatchObject({ total: 1, outboundInWindow: 0, origins: [{ inWindow: 0, total: 1 }] });
  });

  it('has the most resets first', async () => {
    const [once, twice] = [await resetOnData(), await resetOnData()];
    await resetOnce(once);
    await resetOnce(twice);
    await resetOnce(twice);
    expect(seen()).toEqual([`outbound localhost:${twice}: 2`, `outbound localhost:${once}: 1`]);
  });

  it('names two hundred origins, and then counts as other', async () => {
    const port = await resetOnData();
    for (let i = 0; i < 203; i++) {
      const socket = net.connect({ host: `h${i}.test`, port, lookup: lookupOf('127.0.0.1') }, () =>
        socket.write('x'),
      );
      await errorOf(socket);
    }
    const { origins, total } = read();
    expect(total).toBe(203);
    expect(origins.length).toBe(201);
    expect(origins[0]).toMatchObject({ direction: 'outbound', peer: 'other', inWindow: 3 });
    expect(origins.slice(1).every((o) => o.peer.startsWith('h') && o.inWindow === 1)).toBe(true);
  });

  it('names a new origin although hundreds without a reset came and went before it', async () => {
    const port = await peer((socket) => socket.end());
    for (let i = 0; i < 250; i++) {
      const socket = net.connect({ host: `h${i}.test`, port, lookup: lookupOf('127.0.0.1') });
      await errorOf(socket.resume());
    }
    const sick = await resetOnData();
    await resetOnce(sick);
    expect(seen()).toEqual([`outbound localhost:${sick}: 1`]);
  });
});

describe('a source', () => {
  it('learns of the resets before it, when the hook was installed earlier', async () => {
    await resetOnce(await resetOnData());
    const late = new ResetSource({ windowMs: WINDOW_MS });
    expect(late.sample(performance.now())).toEqual(read());
    late.close();
  });

  it('does not count connections whose beginning it missed as unknown when Node still knows them', async () => {
    const port = await peer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    source.close();
    const [known, forgotten] = [net.connect(port, 'localhost'), net.connect(port, 'localhost')];
    for (const socket of [known, forgotten]) {
      socket.on('error', ignore);
      await until('connection', () => !socket.connecting);
    }
    expect(known.remoteAddress).toBe('127.0.0.1');
    source = new ResetSource({ windowMs: WINDOW_MS });
    known.write('x');
    forgotten.write('x');
    await until('both resets', () => read().total === 2);
    expect(seen().sort()).toEqual([`outbound 127.0.0.1:${port}: 1`, 'outbound unknown: 1']);
    expect(read().origins.map((o) => o.connectionsInWindow)).toEqual([1, 1]);
  });

  it('knows an inbound connection older than the hook by our port', async () => {
    source.close();
    const server = net.createServer();
    const port = await serve(server);
    const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
    const client = net.connect(port, 'localhost');
    (await accepted).on('error', ignore).resume();
    source = new ResetSource({ windowMs: WINDOW_MS });
    client.resetAndDestroy();
    await until('the inbound reset', () => read().total > 0);
    expect(seen()).toEqual([`inbound :${port}: 1`]);
  });

  it('goes on counting when another one is closed, and stops when it is closed itself', async () => {
    const port = await resetOnData();
    const other = new ResetSource({ windowMs: WINDOW_MS });
    source.close();
    await resetOnce(port);
    expect(other.sample(performance.now()).outboundInWindow).toBe(1);
    expect(read().outboundInWindow).toBe(0);
    other.close();
    await resetOnce(port);
    expect(other.sample(performance.now()).outboundInWindow).toBe(1);
  });
});

async function unusedPort(): Promise<number> {
  const server = net.createServer();
  const port = await listening(server);
  await new Promise((closed) => server.close(closed));
  return port;
}

/** A resolver for `net.connect` that knows every name. */
function lookupOf(...addresses: string[]): net.LookupFunction {
  const all = addresses.map((address) => ({ address, family: 4 }));
  return (_name, options, answer) => {
    if (options.all) answer(null, all);
    else answer(null, addresses[0]!, 4);
  };
}

describe('what a connection was doing when it was reset', () => {
  /** Answers, and resets what has been silent for 400 ms. */
  const sleepy = (socket: net.Socket): void => {
    socket.on('error', ignore).on('data', () => {
      socket.write('answer');
      // Of TLS the connection below is reset: TLS itself says goodbye.
      const lowest = (socket as { _parent?: net.Socket })._parent ?? socket;
      setTimeout(() => lowest.resetAndDestroy(), 400).unref();
    });
  };
  /** Looks every 100 ms until the end. */
  async function used(socket: net.Socket): Promise<unknown> {
    const looks = setInterval(read, 100);
    const ended = errorOf(socket);
    socket.write('question');
    await ended;
    clearInterval(looks);
    return read()
      .origins.find(({ direction }) => direction === 'outbound')
      ?.ends.at(-1);
  }
  const asleep = { kind: 'reset', phase: 'idle', answers: 1, isReused: false };

  it('is known of a plain connection', async () => {
    const port = await serve(net.createServer(sleepy));
    const end = await used(net.connect(port, '127.0.0.1'));
    expect(end).toMatchObject({ ...asleep, isTls: false });
    expect((end as { idleMs: number }).idleMs).toBeGreaterThan(150);
  });

  it('comes with the address that the name led to', async () => {
    const port = await serve(net.createServer(sleepy));
    await used(net.connect(port, 'localhost'));
    const [origin] = read().origins.filter(({ direction }) => direction === 'outbound');
    expect([origin!.peer, origin!.address]).toEqual([
      `localhost:${port}`,
      expect.stringMatching(/^(127\.0\.0\.1|::1)$/),
    ]);
  });

  it('is known of TLS, from the bytes below it, and of TLS on a socket that was there before', async () => {
    const port = await serve(tls.createServer(selfSigned(), sleepy));
    const insecure = { rejectUnauthorized: false, port, host: '127.0.0.1' };
    expect(await used(tls.connect(insecure))).toMatchObject({ ...asleep, isTls: true });
    const below = net.connect(port, '127.0.0.1');
    await new Promise((resolve) => below.once('connect', resolve));
    expect(await used(tls.connect({ ...insecure, socket: below }))).toMatchObject({ ...asleep, isTls: true });
  });

  it('tells a FIN of the peer from our own', async () => {
    const port = await serve(net.createServer((socket) => socket.on('error', ignore).end('bye')));
    for (let i = 0; i < 5; i++) {
      const socket = net.connect(port, '127.0.0.1').resume();
      await new Promise((resolve) => socket.once('close', resolve));
    }
    const patient = await serve(net.createServer((socket) => void socket.on('error', ignore).resume()));
    for (let i = 0; i < 5; i++) {
      const socket = net.connect(patient, '127.0.0.1', () => socket.end('bye')).resume();
      await new Promise((resolve) => socket.once('close', resolve));
    }
    const { origins } = read();
    expect(origins.map(({ peer, ends }) => [peer, ends.map(({ kind }) => kind)])).toEqual([
      [`127.0.0.1:${port}`, Array(5).fill('fin')],
    ]);
  });

  it('is looked at only while it is open: nothing of it is held after its end', async () => {
    const port = await serve(net.createServer((socket) => void socket.on('error', ignore).resume()));
    const open = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = net.connect(port, '127.0.0.1');
        await new Promise((resolve) => socket.once('connect', resolve));
        return socket;
      }),
    );
    const { ledger } = source as unknown as { ledger: ResetLedger };
    const ours = (): number =>
      [...ledger.open.keys()].filter(({ origin }) => origin.peer === `127.0.0.1:${port}`).length;
    expect(ours()).toBe(40);
    for (const socket of open) socket.destroy();
    expect(ours()).toBe(0);
  });
});

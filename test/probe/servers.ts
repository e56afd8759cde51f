/**
 * What the probe may meet on the other side, on real sockets. `at` is what a case's arguments and lines speak of.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Place {
  /** `127.0.0.1:3000`, `[::1]:3000` or `unix:/tmp/x/app.sock`: what comes in front of a path. */
  readonly where: string;
  readonly port: number;
  /** What the server has received so far. */
  received(): string;
  close(): Promise<void>;
}

export type Family = 'ipv4' | 'ipv6' | 'unix';

export type Behavior = (socket: Socket) => void;

/** Starts a server of that behavior on a free port or a fresh socket. */
export async function serve(behavior: Behavior, family: Family = 'ipv4'): Promise<Place> {
  const sockets = new Set<Socket>();
  let received = '';
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // the probe goes when it knows enough
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    behavior(socket);
  });
  const folder = mkdtempSync(join(tmpdir(), 'vitals-case-'));
  const path = join(folder, 'app.sock');
  server.listen(family === 'unix' ? { path } : { host: family === 'ipv6' ? '::1' : '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const port = family === 'unix' ? 0 : (server.address() as AddressInfo).port;
  const host = family === 'ipv6' ? '[::1]' : '127.0.0.1';
  return {
    where: family === 'unix' ? `unix:${path}` : `${host}:${port}`,
    port,
    received: () => received,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A port where nothing listens: it was free a moment ago. */
export async function nowhere(family: Family = 'ipv4'): Promise<Place> {
  const place = await serve(() => {}, family);
  await place.close();
  return { ...place, close: async () => {} };
}

const BLOCKED = `
const { createServer } = require('node:net');
const [path, port, backlog, forMs] = process.argv.slice(1);
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.end('HTTP/1.0 200 OK\\r\\n\\r\\n');
});
server.listen({ ...(path ? { path } : { host: '127.0.0.1', port: Number(port) }), backlog: Number(backlog) }, () => {
  process.stdout.write(String(server.address().port ?? 0), () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(forMs) || undefined);
  });
});
`;

/**
 * A process that listens and whose event loop then stands still: the kernel completes connections in its name until
 * the backlog is full. `fillers` connections are made first. After `forMs` it goes on and answers 200.
 */
export async function blocked(family: Family, fillers: number, forMs = 0): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'vitals-case-'));
  const path = family === 'unix' ? join(folder, 'app.sock') : '';
  const child: ChildProcess = spawn(process.execPath, ['-e', BLOCKED, path, '0', '1', String(forMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = (await once(child.stdout!, 'data')) as [Buffer];
  const port = Number(said.toString());
  const sockets: Socket[] = [];
  for (let i = 0; i < fillers; i++) {
    const socket = connect(path ? { path } : { host: '127.0.0.1', port });
    socket.on('error', () => {});
    sockets.push(socket);
    // A refused place in a full backlog tells nothing: give each its turn, at most a moment.
    await Promise.race([once(socket, 'connect').catch(() => {}), new Promise((r) => setTimeout(r, 50))]);
  }
  return {
    where: path ? `unix:${path}` : `127.0.0.1:${port}`,
    port,
    received: () => '',
    async close() {
      for (const socket of sockets) socket.destroy();
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Answers each request with exactly these bytes and ends. */
export function answers(...parts: readonly (string | Buffer)[]): Behavior {
  return (socket) =>
    socket.once('data', () => {
      for (const part of parts) socket.write(part);
      socket.end();
    });
}

/** Writes the parts one by one with a pause in between, then does `then`. */
export function drips(parts: readonly string[], pauseMs: number, then: 'end' | 'stay' = 'end'): Behavior {
  return (socket) =>
    socket.once('data', () => {
      let next = 0;
      const timer = setInterval(() => {
        if (next < parts.length) socket.write(parts[next++] ?? '');
        else {
          clearInterval(timer);
          if (then === 'end') socket.end();
        }
      }, pauseMs);
      socket.on('close', () => clearInterval(timer));
    });
}

/** Writes `start`, then `again` for as long as somebody takes it. */
export function floods(start: string, again: string): Behavior {
  return (socket) =>
    socket.once('data', () => {
      socket.write(start);
      const chunk = again.repeat(Math.ceil(16_384 / again.length));
      const pour = (): void => {
        while (!socket.destroyed && socket.write(chunk));
        socket.once('drain', pour);
      };
      pour();
    });
}

/** Writes the parts at once and leaves the connection open. */
export function stays(...parts: readonly string[]): Behavior {
  return (socket) =>
    socket.once('data', () => {
      for (const part of parts) socket.write(part);
    });
}

/** Writes the bytes and resets the connection. */
export function resets(start: string): Behavior {
  return (socket) =>
    socket.once('data', () => {
      if (start) socket.write(start, () => socket.resetAndDestroy());
      else socket.resetAndDestroy();
    });
}

/** A service beside whose silence a watchdog of that behavior answers. */
export async function watched(service: Promise<Place>, behavior: Behavior): Promise<Place> {
  const place = await service;
  const watchdog = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    behavior(socket);
  });
  const sockets = new Set<Socket>();
  watchdog.on('connection', (socket: Socket) => sockets.add(socket));
  watchdog.listen(`\0nestjs-vitals-${place.port}`);
  await once(watchdog, 'listening');
  return {
    ...place,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => watchdog.close(resolve));
      await place.close();
    },
  };
}

/**
 * Each cause, injected by a real server with a time limit scaled down, is told from the others by what is measured.
 * `npm run unit -- reset-causes` prints the table of `docs/resets.md`.
 */
import http from 'node:http';
import net from 'node:net';
import { setTimeout as later } from 'node:timers/promises';

import { causeOf, tellCause, type Cause } from '../../lib/indicators/reset-cause.js';
import { settingFor } from '../../lib/indicators/reset-setting.js';
import { ResetSource } from '../../lib/sources/resets.js';
import type { ResetOrigin } from '../../lib/sources/resets-reading.js';
import { listening } from './resets-peers.js';

jest.setTimeout(90_000);

const LIMIT_MS = 2_500;
const COUNT = 14;
/** Between the connections of one cause: what ends them must not look like one event. */
const STAGGER_MS = 190;

const source = new ResetSource({ windowMs: 60_000 });
/** No look falls between a goodbye and its answer, as hardly one does at one a second. */
let isSayingGoodbye = false;
const looks = setInterval(() => isSayingGoodbye || source.sample(performance.now()), 100);
const servers: net.Server[] = [];
const sockets = new Set<net.Socket>();
const ports = new Map<string, number>();

afterAll(() => {
  clearInterval(looks);
  const rows = Object.keys(SCENARIOS).flatMap((scenario) => {
    if (!originOf(scenario)) return [];
    const cause = found(scenario);
    return `| ${scenario} | \`${cause.name}\` | ${tellCause(cause)} | ${settingFor(cause, { driver: 'pg' }, '')} |`;
  });
  process.stdout.write(
    ['| Injected | Named | In its words | Setting for pg |', '|---|---|---|---|', ...rows, ''].join('\n'),
  );
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  source.close();
});

/** A server that answers every question; `act` adds what it does besides, for the connection of that number. */
async function serve(
  cause: string,
  act: (socket: net.Socket, i: number, asked: () => number) => void,
  answers = (_i: number, _asked: number): boolean => true,
): Promise<void> {
  let accepted = 0;
  const server = net.createServer((socket) => {
    const i = accepted++;
    let asked = 0;
    sockets.add(socket.on('error', () => {}));
    socket.on('data', () => {
      asked++;
      if (answers(i, asked)) socket.write('answer');
    });
    act(socket, i, () => asked);
  });
  servers.push(server);
  ports.set(cause, await listening(server));
}

/** A client that asks, waits for the answer, is silent for as long as `silences` says, and asks again, until the end. */
async function use(port: number, silences: Iterator<number>): Promise<void> {
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  sockets.add(socket.setMaxListeners(0));
  const isOver = (): boolean => socket.destroyed || !socket.writable;
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  while (!isOver()) {
    socket.write('question');
    await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
    const { value, done } = silences.next();
    const until = performance.now() + (done ? Infinity : value);
    while (!isOver() && performance.now() < until) await later(20);
  }
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
}

/** All clients of one cause, one after the other and then beside each other. */
async function run(cause: string, silences: (i: number) => Iterable<number>): Promise<void> {
  await Promise.all(
    Array.from({ length: COUNT }, async (_, i) => {
      await later(i * STAGGER_MS);
      await use(ports.get(cause)!, silences(i)[Symbol.iterator]());
    }),
  );
}

function* often(): Generator<number> {
  for (let i = 0; ; i++) yield 120 + ((i * 97) % 300);
}

/** Silent for good after a few exchanges. */
const thenSilent = (i: number): number[] => [200 + 30 * i, 150, 300];

/** Does `end` once nothing was asked for the limit. */
const whenIdle = (end: (socket: net.Socket) => void) => (socket: net.Socket) => {
  let timer = setTimeout(() => end(socket), LIMIT_MS);
  socket.on('data', () => {
    clearTimeout(timer);
    timer = setTimeout(() => end(socket), LIMIT_MS);
  });
  socket.on('close', () => clearTimeout(timer));
};

const reset = (socket: net.Socket): unknown => socket.resetAndDestroy();

/** Forgets a connection that was silent for the limit, and answers its next packet with RST. */
function forgetful(socket: net.Socket): void {
  let heardAt = performance.now();
  socket.prependListener('data', () => {
    if (performance.now() - heardAt > LIMIT_MS) socket.resetAndDestroy();
    heardAt = performance.now();
  });
}

const SCENARIOS: Record<string, () => Promise<void>> = {
  'idle-drop': async () => {
    await serve('idle-drop', forgetful);
    await run('idle-drop', (i) => [300 + 100 * i, LIMIT_MS * 0.9 - 20 * i, LIMIT_MS * 1.1 + 60 * i]);
  },
  'reset while idle': async () => {
    await serve('reset while idle', whenIdle(reset));
    await run('reset while idle', thenSilent);
  },
  'closed while idle': async () => {
    await serve(
      'closed while idle',
      whenIdle((socket) => socket.end()),
    );
    await run('closed while idle', thenSilent);
  },
  'closed while idle, with a farewell': async () => {
    await serve(
      'closed while idle, with a farewell',
      whenIdle((socket) => {
        socket.write('terminating connection due to idle-session timeout');
        setTimeout(() => socket.end(), 40);
      }),
    );
    await run('closed while idle, with a farewell', thenSilent);
  },
  'our own goodbye': async () => {
    await serve(
      'our own goodbye',
      (socket) => socket.on('data', (asked) => void (String(asked) === 'QUIT' && socket.end())),
      (_, asked) => asked === 1,
    );
    const idle = await Promise.all(
      Array.from({ length: COUNT }, async () => {
        const socket = net.connect(ports.get('our own goodbye')!, '127.0.0.1').on('error', () => {});
        sockets.add(socket.resume());
        await new Promise((resolve) => socket.once('connect', resolve));
        socket.write('question');
        return socket;
      }),
    );
    await later(800);
    const over = idle.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    isSayingGoodbye = true;
    for (const socket of idle) socket.write('QUIT');
    await Promise.all(over);
    isSayingGoodbye = false;
  },
  'many a second': async () => {
    await serve('many a second', (socket) =>
      socket.on('data', () => void setTimeout(() => reset(socket), 20 + Math.random() * 600).unref()),
    );
    const port = ports.get('many a second')!;
    await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        await later(i * 15 + Math.random() * 10);
        await use(port, often());
      }),
    );
  },
  'unreachable, all at once': async () => {
    const server = net.createServer();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    ports.set('unreachable, all at once', port);
    await Promise.all(
      Array.from(
        { length: COUNT },
        () => new Promise((resolve) => net.connect(port, '127.0.0.1').on('error', resolve)),
      ),
    );
  },
  'max lifetime': async () => {
    await serve('max lifetime', (socket) => void setTimeout(() => reset(socket), LIMIT_MS).unref());
    await run('max lifetime', often);
  },
  restart: async () => {
    const open: net.Socket[] = [];
    await serve('restart', (socket) => open.push(socket));
    const clients = run('restart', often);
    while (open.length < COUNT) await later(20);
    await later(300);
    for (const socket of open) socket.resetAndDestroy();
    await clients;
  },
  'read timeout': async () => {
    const cut = (socket: net.Socket, _: number, asked: () => number): void =>
      void socket.on('data', () => {
        if (asked() === 3) setTimeout(() => reset(socket), LIMIT_MS).unref();
      });
    await serve('read timeout', cut, (_, asked) => asked < 3);
    await run('read timeout', (i) => [200 + 40 * i, 300, 300]);
  },
  random: async () => {
    await serve('random', (socket, i) => void setTimeout(() => reset(socket), 500 + 17 * i * i).unref());
    await run('random', often);
  },
  mixed: async () => {
    const idle = whenIdle(reset);
    await serve('mixed', (socket, i) => {
      if (i % 2) idle(socket);
      else setTimeout(() => reset(socket), 500 + 19 * i * i).unref();
    });
    await run('mixed', (i) => (i % 2 ? thenSilent(i) : often()));
  },
  unreachable: async () => {
    const server = net.createServer();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    ports.set('unreachable', port);
    for (let i = 0; i < COUNT; i++) {
      await later(STAGGER_MS);
      await new Promise((resolve) => net.connect(port, '127.0.0.1').on('error', resolve));
    }
  },
  'keep-alive race': async () => {
    const server = http.createServer((request, response) => {
      // The first answer leaves the connection open; the next request crosses its end.
      if (request.headers['x-again']) request.socket.resetAndDestroy();
      else response.end('ok');
    });
    servers.push(server);
    const port = await listening(server);
    ports.set('keep-alive race', port);
    const get = (agent: http.Agent, headers: Record<string, string>): Promise<unknown> =>
      new Promise((resolve) =>
        http
          .get({ host: '127.0.0.1', port, agent, headers }, (response) =>
            response.resume().on('close', resolve),
          )
          .on('error', resolve),
      );
    for (let i = 0; i < COUNT; i++) {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      await get(agent, {});
      await later(120 + 9 * i);
      await get(agent, { 'x-again': '1' });
      agent.destroy();
    }
  },
};

function originOf(cause: string): ResetOrigin {
  const { origins } = source.sample(performance.now());
  const peer = `127.0.0.1:${ports.get(cause)}`;
  return origins.find((origin) => origin.direction === 'outbound' && origin.peer === peer)!;
}

function found(cause: string): Cause {
  const { ends, survivedMs } = originOf(cause);
  return causeOf(ends, survivedMs);
}

beforeAll(() => Promise.all(Object.values(SCENARIOS).map((scenario) => scenario())), 80_000);

test.each([
  ['idle-drop', { name: 'idle-drop', by: 'device between', events: COUNT }],
  ['reset while idle', { name: 'idle-timeout', by: 'device between', events: COUNT }],
  ['closed while idle', { name: 'idle-timeout', by: 'server', events: COUNT }],
  ['closed while idle, with a farewell', { name: 'idle-timeout', by: 'server', events: COUNT }],
  ['many a second', { name: 'no-pattern' }],
  ['unreachable, all at once', { name: 'reachability', events: COUNT }],
  ['max lifetime', { name: 'max-lifetime', events: COUNT }],
  ['restart', { name: 'restart', events: COUNT }],
  ['read timeout', { name: 'read-timeout', events: COUNT }],
  ['random', { name: 'no-pattern', events: COUNT }],
  ['mixed', { name: 'no-pattern', events: COUNT }],
  ['unreachable', { name: 'reachability', events: COUNT }],
  ['keep-alive race', { name: 'keep-alive-race' }],
])('what is behind "%s" is %j', (cause, expected) => {
  expect(found(cause)).toMatchObject(expected);
});

test('what we asked for with a goodbye of our own is no end of theirs', () => {
  expect(originOf('our own goodbye')).toBeUndefined();
});

test.each([
  'idle-drop',
  'reset while idle',
  'closed while idle',
  'closed while idle, with a farewell',
  'max lifetime',
  'read timeout',
])('the limit behind "%s" lies where it was measured, within a tenth', (cause) => {
  const { fromMs, toMs } = found(cause);
  expect(fromMs).toBeLessThanOrEqual(LIMIT_MS * 1.1);
  expect(fromMs).toBeGreaterThanOrEqual(LIMIT_MS * 0.7);
  expect(toMs).toBeGreaterThanOrEqual(LIMIT_MS * 0.9);
  expect(toMs).toBeLessThanOrEqual(LIMIT_MS * 1.25);
});

test('our own stall is seen at the ends that follow it', async () => {
  const from = originOf('restart').ends.length;
  source.sample(performance.now(), 1_234);
  await new Promise((resolve) => {
    const socket = net.connect(ports.get('restart')!, '127.0.0.1', () => socket.write('question'));
    socket.once('data', () =>
      [...sockets].forEach((one) => one.remotePort === socket.localPort && reset(one)),
    );
    socket.on('error', resolve);
  });
  expect(originOf('restart').ends[from]).toMatchObject({ loopDelayMs: 1_234, kind: 'reset' });
});

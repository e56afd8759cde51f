/** The log line of a cause: real resets on loopback, far below the rate that would change a status. */
import net from 'node:net';
import { resetGauge } from '../../lib/gauges.js';
import type { Finding } from '../../lib/indicators/finding.js';
import { DEFAULTS, resolveOptions } from '../../lib/options.js';
import { Runtime } from '../../lib/runtime.js';
import { listening, until } from './resets-peers.js';

let server: net.Server;
let port: number;
let inbound: net.Socket[];

beforeEach(async () => {
  inbound = [];
  server = net.createServer((socket) => inbound.push(socket.on('error', () => {})));
  port = await listening(server);
});
afterEach(() => new Promise((done) => void server.close(done)));

/** So many connections, reset by the peer at once. */
async function restart(count: number): Promise<void> {
  let closed = 0;
  const before = inbound.length;
  for (let i = 0; i < count; i++)
    net
      .connect(port, '127.0.0.1')
      .on('error', () => {})
      .on('close', () => (closed += 1));
  await until('all accepted', () => inbound.length === before + count);
  for (const socket of inbound.slice(before)) socket.resetAndDestroy();
  await until('all reset', () => closed === count);
}

const told = (): RegExp =>
  new RegExp(
    `^resets: 6 so far from origin "outbound 127\\.0\\.0\\.1:${port}"; cause: the server restarted or failed over, \\d of 6 ends came at once; nothing to set`,
  );

test('a cause is told once, when it is first named, while the status stays up', async () => {
  const lines: string[] = [];
  const gauge = resetGauge(
    'resets',
    { ...DEFAULTS.resets },
    new Map(),
    [],
    () => {},
    (line) => lines.push(line),
  );
  try {
    const read = (): Finding => gauge.read(performance.now(), 0) as Finding;
    await restart(4);
    read();
    expect(lines).toEqual([]);
    await restart(2);
    expect(read().status).toBe('up');
    expect(lines).toEqual([expect.stringMatching(told())]);
    await restart(4);
    read();
    read();
    expect(lines).toHaveLength(1);
  } finally {
    gauge.close();
  }
});

test('it is a warning in the log of the application', async () => {
  const warnings: string[] = [];
  const options = resolveOptions({ everyMs: 100, eventLoop: false, drain: false, audit: false });
  const runtime = new Runtime(options, {
    log: () => {},
    warn: (text) => warnings.push(text),
    error: () => {},
  });
  await runtime.start();
  try {
    await restart(6);
    await until('the line', () => warnings.some((line) => told().test(line)));
  } finally {
    await runtime.stop();
  }
});

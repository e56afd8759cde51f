/** The one part of the source that a healthy server cannot show: how it spends connects. */
import { createServer, type AddressInfo } from 'node:net';
import { PoolSource } from '../../../lib/sources/pools/source.js';
import { until } from './servers.js';

test('after 50 connects without a login MySQL is left alone, until somebody logs in', async () => {
  let connects = 0;
  const server = createServer((socket) => {
    connects += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const listeners: Record<string, () => void> = {};
  const nothing = (): void => {};
  // A Knex whose only connection is out and wanted, with a server that accepts and hangs up.
  const pool = {
    max: 1,
    used: [{ resource: {} }],
    free: [],
    pendingCreates: [],
    pendingAcquires: [{}],
    acquire: nothing,
    release: nothing,
    numUsed: nothing,
    numFree: nothing,
    numPendingAcquires: nothing,
    numPendingCreates: nothing,
    removeListener: nothing,
    on: (event: string, listener: () => void) => (listeners[event] = listener),
  };
  const connectionSettings = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const common = { acquireConnection: nothing, on: nothing, removeListener: nothing };
  const client = { ...common, driverName: 'mysql2', pool, connectionSettings };
  const knex = Object.assign(() => {}, { client, raw: nothing, destroy: nothing });
  const asking = {
    pingEveryMs: 10,
    pingTimeoutMs: 5_000,
    wedgedAfterMs: 6,
    leakAfterMs: 30_000,
    windowMs: 1_000,
  };
  const source = new PoolSource('main', () => knex, asking);
  let samples = 0;
  const timer = setInterval(() => {
    samples += 1;
    source.sample(performance.now());
  }, 2);
  try {
    await until('50 connects', () => connects === 50);
    const before = samples;
    await until('more samples', () => samples > before + 50);
    expect(connects).toBe(50);
    listeners['createSuccess']!();
    await until('more connects', () => connects > 50);
  } finally {
    clearInterval(timer);
    source.close();
    await new Promise((done) => server.close(done));
  }
});

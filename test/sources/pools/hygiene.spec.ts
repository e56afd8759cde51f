/** Which resets count as a burst of the pool's peer; what is done then is in verdicts.spec.ts, on real pools. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { PoolAdapter } from '../../../lib/sources/pools/adapter.js';
import { Hygiene } from '../../../lib/sources/pools/hygiene.js';
import { until } from './servers.js';

let peer: Server;
let inbound: Socket[];
let idle: object[];
let used: object[];
let asked: object[];
let hygiene: Hygiene;

beforeEach(async () => {
  inbound = [];
  [idle, used, asked] = [[], [], []];
  peer = createServer((socket) => inbound.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await new Promise((done) => peer.once('listening', done));
});
afterEach(async () => {
  hygiene.close();
  for (const socket of inbound) socket.destroy();
  await new Promise((done) => peer.close(done));
});

function begin(name: string | null): void {
  const adapter = {
    idle: () => idle,
    used: () => used,
    retire: (connection: object) => {
      asked.push(connection);
      idle = idle.filter((one) => one !== connection);
      return true;
    },
  } as unknown as PoolAdapter;
  hygiene = new Hygiene(adapter, (peer) => peer === name);
}

const port = (): number => (peer.address() as AddressInfo).port;

/** So many connections to the peer, reset by it. */
async function reset(count: number): Promise<void> {
  const before = inbound.length;
  let closed = 0;
  for (let i = 0; i < count; i++) {
    connect(port(), '127.0.0.1')
      .on('error', () => {})
      .on('close', () => (closed += 1));
  }
  await until('accepted', () => inbound.length === before + count);
  for (const socket of inbound.slice(before)) socket.resetAndDestroy();
  await until('closed', () => closed === count);
}

test('after two resets of the peer the idle connections born before go, one each time, and no later one', async () => {
  begin(`127.0.0.1:${port()}`);
  const [first, second, third, later] = [{}, {}, {}, {}];
  idle = [first, second];
  used = [third];
  expect(hygiene.clean(performance.now())).toBeNull();
  await reset(2);
  idle.push(later);
  expect(hygiene.clean(performance.now())).toBe(
    'closed an idle connection older than the last burst of resets (1 so far)',
  );
  hygiene.clean(performance.now());
  expect(hygiene.clean(performance.now())).toBeNull();
  idle.push(third);
  hygiene.clean(performance.now());
  expect(asked).toEqual([first, second, third]);
  expect(hygiene).toMatchObject({ retired: 3, evicted: 0 });
});

test('a connection that is handed out as another object each time is as old as its socket', async () => {
  begin(`127.0.0.1:${port()}`);
  const stream = { destroy() {} };
  used = [{ stream }];
  hygiene.clean(performance.now());
  await reset(2);
  [used, idle] = [[], [{ stream }]];
  hygiene.clean(performance.now());
  expect(hygiene.retired).toBe(1);
});

test.each([
  ['one reset', 1, () => `127.0.0.1:${port()}`],
  ['resets of another peer', 3, () => '127.0.0.1:1'],
  ['resets while the peer is not known', 3, () => null],
])('%s: nothing is retired', async (_name, count, name) => {
  begin(name());
  idle = [{}];
  hygiene.clean(performance.now());
  await reset(count);
  expect(hygiene.clean(performance.now())).toBeNull();
  expect(asked).toEqual([]);
});

test('after its close it hears nothing', async () => {
  begin(`127.0.0.1:${port()}`);
  idle = [{}];
  hygiene.clean(performance.now());
  hygiene.close();
  await reset(3);
  expect(hygiene.clean(performance.now())).toBeNull();
});

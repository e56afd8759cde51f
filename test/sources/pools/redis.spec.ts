/** Redis clients, as stand-ins of their objects; the server of those that are asked is a real socket. */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { adapterFor, partsOf } from '../../../lib/sources/pools/index.js';
import { ping } from '../../../lib/sources/pools/ping.js';
import { Observed } from './observed.js';
import { until } from './servers.js';

const AT = { host: '127.0.0.1', port: 1 };

const client = (status: string, options: object = AT) => ({
  status,
  offlineQueue: { length: 0, toArray: () => [] },
  options,
  ping: () => Promise.resolve('PONG'),
  on() {},
  removeListener() {},
  duplicate() {},
});

type Client = ReturnType<typeof client>;

function cluster(status: string, masters: Client[], slaves: Client[] = []) {
  const nodes = { all: [...masters, ...slaves], master: masters };
  return {
    ...client(status, {}),
    startupNodes: [{ host: '127.0.0.1', port: 9 }],
    refreshSlotsCache() {},
    nodes: (role: 'all' | 'master') => nodes[role],
  };
}

test.each([
  ['ioredis before its first command', client('wait')],
  ['ioredis after its end', client('end')],
  ['a cluster before its first command', cluster('wait', [])],
  ['a cluster after its end', cluster('end', [client('end')])],
  ['node-redis that is not open', { ...client(''), status: undefined, isOpen: false, isReady: false }],
])('%s is known and has no pool', (_what, value) => {
  expect(adapterFor(value)).toMatchObject({ pool: null });
});

test('a cluster of ioredis is one pool of the nodes that want a connection', () => {
  const nodes = [client('ready'), client('connecting'), client('wait')];
  const value = cluster('ready', nodes, [client('ready'), client('wait'), client('end')]);
  value.offlineQueue.length = 4;
  const parts = partsOf(value);
  expect(parts.map(({ role }) => role)).toEqual(['']);
  const adapter = parts[0]!.adapter!;
  expect(adapter).toMatchObject({ driver: 'cluster/ioredis', pool: value });
  expect(adapter.gauges()).toEqual({ max: 3, used: 0, idle: 2, opening: 1, waiting: 4 });
});

test('a cluster that is not ready, or knows no node yet, has no connection to ping on', () => {
  const figures = (value: object) => adapterFor(value)!.gauges();
  expect(figures(cluster('reconnecting', [client('ready')]))).toMatchObject({ max: 1, idle: 0, opening: 1 });
  expect(figures(cluster('connecting', []))).toMatchObject({ max: 1, idle: 0, opening: 1 });
});

test('a cluster is sought at its first ready master, else at a master, else where it was told to begin', () => {
  const target = (...given: Parameters<typeof cluster>) => adapterFor(cluster(...given))!.target();
  const at = (port: number, tls?: object) => ({ host: '127.0.0.1', port, tls });
  const found = (port: number) => ({
    protocol: 'tcp',
    address: { host: '127.0.0.1', port },
    hello: expect.any(Buffer),
  });
  const masters = [client('wait', at(1)), client('ready', at(2))];
  expect(target('ready', masters, [client('ready', at(3))])).toEqual(found(2));
  expect(target('ready', [masters[0]!])).toEqual(found(1));
  expect(target('connecting', [])).toEqual(found(9));
  expect(adapterFor({ ...cluster('connecting', []), startupNodes: [7000] })!.target()).toBeNull();
  expect(target('ready', [client('ready', at(4, {}))])!.hello![0]).toBe(22);
});

test('a cluster of which a replica is never used, and a master has gone, loses no pool', () => {
  const masters = [client('ready'), client('ready')];
  const value = cluster('ready', masters, [client('wait')]);
  masters.pop();
  expect(partsOf(value)).toHaveLength(1);
  expect(adapterFor(value)!.pool).toBe(value);
});

describe('a ping that is not answered in time', () => {
  /** Sent, oldest first, and not answered yet. */
  const sent = (...names: string[]) => ({
    commandQueue: { peekAt: (index: number) => names[index] && { command: { name: names[index] } } },
  });
  const hangs = { ping: () => new Promise<string>(() => {}) };
  const nodeRedis = (socket: object) => ({
    ...client('', { socket }),
    ...hangs,
    status: undefined,
    isOpen: true,
    isReady: true,
  });

  test.each([
    ['behind a command of the host', { ...client('ready'), ...hangs, ...sent('blpop', 'ping') }, 'behind'],
    ['at the server', { ...client('ready'), ...hangs, ...sent('ping', 'get') }, 'failed'],
    [
      'behind one on the node',
      cluster('ready', [{ ...client('ready'), ...hangs, ...sent('xread') }]),
      'behind',
    ],
    ['at the node', cluster('ready', [{ ...client('ready'), ...hangs, ...sent('ping') }]), 'failed'],
    ['somewhere in node-redis', nodeRedis(AT), 'behind'],
    ['somewhere in node-redis, of which nobody knows where it is', nodeRedis({ port: 0 }), 'failed'],
  ])('is %s', async (_where, value, kind) => {
    expect(await ping(adapterFor(value)!, 30).answer).toMatchObject({ kind });
  });

  const ASKING = { pingEveryMs: 100, pingTimeoutMs: 200 };
  let server: Server;
  let observed: Observed;
  let answer: string;
  const pings: number[] = [];

  beforeEach(async () => {
    pings.length = 0;
    answer = '+PONG\r\n';
    server = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.write(answer)));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    const blocked = {
      ...client('ready', { host: '127.0.0.1', port }),
      ...sent('blpop', 'ping'),
      ping: () =>
        new Promise<string>((done) => {
          pings.push(performance.now());
          // The list is empty until then.
          setTimeout(() => done('PONG'), 500);
        }),
    };
    observed = new Observed(() => blocked, ASKING);
  });
  afterEach(() => {
    observed.close();
    server.close();
  });

  test('behind a command that blocks leaves the answer to a connect, and is no fault while that is answered', async () => {
    expect(await observed.sees('up')).toMatchObject({ data: { knownBy: 'connect' } });
    await until('three pings', () => pings.length > 3);
    const conclusive = observed.findings.filter(({ inconclusive }) => !inconclusive);
    expect(new Set(conclusive.map(({ status }) => status))).toEqual(new Set(['up']));
  });

  test('behind a command that blocks is a fault when a connect is not answered either', async () => {
    answer = '';
    expect(await observed.sees('DB_UNREACHABLE')).toMatchObject({ data: { knownBy: 'connect' } });
  });
});

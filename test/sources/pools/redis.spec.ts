/** Redis clients, as stand-ins of their objects; the server of those that are asked is a real socket. */
import { EventEmitter } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { PoolEvents } from '../../../lib/sources/pools/adapter.js';
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

test('the masters of a cluster are asked in turn, and where it is sought is not where it is asked', async () => {
  const masters = [1, 2, 3].map((port) => client('ready', { host: '127.0.0.1', port }));
  const adapter = adapterFor(cluster('ready', [client('wait'), ...masters], [client('ready')]))!;
  for (const asked of [1, 2, 0, 1]) {
    expect(await adapter.borrow().granted).toBe(masters[asked]);
    expect(adapter.target()!.address).toMatchObject({ port: ((asked + 1) % 3) + 1 });
  }
});

describe('a cluster of node-redis', () => {
  const node = (port: number, isReady: boolean) => {
    const options = { socket: { host: '127.0.0.1', port } };
    return { client: { ...client('', options), status: undefined, isOpen: true, isReady } };
  };
  const of = (masters: object[], replicas: object[] = [], state: object = {}) => ({
    ...client('', {}),
    status: undefined,
    isOpen: true,
    masters,
    nodeByAddress: new Map([...masters, ...replicas].map((one, index) => [String(index), one])),
    ...state,
  });

  test('is one pool of the nodes that it has a client for', () => {
    const value = of([node(1, true), node(2, false), {}], [node(3, true)], { isReady: true });
    const adapter = adapterFor(value)!;
    expect(adapter).toMatchObject({ driver: 'cluster/redis', pool: value });
    expect(adapter.gauges()).toEqual({ max: 3, used: 0, idle: 2, opening: 1, waiting: 0 });
    expect(adapter.target()).toMatchObject({ address: { port: 1 } });
  });

  test('that does not say whether it is ready is when it is open', () => {
    expect(adapterFor(of([node(1, true)]))!.gauges()).toMatchObject({ idle: 1 });
    expect(adapterFor(of([node(1, true)], [], { isReady: false }))!.gauges()).toMatchObject({ idle: 0 });
    expect(adapterFor(of([], [], { isOpen: false }))).toMatchObject({ pool: null });
  });
});

test('node-redis behind Sentinel is sought at the present master, where a connect has to do', () => {
  const sentinel = { ...client(''), status: undefined, isOpen: true, isReady: true };
  const address = { host: '127.0.0.1', port: 5 };
  const adapter = adapterFor({ ...sentinel, getMasterNode: () => address })!;
  expect(adapter).toMatchObject({ driver: 'sentinel/redis' });
  expect(adapter.target()).toEqual({ protocol: 'tcp', address });
  expect(adapterFor({ ...sentinel, getMasterNode() {} })!.target()).toBeNull();
});

test.each(['close', 'reconnecting', 'node error', 'node-reconnecting'])('%s is a breakage', (event) => {
  const value = Object.assign(new EventEmitter(), { isOpen: true, isReady: true, ping() {}, duplicate() {} });
  const breakage = jest.fn();
  const end = adapterFor(value)!.attach({ breakage } as unknown as PoolEvents);
  value.emit(event);
  expect(breakage).toHaveBeenCalledTimes(1);
  end();
  value.emit(event);
  expect(breakage).toHaveBeenCalledTimes(1);
});

describe('commands of node-redis that wait for a connection', () => {
  const started = (isReady: boolean) => {
    const emitter = new EventEmitter();
    const replies: ((reply: string) => void)[] = [];
    const value = Object.assign(emitter, {
      isOpen: true,
      isReady,
      ping: () => Promise.resolve('PONG'),
      duplicate() {},
      sendCommand: (_args: string[]) => new Promise<string>((done) => replies.push(done)),
    });
    const events = { breakage() {}, opened() {} };
    const adapter = adapterFor(value)!;
    const end = adapter.attach(events as unknown as PoolEvents);
    return { value, adapter, end, reply: (text: string) => replies.shift()!(text) };
  };

  test('are counted from the loss of it to its return, each until it is answered', async () => {
    const { value, adapter, reply } = started(true);
    void value.sendCommand(['GET']);
    value.isReady = false;
    value.emit('reconnecting');
    value.emit('reconnecting');
    expect(adapter.waiting()).toBe(0);
    void value.sendCommand(['GET']);
    const second = value.sendCommand(['GET']);
    expect(adapter.waiters()).toHaveLength(2);
    reply('flushed');
    reply('too late for the caller');
    reply('any');
    expect(await second).toBe('any');
    expect(adapter.waiting()).toBe(0);
  });

  test('are counted before the first connection too, and not once there is one', () => {
    const { value, adapter } = started(false);
    const { sendCommand } = value;
    void value.sendCommand(['BLPOP']);
    expect(adapter.waiting()).toBe(1);
    value.isReady = true;
    expect(adapter.waiting()).toBe(0);
    void value.sendCommand(['GET']);
    expect(value.sendCommand).not.toBe(sendCommand);
  });

  test('are heard at no other time', () => {
    const own = (value: { sendCommand: unknown }) =>
      (value.sendCommand as { name: string }).name === 'sendCommand';
    expect(own(started(true).value)).toBe(true);
    const { value, end } = started(false);
    expect(own(value)).toBe(false);
    end();
    expect(own(value)).toBe(true);
    value.emit('reconnecting');
    expect(own(value)).toBe(true);
  });
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
    [
      'at one of two nodes',
      cluster('ready', [client('ready'), { ...client('ready'), ...hangs, ...sent('ping') }]),
      'behind',
    ],
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

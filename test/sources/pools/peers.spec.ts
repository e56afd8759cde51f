/** A pool whose driver looks its host name up itself: resets are counted for an address that nobody configured. */
import { connect } from 'node:net';
import type { Knex } from 'knex';
import { poolGauge, resetGauge } from '../../../lib/gauges.js';
import type { Owner } from '../../../lib/indicators/resets.js';
import { DEFAULTS, poolSettings } from '../../../lib/options.js';
import { holdResetHook, releaseResetHook } from '../../../lib/sources/reset-hook.js';
import { Peers } from '../../../lib/sources/pools/peers.js';
import { Listener, lostOracleKnex } from './lost-oracle.js';
import { until } from './servers.js';

let listener: Listener;
let knex: Knex;
const ends: (() => void)[] = [];

beforeEach(async () => {
  listener = new Listener();
  await listener.listen();
  knex = lostOracleKnex(listener.port, 4, 'localhost');
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await knex.destroy();
  await listener.close();
});

const four = (): Promise<unknown> =>
  Promise.all(Array.from({ length: 4 }, () => knex.raw('select 1 from dual')));

test('a reset is known as one of the pool, under the name and under the address', async () => {
  const owners = new Map<string, Owner>();
  const resets = resetGauge('resets', { ...DEFAULTS.resets }, owners, []);
  const pool = poolGauge('main', poolSettings({ pool: knex }), owners);
  ends.push(resets.close!, pool.close!);
  pool.read(performance.now(), 0);
  await four();
  pool.read(performance.now(), 0);
  expect([...owners.keys()].sort()).toEqual([`127.0.0.1:${listener.port}`, `localhost:${listener.port}`]);
  listener.resetAll();
  const seen = () => resets.read(performance.now(), 0) as unknown as { data: { origins: object[] } };
  await until('the resets are seen', () => seen().data.origins.length > 0);
  expect(seen().data.origins[0]).toMatchObject({
    peer: `127.0.0.1:${listener.port}`,
    pool: 'main',
    driver: 'knex/oracledb',
  });
});

test('hygiene hears a burst of resets of the address, and closes what was born before', async () => {
  const lines: string[] = [];
  const pool = poolGauge('main', poolSettings({ pool: knex, hygiene: true }), new Map(), (line) =>
    lines.push(line),
  );
  ends.push(pool.close!);
  pool.read(performance.now(), 0);
  await four();
  pool.read(performance.now(), 0);
  listener.resetSome(2);
  await until('both are closed', () => {
    pool.read(performance.now(), 0);
    return lines.some((line) => line.endsWith('older than the last burst of resets (2 so far)'));
  });
});

test('nothing is met while nobody counts resets, and no more than 32 addresses are kept', () => {
  const peers = new Peers();
  const holder = {};
  const connection = (port: number) => ({ socket: connect(port, '127.0.0.1').on('error', () => {}) });
  peers.meet(connection(1));
  expect(peers.all).toEqual([]);
  holdResetHook(holder);
  ends.push(() => releaseResetHook(holder));
  peers.configure({ protocol: 'tcp', address: { host: 'db', port: 1 } });
  for (let port = 1; port <= 40; port++) peers.meet(connection(port));
  expect(peers.all).toEqual(['db:1', ...Array.from({ length: 32 }, (_, i) => `127.0.0.1:${i + 9}`)]);
  expect([peers.has('db:1'), peers.has('127.0.0.1:40'), peers.has('127.0.0.1:8')]).toEqual([
    true,
    true,
    false,
  ]);
});

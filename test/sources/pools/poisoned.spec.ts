/** A dead connection that is handed out again and again: Knex before 3.2 on oracledb thin, after a reset. */
import { Socket } from 'node:net';
import type { Knex } from 'knex';
import { poolGauge } from '../../../lib/gauges.js';
import { poolSettings } from '../../../lib/options.js';
import { Observed } from './observed.js';
import { Listener, lostOracleKnex, type ThinConnection } from './lost-oracle.js';
import { until } from './servers.js';

jest.setTimeout(30_000);

let listener: Listener;
let knex: Knex;
let observed: Observed;

beforeEach(async () => {
  listener = new Listener();
  await listener.listen();
  knex = lostOracleKnex(listener.port, 2);
});
afterEach(async () => {
  observed.close();
  await knex.destroy();
  await listener.close();
});

const QUIET = { pingEveryMs: 60_000, wedgedAfterMs: 6_000 };
const query = (): Promise<unknown> => knex.raw('select 1 from dual');

/** Every connection of the pool is reset while idle. */
async function poison(hygiene: boolean): Promise<void> {
  observed = new Observed(() => knex, { ...QUIET, hygiene });
  await query();
  await observed.sees('up');
  listener.resetAll();
  const [{ resource }] = knex.client.pool.free;
  await until('the reset is there', () => !resource.isHealthy());
}

test('the same connection fails for ever, is named with its fix while the database is there, and asks for a restart', async () => {
  await poison(false);
  for (let i = 0; i < 6; i++) await expect(query()).rejects.toMatchObject({ code: 'NJS-500' });
  const finding = await observed.sees('POOL_POISONED');
  expect(finding).toMatchObject({
    status: 'down',
    remedy: 'restart',
    data: { failingCode: 'NJS-500', knownBy: 'connect', isReachable: true, dead: 1, evicted: 0 },
  });
  expect(finding.data['failuresInARow']).toBeGreaterThanOrEqual(6);
  expect(finding.message).toMatch(
    /^pool "main": the same connection failed \d+ checkouts in a row within \d+ ms, NJS-500, and is handed out again, while the database is there by connect \d+ ms ago \(threshold 3\); upgrade Knex to 3\.2\.0 or later, or set hygiene: true for this pool$/,
  );
});

test('it stays so for as long as the connection is there, without a question through the pool, and ends with it', async () => {
  await poison(false);
  for (let i = 0; i < 4; i++) await expect(query()).rejects.toThrow('NJS-500');
  await observed.sees('POOL_POISONED');
  const { length } = observed.readings;
  const { questions } = listener;
  await until('many samples', () => observed.readings.length > length + 20);
  await expect(query()).rejects.toThrow('NJS-500');
  expect(observed.findings.slice(length).map(({ code }) => code)).toEqual(
    observed.findings.slice(length).map(() => 'POOL_POISONED'),
  );
  expect(listener.questions).toBe(questions);
  // What a restart, or Knex 3.2, does.
  knex.client.pool.free[0].resource.__knex__disposed = 'by the test';
  await query();
  await observed.sees('up');
});

test('dead connections that only our pings meet are no finding against the database, and go one by one', async () => {
  observed = new Observed(() => knex, QUIET);
  await Promise.all([query(), query()]);
  await observed.sees('up');
  expect(knex.client.pool.numFree()).toBe(2);
  listener.resetAll();
  await until(
    'both are gone',
    () => observed.reading!.dead === 0 && observed.readings.some((r) => r.dead === 2),
  );
  await until('a ping is answered', () => observed.reading!.database.knownBy === 'ping');
  expect(observed.findings.filter(({ status }) => status !== 'up')).toEqual([]);
  await query();
});

test('with hygiene it is closed before anybody gets it, and nothing is down', async () => {
  await poison(true);
  await until('it is closed', () => observed.reading!.evicted === 1);
  expect(
    knex.client.pool.free.filter((held: { resource: ThinConnection }) => !held.resource.isHealthy()),
  ).toEqual([]);
  await query();
  await observed.sees('up');
  expect(observed.findings.filter(({ status }) => status === 'down')).toEqual([]);
  expect(observed.told).toEqual(['closed dead idle connections: 1 (1 so far)']);
});

test('the option of the pool switches it on, and the line names the pool', async () => {
  await poison(false);
  observed.close();
  const lines: string[] = [];
  const before = Object.getOwnPropertySymbols(Socket.prototype);
  const gauge = poolGauge('main', poolSettings({ pool: knex, hygiene: true }), new Map(), (line) =>
    lines.push(line),
  );
  gauge.read(performance.now(), 0);
  gauge.close();
  expect(Object.getOwnPropertySymbols(Socket.prototype)).toEqual(before);
  expect(lines).toEqual(['pool "main": hygiene closed dead idle connections: 1 (1 so far)']);
});

test('with the listener gone as well it is the database', async () => {
  await poison(false);
  const { port } = listener;
  await listener.close();
  for (let i = 0; i < 4; i++) await expect(query()).rejects.toThrow('NJS-500');
  expect(await observed.sees('DB_UNREACHABLE')).toMatchObject({ remedy: 'none' });
  expect(observed.findings.some(({ code }) => code === 'POOL_POISONED')).toBe(false);
  await listener.listen(port);
  await observed.sees('POOL_POISONED');
});

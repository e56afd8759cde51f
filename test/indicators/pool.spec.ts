import { judgePool, type PoolThresholds } from '../../lib/indicators/pool.js';
import type { DatabaseReading, PoolReading } from '../../lib/sources/pools/reading.js';

const THRESHOLDS: PoolThresholds = {
  wedgedAfterMs: 30_000,
  slowAfterMs: 1_000,
  starvedAfterMs: 2_000,
  leakAfterMs: 30_000,
};

const DATABASE: DatabaseReading = {
  isReachable: true,
  knownBy: 'traffic',
  ageMs: 200,
  pingMs: null,
  connectMs: null,
  errorCode: null,
  isInconclusive: false,
};
const WELL: PoolReading = {
  driver: 'knex/pg',
  windowMs: 10_000,
  max: 10,
  used: 3,
  idle: 1,
  opening: 0,
  waiting: 0,
  checkouts: 900,
  checkins: 897,
  createFailures: 0,
  timeouts: 0,
  checkinsInWindow: 80,
  stillMs: null,
  oldestCheckoutMs: 40,
  oldestWaiterMs: null,
  acquireWaitMs: 1,
  queryMs: 12,
  silent: 0,
  oldestSilentMs: 20,
  silentBy: null,
  unseen: 0,
  lowWater: 2,
  lowWaterRises: 0,
  asking: 0,
  oldestQueryMs: null,
  queryAgeMs: null,
  askedBy: null,
  unopenedMs: null,
  dead: 0,
  failing: null,
  evictsLost: null,
  evicted: 0,
  retired: 0,
  database: DATABASE,
};
const GONE: DatabaseReading = {
  ...DATABASE,
  isReachable: false,
  knownBy: 'connect',
  ageMs: 900,
  errorCode: 'ECONNREFUSED',
};
/** Saturated; the database was reached from outside 4 s ago. */
const full = (stillMs: number, oldestWaiterMs: number): PoolReading => ({
  ...WELL,
  used: 10,
  idle: 0,
  waiting: 7,
  stillMs,
  oldestWaiterMs,
  database: { ...DATABASE, knownBy: 'connect', ageMs: 4_000 },
});

const judge = (reading: PoolReading) => judgePool('main', reading, THRESHOLDS);
const codeOf = (reading: PoolReading) => judge(reading).code ?? 'up';

test('a pool with room is up and says how far it is from the edge', () => {
  const finding = judge(WELL);
  expect(finding).toMatchObject({ status: 'up', remedy: 'none' });
  expect(finding.code).toBeUndefined();
  expect(finding.message).toBe(
    'pool "main": 3 of 10 are used and 0 wait, database there by traffic 200 ms ago',
  );
});

test('a pool whose size is not known says what is used', () => {
  expect(judge({ ...WELL, max: Infinity }).message).toMatch(/^pool "main": 3 are used and 0 wait, /);
  expect(judge({ ...WELL, max: Infinity, silent: 2 }).message).toMatch(/^pool "main": 2 are out with /);
  const late = judge({ ...WELL, max: Infinity, waiting: 1, oldestWaiterMs: 1_000_000 });
  expect(late.message).toContain('(3 used, 0 opening)');
});

test('saturated, nothing returned and the database there: wedged, and a restart cures it', () => {
  expect(judge(full(31_200, 31_000))).toMatchObject({
    status: 'down',
    code: 'POOL_WEDGED',
    remedy: 'restart',
    message:
      'pool "main": no connection returned for 31200 ms while 10 of 10 are used and 7 wait (threshold 30000 ms)',
  });
});

test('the threshold itself is not yet a wedge', () => {
  expect(codeOf(full(30_000, 29_000))).toBe('POOL_STARVED');
  expect(codeOf(full(30_001, 29_000))).toBe('POOL_WEDGED');
});

test('what was known of the database before the pool stood still does not make a wedge', () => {
  const still = full(31_200, 31_000);
  expect(codeOf({ ...still, database: { ...DATABASE, ageMs: 31_201 } })).toBe('POOL_STARVED');
  expect(codeOf({ ...still, database: { ...DATABASE, isReachable: null, ageMs: null } })).toBe(
    'POOL_STARVED',
  );
});

test('a leak with the database gone is the database: no restart', () => {
  expect(judge({ ...full(60_000, 60_000), database: GONE })).toMatchObject({
    status: 'down',
    code: 'DB_UNREACHABLE',
    remedy: 'none',
    message: 'pool "main": database unreachable, ECONNREFUSED by connect 900 ms ago',
  });
});

test('callers waiting for connections that do not open are not told that the pool is full', () => {
  const stuck = { ...WELL, used: 0, idle: 0, opening: 2, waiting: 3, oldestWaiterMs: 5_000, database: GONE };
  expect(judge(stuck).message).toBe(
    'pool "main": not full (0 of 10 used, 2 opening) while 3 wait: database unreachable, ECONNREFUSED by connect 900 ms ago',
  );
});

test('saturated and moving is starved: less traffic cures it', () => {
  expect(judge(full(150, 2_400))).toMatchObject({
    status: 'degraded',
    code: 'POOL_STARVED',
    remedy: 'drain',
    message: 'pool "main": 10 of 10 are used and 7 wait, the first for 2400 ms (threshold 2000 ms)',
  });
});

test('saturated for a moment is up', () => {
  expect(codeOf(full(150, 1_999))).toBe('up');
  expect(codeOf(full(150, 2_000))).toBe('POOL_STARVED');
});

test('waiters who gave up leave the pool wedged', () => {
  const finding = judge({ ...full(31_200, 0), waiting: 0, oldestWaiterMs: null });
  expect(finding.code).toBe('POOL_WEDGED');
  expect(finding.message).toContain('while 10 of 10 are used and 0 wait');
});

const leak = { silent: 2, oldestSilentMs: 31_200, silentBy: 'GET /orders at find (src/orders.ts:31)' };

test('connections out in silence beyond the threshold are a leak, with who took them', () => {
  expect(judge({ ...WELL, ...leak })).toMatchObject({
    status: 'degraded',
    code: 'POOL_LEAK',
    remedy: 'none',
    message:
      'pool "main": 2 of 10 are out with nothing sent or received for up to 31200 ms, taken by GET /orders at find (src/orders.ts:31) (threshold 30000 ms)',
    data: { silent: 2, oldestSilentMs: 31_200, leakAfterMs: 30_000 },
  });
  expect(judge({ ...WELL, ...leak, silentBy: null }).message).toContain('for up to 31200 ms (threshold');
});

const rising = { unseen: 4, lowWater: 4, lowWaterRises: 3, oldestCheckoutMs: 95_000 };

test('where no socket can be seen, a low-water mark that only rises is a leak', () => {
  expect(judge({ ...WELL, ...rising })).toMatchObject({
    status: 'degraded',
    code: 'POOL_LEAK',
    remedy: 'none',
    message:
      'pool "main": the fewest out at once over 30000 ms rose 3 times in a row, to 4 of 10, and never fell, the oldest being out for 95000 ms (threshold 3 times)',
  });
  expect(judge({ ...WELL, ...rising, used: 10, unseen: 10, lowWater: 10 }).remedy).toBe('restart');
});

test.each([
  ['it rose less often', { lowWaterRises: 2 }],
  ['the sockets can be seen, and tell', { unseen: 3 }],
  ['the oldest checkout is younger than the rise: a load that grows', { oldestCheckoutMs: 90_000 }],
  ['the age of checkouts is not known', { oldestCheckoutMs: null }],
])('a low-water mark that rose is no leak while %s', (_name, but) => {
  expect(codeOf({ ...WELL, ...rising, ...but })).toBe('up');
});

const hanging = { asking: 9, oldestQueryMs: 31_400, queryAgeMs: 31_000, askedBy: 'GET /report' };

test('a wedged pool tells of the queries that hold it, and of the leaks beside them', () => {
  expect(judge({ ...full(31_200, 31_000), ...hanging }).message).toMatch(
    /\(threshold 30000 ms\); 9 of 10 wait for the database, for up to 31400 ms, taken by GET \/report$/,
  );
  expect(judge({ ...full(31_200, 31_000), ...hanging, ...leak }).message).toMatch(
    /; 2 of 10 are out with nothing .*; 9 of 10 wait for the database/,
  );
});

test('a starved pool of which half waits for a slow answer is the database, without a word of the driver', () => {
  const starved = { ...full(150, 2_500), queryMs: null, asking: 5, oldestQueryMs: 3_000, queryAgeMs: 1_001 };
  expect(judge(starved)).toMatchObject({
    code: 'DB_SLOW',
    remedy: 'none',
    message:
      'pool "main": 5 of 10 wait for the database, for up to 3000 ms, 1001 ms on average, while 10 of 10 are used and 7 wait (threshold 1000 ms)',
  });
  expect(codeOf({ ...starved, asking: 4 })).toBe('POOL_STARVED');
  expect(codeOf({ ...starved, queryAgeMs: 1_000 })).toBe('POOL_STARVED');
});

test('a leak of the whole pool is cured by a restart, and does not fail on it before somebody waits', () => {
  const all = { ...WELL, ...leak, used: 10, idle: 0, silent: 10 };
  expect(judge(all)).toMatchObject({ status: 'degraded', code: 'POOL_LEAK', remedy: 'restart' });
  const wedged = judge({ ...full(31_200, 31_000), ...leak, silent: 10 });
  expect(wedged).toMatchObject({ status: 'down', code: 'POOL_WEDGED', remedy: 'restart' });
  expect(wedged.message).toMatch(
    /\(threshold 30000 ms\); 10 of 10 are out with nothing sent .* taken by GET/,
  );
});

test('a starved pool is starved by its leak when that is half of it or more', () => {
  const starved = { ...full(150, 2_400), ...leak };
  expect(codeOf({ ...starved, silent: 4 })).toBe('POOL_STARVED');
  expect(codeOf({ ...starved, silent: 5 })).toBe('POOL_LEAK');
  expect(codeOf({ ...starved, silent: 5, database: GONE })).toBe('DB_UNREACHABLE');
});

const failing = { inARow: 3, forMs: 2_300, errorCode: 'NJS-500' };

test('a connection that failed three checkouts in a row while the database is there is poison, with its fix', () => {
  expect(judge({ ...WELL, failing, evictsLost: false })).toMatchObject({
    status: 'down',
    code: 'POOL_POISONED',
    remedy: 'restart',
    message:
      'pool "main": the same connection failed 3 checkouts in a row within 2300 ms, NJS-500, and is handed out again, while the database is there by traffic 200 ms ago (threshold 3); upgrade Knex to 3.2.0 or later, or set hygiene: true for this pool',
    data: { failuresInARow: 3, failingMs: 2_300, failingCode: 'NJS-500' },
  });
  expect(judge({ ...WELL, failing }).message).toContain('; validate connections at checkout, or set hygiene');
});

test('it takes three, and a database known to be there since the first of them', () => {
  expect(codeOf({ ...WELL, failing: { ...failing, inARow: 2 } })).toBe('up');
  expect(codeOf({ ...WELL, failing: { ...failing, forMs: 200 } })).toBe('up');
  expect(codeOf({ ...WELL, failing: { ...failing, forMs: 201 } })).toBe('POOL_POISONED');
  expect(codeOf({ ...WELL, failing, database: GONE })).toBe('DB_UNREACHABLE');
});

test('a server that answers and lets nobody in is unreachable, and the pool is said not to be full', () => {
  const stuck = { ...WELL, used: 0, idle: 0, opening: 2, waiting: 3, unopenedMs: 30_001 };
  expect(judge(stuck)).toMatchObject({
    status: 'down',
    code: 'DB_UNREACHABLE',
    remedy: 'none',
    message:
      'pool "main": not full (0 of 10 used, 2 opening) while 3 wait: no connection opened for 30001 ms (threshold 30000 ms)',
  });
  expect(codeOf({ ...stuck, unopenedMs: 30_000 })).toBe('up');
  expect(codeOf({ ...stuck, used: 1 })).toBe('up');
});

test('a pool that is full because queries are slow is the database, not the load', () => {
  expect(judge({ ...full(900, 5_000), queryMs: 3_400 })).toMatchObject({
    status: 'degraded',
    code: 'DB_SLOW',
    remedy: 'none',
    message:
      'pool "main": queries take 3400 ms on average over 10000 ms while 10 of 10 are used and 7 wait (threshold 1000 ms)',
  });
  expect(codeOf({ ...full(31_200, 31_200), queryMs: 3_400 })).toBe('POOL_WEDGED');
});

test.each([
  [
    'a wait although it is not full',
    { acquireWaitMs: 1_001, used: 3, opening: 1, waiting: 1, stillMs: null },
    'callers wait for a connection 1001 ms on average over 10000 ms',
  ],
  ['a query', { queryMs: 1_001 }, 'queries take 1001 ms on average over 10000 ms'],
  ['a ping', { database: { ...DATABASE, pingMs: 1_001 } }, 'a ping took 1001 ms'],
  [
    'a connection that takes long to open',
    { opening: 1, waiting: 1, oldestWaiterMs: 1_001 },
    'not full (3 of 10 used, 1 opening), yet a caller has waited 1001 ms',
  ],
])('%s over the threshold is a slow database', (_name, change, text) => {
  expect(judge({ ...WELL, ...change })).toMatchObject({
    status: 'degraded',
    code: 'DB_SLOW',
    remedy: 'none',
    message: `pool "main": ${text} (threshold 1000 ms)`,
  });
});

test('a long time at the threshold is not over it', () => {
  const edge = { acquireWaitMs: 1_000, queryMs: 1_000, database: { ...DATABASE, pingMs: 1_000 } };
  expect(codeOf({ ...WELL, ...edge })).toBe('up');
});

test('a reading that proves nothing is inconclusive, whatever it says', () => {
  const late = { ...DATABASE, isInconclusive: true };
  expect(judge({ ...WELL, database: late }).inconclusive).toBe(true);
  expect(judge(WELL).inconclusive).toBeUndefined();
});

test('a database that was never heard of is inconclusive unless the pool itself is ill', () => {
  const unknown = { ...DATABASE, isReachable: null, knownBy: null, ageMs: null };
  expect(judge({ ...WELL, database: unknown })).toMatchObject({ status: 'up', inconclusive: true });
  expect(judge({ ...full(5_000, 5_000), database: unknown }).inconclusive).toBeUndefined();
});

test('data holds the same keys for every verdict, thresholds among them', () => {
  const keys = (reading: PoolReading) => Object.keys(judge(reading).data).sort();
  const expected = (
    'driver windowMs max used idle opening waiting checkouts checkins createFailures timeouts checkinsInWindow stillMs ' +
    'oldestCheckoutMs oldestWaiterMs acquireWaitMs queryMs silent oldestSilentMs silentBy unopenedMs ' +
    'asking oldestQueryMs queryAgeMs askedBy unseen lowWater lowWaterRises dead evicted retired failuresInARow failingMs failingCode evictsLost isReachable knownBy databaseAgeMs pingMs connectMs errorCode ' +
    'isInconclusive wedgedAfterMs slowAfterMs starvedAfterMs leakAfterMs'
  )
    .split(' ')
    .sort();
  expect(keys(WELL)).toEqual(expected);
  expect(keys(full(31_200, 31_000))).toEqual(expected);
  expect(keys({ ...WELL, database: GONE })).toEqual(expected);
});

test('options with more than the thresholds add nothing to data', () => {
  const more = { ...THRESHOLDS, pingEveryMs: 5, pool: {} };
  expect(Object.keys(judgePool('main', WELL, more).data)).not.toContain('pool');
});

/**
 * The states a page can be in, as the real indicators judge made-up readings of one service: two pools, a check, the
 * event loop and resets.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT } from '../tool/pack.mjs';

const require = createRequire(import.meta.url);
const built = (path) => require(join(ROOT, 'dist', 'cjs', `${path}.js`));

export const { decide } = built('verdict/snapshot');
const { judgePool } = built('indicators/pool');
const { judgeEventLoop } = built('indicators/event-loop');
const { judgeResets } = built('indicators/resets');
const { judgeSwallowed } = built('indicators/swallowed');
const { judgeCheck } = built('indicators/check');
const { DEFAULTS } = built('options');

const MINUTE = 60_000;
const OWNERS = new Map([
  ['db-oracle.internal:1521', { pool: 'oracle', driver: 'knex/oracledb' }],
  ['db-mssql.internal:1433', { pool: 'mssql', driver: 'knex/mssql' }],
]);

function pool(name, driver, given = {}, database = {}) {
  const reading = {
    driver,
    windowMs: 10_000,
    max: 10,
    used: 3,
    idle: 4,
    opening: 0,
    waiting: 0,
    checkouts: 48_210,
    checkins: 48_207,
    createFailures: 0,
    timeouts: 0,
    checkinsInWindow: 82,
    stillMs: null,
    oldestCheckoutMs: 90,
    oldestWaiterMs: null,
    acquireWaitMs: 2,
    queryMs: 38,
    ...given,
    database: {
      isReachable: true,
      knownBy: 'traffic',
      ageMs: 400,
      pingMs: 12,
      connectMs: null,
      errorCode: null,
      isInconclusive: false,
      ...database,
    },
  };
  return { name, seen: judgePool(name, reading, DEFAULTS.pool) };
}

function loop(given = {}) {
  const reading = { windowMs: 5_000, p99DelayMs: 3.4, maxDelayMs: 21, utilizationRatio: 0.31, ...given };
  return { name: 'eventLoop', seen: judgeEventLoop(reading, DEFAULTS.eventLoop) };
}

function ends(count, idleMs) {
  return Array.from({ length: count }, (_, i) => ({
    at: i * 40_000,
    kind: 'reset',
    phase: 'first-write-after-idle',
    idleMs: idleMs + i * 90,
    idleErrorMs: 1_000,
    ageMs: idleMs * (2 + i),
    isTls: false,
    isReused: false,
    answers: 30 + i,
    loopDelayMs: 3,
  }));
}

function resets(oracle = 0, mssql = 0, advice = [], peers = []) {
  const origin = (peer, inWindow, idleMs) => ({
    direction: 'outbound',
    peer,
    inWindow,
    total: inWindow * 9,
    connectionsInWindow: inWindow * 2,
    ends: ends(Math.min(12, inWindow), idleMs),
    survivedMs: idleMs - 1_000,
  });
  const origins = [
    origin('db-oracle.internal:1521', oracle, 350_000),
    origin('db-mssql.internal:1433', mssql, 240_000),
    ...peers.map((count, i) => origin(`api-${i}.example:443`, count, 60_000)),
  ]
    .filter(({ inWindow }) => inWindow > 0)
    .toSorted((a, b) => b.inWindow - a.inWindow);
  const outboundInWindow = origins.reduce((sum, { inWindow }) => sum + inWindow, 0);
  const reading = {
    windowMs: MINUTE,
    origins,
    outboundInWindow,
    inboundInWindow: 2,
    total: 9 * outboundInWindow + 31,
    synthesizedInWindow: 0,
    timeoutsInWindow: 0,
    connectFailuresInWindow: 0,
    kernel: null,
  };
  return { name: 'resets', seen: judgeResets(reading, DEFAULTS.resets, { owners: OWNERS, advice }) };
}

const swallowed = () => ({
  name: 'swallowed',
  seen: judgeSwallowed({ windowMs: 600_000, inWindow: 0, total: 0, codes: [] }, DEFAULTS.swallowed),
});

function check(ms = 41, error = null) {
  const outcome = error ? { kind: 'rejected', ms, error } : { kind: 'resolved', ms, value: true };
  const reading = { outcome, timeoutMs: 2_000, inFlightMs: null, isInconclusive: false, serial: 1 };
  const seen = judgeCheck('search', reading, { remedy: 'none', shared: false });
  return { name: 'search', critical: false, seen };
}

const WELL_POOLS = [pool('oracle', 'knex/oracledb'), pool('mssql', 'knex/mssql', { used: 1, idle: 2 })];
const WEDGED = pool('oracle', 'knex/oracledb', {
  used: 10,
  idle: 0,
  waiting: 7,
  checkinsInWindow: 0,
  stillMs: 41_200,
  oldestCheckoutMs: 62_000,
  oldestWaiterMs: 40_900,
});

/** Each is a list of indicators, and where the process is in its life. */
export const STATES = {
  ok: { parts: [loop(), ...WELL_POOLS, resets(), swallowed(), check()] },
  degraded: {
    parts: [
      loop({ p99DelayMs: 31, maxDelayMs: 84 }),
      ...WELL_POOLS,
      resets(38, 4, [
        'pool "oracle": pool.min is 2, so that idle connections are kept for ever: set pool.min: 0',
      ]),
      swallowed(),
      check(2_000, new Error('search answered 502')),
    ],
  },
  wedged: { parts: [loop(), WEDGED, WELL_POOLS[1], resets(6), swallowed(), check()] },
  unreachable: {
    parts: [
      loop(),
      pool(
        'oracle',
        'knex/oracledb',
        { used: 0, idle: 0, waiting: 3 },
        { isReachable: false, knownBy: 'connect', errorCode: 'ECONNREFUSED' },
      ),
      WELL_POOLS[1],
      resets(),
      swallowed(),
      check(),
    ],
  },
  late: {
    parts: [
      loop({ p99DelayMs: 900, maxDelayMs: 4_100, utilizationRatio: 1 }),
      ...WELL_POOLS,
      resets(),
      swallowed(),
      check(),
    ],
  },
  draining: { parts: [loop(), ...WELL_POOLS, resets(), swallowed(), check()], phase: 'draining' },
  starting: { parts: [{ name: 'oracle', seen: null }, loop()], phase: 'starting' },
  maintenance: { parts: [loop(), ...WELL_POOLS], isMaintenance: true },
  crowd: { parts: [loop(), resets(9, 0, [], [1, 2, 3, 4, 5, 6, 7, 8, 10])] },
};

/** The snapshot that the scheduler would serve. */
export function snapshotOf({ parts, phase = 'running', isMaintenance = false }, now = Date.now()) {
  const believed = parts.map(({ name, critical = true, seen }) => ({
    name,
    critical,
    belief: seen && {
      streak: { status: seen.status, against: 0 },
      finding: seen,
      data: seen.data,
      since: now - 4 * MINUTE,
      codeSince: now - 4 * MINUTE,
      checkedAt: now,
    },
  }));
  const circumstances = { phase, isMaintenance, startedAt: now - 190 * MINUTE, changedAt: now - 2_000 };
  return decide(believed, circumstances, now);
}

/** What came before `state`, minute by minute, oldest first: an hour of an ordinary day and then the fault. */
export function pastOf(state) {
  return Array.from({ length: 360 }, (_, slot) => {
    const wave = 0.5 + 0.5 * Math.sin(slot / 21) + 0.3 * Math.sin(slot / 3.1);
    const isSick = slot > 320 && state !== 'ok';
    const burst = slot > 200 && slot < 225;
    const used = isSick && state === 'wedged' ? 10 : Math.round(2 + 3 * Math.max(0, wave));
    const waiting = isSick && state === 'wedged' ? Math.min(7, Math.floor((slot - 320) / 4)) : burst ? 1 : 0;
    const parts = [
      loop({
        p99DelayMs: Number((4 + 22 * Math.max(0, wave) + (slot % 67 === 3 ? 60 : 0)).toFixed(1)),
        maxDelayMs: Number((19 + 60 * Math.max(0, wave) + (slot % 67 === 3 ? 170 : 0)).toFixed(1)),
        utilizationRatio: Number(Math.min(0.9, 0.2 + 0.25 * Math.max(0, wave)).toFixed(3)),
      }),
      pool('oracle', 'knex/oracledb', { used, waiting, idle: 10 - used }),
      pool('mssql', 'knex/mssql', { used: Math.round(1 + Math.max(0, 2 * wave)), idle: 2 }),
      resets(
        burst ? Math.round(14 * wave + 6) : isSick && state === 'degraded' ? 38 : 0,
        slot > 210 && slot < 235 ? 5 : 0,
      ),
    ];
    return { parts };
  });
}

/** Latest last, as the flight recorder has them. */
export function incidentsAt(state, now = Date.now()) {
  const at = (minutes) => new Date(now - minutes * MINUTE).toISOString();
  const over = (minutes, lasted, how = 'recovered') => ({
    how,
    at: at(minutes - lasted),
    lastedMs: lasted * MINUTE,
  });
  return [
    {
      at: at(196),
      indicator: 'oracle',
      code: 'POOL_WEDGED',
      status: 'down',
      remedy: 'restart',
      message: 'pool "oracle": no connection returned for 31000 ms',
      ended: over(196, 5, 'process ended'),
    },
    {
      at: at(122),
      indicator: 'eventLoop',
      code: 'LOOP_BLOCKED',
      status: 'down',
      remedy: 'none',
      message: 'event loop: 1204 ms late at p99',
      returns: 2,
      ended: over(122, 0.6),
    },
    {
      at: at(27),
      indicator: 'resets',
      code: 'RESET_RATE_HIGH',
      status: 'degraded',
      remedy: 'none',
      message: 'resets: 22 in 60000 ms',
      ended: over(27, 4),
    },
    ...open(state).map((one) => ({ at: at(4), ...one, ended: null })),
  ];
}

/** What lasts in that state. */
function open(state) {
  const { name, seen } = { wedged: WEDGED, degraded: STATES.degraded.parts.find(isSick) }[state] ?? {};
  return seen ? [{ ...seen, indicator: name }] : [];
}

const isSick = ({ seen }) => seen.status !== 'up';

/** Oldest first. */
export function endsAt(now = Date.now()) {
  const at = (minutes) => new Date(now - minutes * MINUTE).toISOString();
  return [
    {
      by: 'stop',
      code: 'STOP',
      message: 'it was told to stop',
      at: at(1_800),
      ranMs: 98 * 60 * MINUTE,
      pid: 7,
    },
    {
      by: 'recovery',
      code: 'POOL_WEDGED',
      message: 'pool "oracle": no connection returned for 61000 ms',
      at: at(190.2),
      ranMs: 1_609 * MINUTE,
      pid: 7,
    },
  ];
}

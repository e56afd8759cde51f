import {
  canPing,
  dueQuestion,
  reachAfterMs,
  type PoolAsking,
  type Situation,
} from '../../../lib/sources/pools/asking.js';

const ASKING: PoolAsking = {
  pingEveryMs: 10_000,
  pingTimeoutMs: 2_000,
  wedgedAfterMs: 30_000,
  leakAfterMs: 30_000,
  windowMs: 10_000,
};
const NOW = 1_000_000;

const IDLE: Situation = {
  now: NOW,
  gauges: { max: 2, used: 0, idle: 1, opening: 0, waiting: 0 },
  stillMs: null,
  unservedMs: null,
  isReachable: true,
  knownAt: NOW,
  askedAt: NOW - 60_000,
  hasTrouble: false,
  isPinging: false,
  isConnecting: false,
  connectStreak: 0,
  isPoisoned: false,
  unfinishedLogins: 0,
  protocol: 'pg',
};
const FULL = { max: 2, used: 2, idle: 0, opening: 0, waiting: 1 };

function* situations(): Generator<Situation> {
  const gauges = [];
  for (const used of [0, 1, 2]) {
    for (let idle = 0; used + idle <= 2; idle++) {
      for (let opening = 0; used + idle + opening <= 2; opening++) {
        for (const waiting of [0, 1]) gauges.push({ max: 2, used, idle, opening, waiting });
      }
    }
  }
  const axes = {
    gauges,
    stillMs: [null, 0, 20_000],
    unservedMs: [null, 2_000],
    isReachable: [null, true, false],
    knownAt: [null, NOW, NOW - 20_000],
    askedAt: [NOW - 100, NOW - 1_000, NOW - 700_000],
    hasTrouble: [false, true],
    isPinging: [false, true],
    isConnecting: [false, true],
    connectStreak: [0, 3],
    isPoisoned: [false, true],
    unfinishedLogins: [0, 50],
    protocol: [null, 'pg', 'mysql'] as const,
  };
  const names = Object.keys(axes) as (keyof typeof axes)[];
  const total = names.reduce((count, name) => count * axes[name].length, 1);
  for (let i = 0; i < total; i++) {
    let rest = i;
    const situation: Record<string, unknown> = { now: NOW };
    for (const name of names) {
      situation[name] = axes[name][rest % axes[name].length];
      rest = Math.floor(rest / axes[name].length);
    }
    yield situation as unknown as Situation;
  }
}

const ALL = [...situations()].map((situation) => ({ situation, asked: dueQuestion(situation, ASKING) }));

/** Every combination in which `claim` does not hold, up to three of them. */
function exceptions(claim: (s: Situation, asked: 'ping' | 'connect' | null) => boolean): Situation[] {
  return ALL.filter(({ situation, asked }) => !claim(situation, asked))
    .slice(0, 3)
    .map(({ situation }) => situation);
}

describe('in every combination', () => {
  test('a ping goes only into a pool with a connection to spare, where nobody waits and no ping is under way', () => {
    const has = ({ gauges: { waiting, idle, used, opening, max }, ...s }: Situation): boolean =>
      waiting === 0 &&
      !s.isPinging &&
      (idle > 0 || used + opening < max) &&
      (!s.isPoisoned || s.protocol === null);
    expect(exceptions((s, asked) => asked !== 'ping' || has(s))).toEqual([]);
    expect(exceptions((s) => canPing(s) === has(s))).toEqual([]);
  });

  test('a connect is made only where no ping can be, one at a time, to a known place', () => {
    const may = (s: Situation): boolean => !canPing(s) && !s.isConnecting && s.protocol !== null;
    expect(exceptions((s, asked) => asked !== 'connect' || may(s))).toEqual([]);
  });

  test('nothing is asked while traffic is fresh, nothing broke and everything moves', () => {
    const isWell = (s: Situation): boolean =>
      s.isReachable === true &&
      s.knownAt === NOW &&
      !s.hasTrouble &&
      !s.isPoisoned &&
      s.stillMs !== 20_000 &&
      s.unservedMs === null;
    expect(exceptions((s, asked) => !isWell(s) || asked === null)).toEqual([]);
  });

  test('a database that is not known to be there is asked for again within a second', () => {
    const isDue = (s: Situation): boolean =>
      s.isReachable !== true && s.askedAt! <= NOW - 1_000 && canPing(s);
    expect(exceptions((s, asked) => !isDue(s) || asked === 'ping')).toEqual([]);
  });

  test('trouble in a database believed to be there is looked into at once where a ping can be', () => {
    const isDue = (s: Situation): boolean => s.isReachable === true && s.hasTrouble && canPing(s);
    expect(exceptions((s, asked) => !isDue(s) || asked === 'ping')).toEqual([]);
  });

  test('a pool that has stood still for a third of its threshold has its database looked for outside it', () => {
    const isDue = (s: Situation): boolean =>
      s.stillMs === 20_000 &&
      !canPing(s) &&
      !s.isConnecting &&
      s.protocol === 'pg' &&
      s.askedAt === NOW - 700_000;
    expect(exceptions((s, asked) => !isDue(s) || asked === 'connect')).toEqual([]);
  });

  test('questions without fresh trouble are at least 800 ms apart', () => {
    const isSoon = (s: Situation): boolean => s.askedAt === NOW - 100 && !s.hasTrouble;
    expect(exceptions((s, asked) => !isSoon(s) || asked === null)).toEqual([]);
  });

  test('fifty connects to MySQL without a login between are the last', () => {
    const isSpent = (s: Situation): boolean => s.protocol === 'mysql' && s.unfinishedLogins === 50;
    expect(exceptions((s, asked) => !isSpent(s) || asked !== 'connect')).toEqual([]);
  });
});

test('an idle pool is pinged when its last news is as old as pingEveryMs', () => {
  expect(dueQuestion({ ...IDLE, knownAt: NOW - 9_999 }, ASKING)).toBeNull();
  expect(dueQuestion({ ...IDLE, knownAt: NOW - 10_000 }, ASKING)).toBe('ping');
});

test('a full pool where nobody waits is looked at from outside once its news is too old', () => {
  const quiet = { ...IDLE, gauges: { ...FULL, waiting: 0 } };
  expect(dueQuestion({ ...quiet, knownAt: NOW - 13_999 }, ASKING)).toBeNull();
  expect(dueQuestion({ ...quiet, knownAt: NOW - 14_000 }, ASKING)).toBe('connect');
});

function connectTimes(
  protocol: 'pg' | 'mysql',
  asking: PoolAsking,
  untilMs: number,
  isReachable: boolean,
): number[] {
  const times: number[] = [];
  for (let ms = 0; ms <= untilMs; ms += 1_000) {
    const situation: Situation = {
      ...IDLE,
      now: NOW + ms,
      gauges: FULL,
      stillMs: 10_000 + ms,
      protocol,
      isReachable,
      knownAt: NOW + (times.at(-1) ?? 0),
      askedAt: times.length ? NOW + times.at(-1)! : null,
      connectStreak: isReachable ? times.length : 0,
      unfinishedLogins: times.length,
    };
    if (dueQuestion(situation, asking) === 'connect') times.push(ms);
  }
  return times;
}

test('connects back off from 5 to 30 seconds while the database is there', () => {
  expect(connectTimes('pg', ASKING, 130_000, true)).toEqual([
    0, 5_000, 15_000, 35_000, 65_000, 95_000, 125_000,
  ]);
});

test('while a connection fails again and again, the database is looked for outside the pool, less and less often', () => {
  const poisoned: Situation = { ...IDLE, isPoisoned: true, hasTrouble: true };
  expect(dueQuestion({ ...poisoned, askedAt: NOW - 800 }, ASKING)).toBe('connect');
  expect(dueQuestion({ ...poisoned, connectStreak: 2, askedAt: NOW - 9_999 }, ASKING)).toBeNull();
  expect(dueQuestion({ ...poisoned, connectStreak: 2, askedAt: NOW - 10_000 }, ASKING)).toBe('connect');
  expect(dueQuestion({ ...poisoned, protocol: null }, ASKING)).toBe('ping');
});

test('connects to a database that is gone are a second apart', () => {
  expect(connectTimes('pg', ASKING, 3_000, false)).toEqual([0, 1_000, 2_000, 3_000]);
  expect(connectTimes('mysql', ASKING, 10_000, false)).toEqual([0, 5_000, 10_000]);
});

test('connects to MySQL stay below half of max_connect_errors however long a wedge lasts', () => {
  expect(connectTimes('mysql', ASKING, 24 * 3_600_000, true)).toHaveLength(50);
  expect(connectTimes('mysql', ASKING, 3_600_000, true).length).toBeLessThan(15);
});

test('a small threshold makes every cadence small', () => {
  const quick = { ...ASKING, wedgedAfterMs: 500 };
  expect(reachAfterMs(quick)).toBeCloseTo(166.7, 1);
  const still = { ...IDLE, gauges: FULL, stillMs: 170, connectStreak: 1, askedAt: NOW - 84 };
  expect(dueQuestion(still, quick)).toBe('connect');
  expect(dueQuestion(still, ASKING)).toBeNull();
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import knex from 'knex';
import { Pool } from 'pg';
import { DEFAULTS, resolveOptions, VitalsOptionsError, type VitalsOptions } from '../lib/options.js';

const pool = new Pool({ max: 3 });
const db = knex({ client: 'pg', pool: { min: 0, max: 2 } });
afterAll(async () => {
  await pool.end();
  await db.destroy();
});

function problemsOf(options: unknown): readonly string[] {
  try {
    resolveOptions(options as VitalsOptions);
  } catch (error) {
    if (error instanceof VitalsOptionsError) return error.problems;
    throw error;
  }
  return [];
}

describe('resolveOptions', () => {
  it('takes nothing, and fills in every default', () => {
    for (const given of [
      undefined,
      {},
      { path: undefined, pools: undefined, resets: undefined, drain: undefined },
    ]) {
      expect(resolveOptions(given)).toEqual({
        path: '/api/v1/health',
        discover: true,
        details: 'codes',
        mount: 'server',
        everyMs: 1_000,
        watchdog: true,
        metrics: null,
        drain: 3_000,
        standalone: false,
        onTransition: null,
        pools: new Map(),
        eventLoop: DEFAULTS.eventLoop,
        resets: DEFAULTS.resets,
        swallowed: DEFAULTS.swallowed,
        audit: DEFAULTS.audit,
        recovery: DEFAULTS.recovery,
        incidents: null,
        checks: new Map(),
      });
    }
  });

  it('keeps what is given and takes undefined for left out, at every level', () => {
    const check = () => true;
    const resolved = resolveOptions({
      eventLoop: { p99DelayMs: 50, maxDelayMs: undefined },
      resets: { downAt: 500 },
      pools: { main: { pool, pingEveryMs: 5_000, windowMs: undefined }, other: db },
      checks: { a: check, b: { check, critical: false, timeoutMs: undefined } },
    });
    expect(resolved.eventLoop).toEqual({ ...DEFAULTS.eventLoop, p99DelayMs: 50 });
    expect(resolved.resets).toEqual({ ...DEFAULTS.resets, downAt: 500 });
    expect(Object.fromEntries(resolved.pools)).toEqual({
      main: { ...DEFAULTS.pool, pool, pingEveryMs: 5_000 },
      other: { ...DEFAULTS.pool, pool: db },
    });
    expect(Object.fromEntries(resolved.checks)).toEqual({
      a: { ...DEFAULTS.check, check },
      b: { ...DEFAULTS.check, check, critical: false },
    });
  });

  it('turns false into nothing', () => {
    expect(resolveOptions({ eventLoop: false, resets: false, drain: false, mount: false })).toMatchObject({
      eventLoop: null,
      resets: null,
      drain: 0,
      mount: false,
    });
  });

  it('freezes what it answers and leaves what it was given alone', () => {
    const given = { eventLoop: { p99DelayMs: 50 }, pools: { main: { pool } }, checks: { a: () => true } };
    const resolved = resolveOptions(given);
    for (const one of [
      resolved,
      resolved.eventLoop,
      resolved.resets,
      resolved.pools.get('main'),
      resolved.checks.get('a'),
    ])
      expect(Object.isFrozen(one)).toBe(true);
    expect(given).toEqual({
      eventLoop: { p99DelayMs: 50 },
      pools: { main: { pool } },
      checks: { a: expect.any(Function) },
    });
    expect(Object.isFrozen(given.pools.main)).toBe(false);
  });

  it('touches no pool and calls no resolver and no check', () => {
    const never = (): never => {
      throw new Error('called');
    };
    resolveOptions({ pools: { lazy: never, more: { pool: never } }, checks: { a: never } });
    expect(pool.totalCount).toBe(0);
  });
});

describe('an option', () => {
  it.each<[keyof VitalsOptions, unknown[]]>([
    ['path', ['/', '/h', '/a/b-c_d.e~f', '/API/V1'].slice(1)],
    [
      'pools',
      [{}, { a: () => pool }, { 'a.b-c_d9': pool }, { a: db }, { a: { pool } }, { a: { pool: () => db } }],
    ],
    ['discover', [true, false]],
    [
      'eventLoop',
      [false, {}, { windowMs: 2_000, utilizationRatio: 1, restartAfterMs: 0, failAfter: 1, critical: false }],
    ],
    ['resets', [false, {}, { degradedAt: 1, downAt: 1, ratio: 0 }]],
    [
      'checks',
      [
        {},
        { a: () => 1 },
        { a: { check: () => 1, remedy: 'restart', shared: true, everyMs: 100, timeoutMs: 10 } },
      ],
    ],
    ['details', ['full', 'codes', 'none', () => 'full']],
    ['drain', [false, 0, 5_000]],
    ['onTransition', [() => {}]],
    ['mount', ['server', 'router', false]],
    ['standalone', [false, { port: 0 }, { port: 65_535, host: '::1' }, { socketPath: '/tmp/x' }]],
    ['everyMs', [100, 1_250]],
  ])('%s takes every form it names', (key, values) => {
    for (const value of values) expect([value, problemsOf({ [key]: value })]).toEqual([value, []]);
  });

  it.each<[keyof VitalsOptions, unknown[], string]>([
    [
      'path',
      ['', '/', 'health', '/health/', '//a', '/a//b', '/a?b', '/a b', '/:id', '/a*', '/ä', null, 1, /x/],
      'an absolute path',
    ],
    ['pools', [null, [], 'x', 1, new Map()], 'an object from names'],
    ['discover', [0, 'yes', null], 'true or false'],
    ['eventLoop', [true, null, 1, 'off', []], 'false, or an object with'],
    ['resets', [true, null, 1, []], 'false, or an object with'],
    ['checks', [null, [], () => 1], 'an object from names'],
    ['details', ['all', '', null, true, {}], "'full' or 'codes' or 'none', or a function"],
    ['drain', [true, -1, NaN, Infinity, '3000', null], 'false, or a number of ms'],
    ['onTransition', [null, {}, 'log'], 'a function'],
    ['mount', [true, 'both', null], "'server' or 'router', or false"],
    [
      'standalone',
      [
        true,
        3000,
        null,
        {},
        { port: -1 },
        { port: 1.5 },
        { port: '80' },
        { socketPath: '' },
        { host: 'x' },
        { port: 1, socketPath: '/x' },
        { prt: 1 },
      ],
      '{ port, host? }',
    ],
    ['everyMs', [0, 99, -1, NaN, '1000', null, Infinity], 'a number of ms, 100 or more'],
  ])('%s takes nothing else, and says what it got and what it takes', (key, values, accepted) => {
    for (const value of values) {
      const found = problemsOf({ [key]: value });
      expect([value, found.length]).toEqual([value, 1]);
      expect(found[0]).toContain(`options.${key} must be `);
      expect(found[0]).toContain(accepted);
      expect(found[0]).toMatch(/, got \S/);
    }
  });

  it.each([
    [
      { eventLoop: { p99DelayMs: 0 } },
      'options.eventLoop.p99DelayMs must be a number of ms, 1 or more, got 0',
    ],
    [
      { eventLoop: { utilizationRatio: 95 } },
      'options.eventLoop.utilizationRatio must be a number from 0 to 1, got 95',
    ],
    [
      { eventLoop: { windowMs: 999 } },
      'options.eventLoop.windowMs must be a number of ms, 1000 or more, got 999',
    ],
    [{ resets: { failAfter: 0 } }, 'options.resets.failAfter must be a whole number, 1 or more, got 0'],
    [{ resets: { critical: 'no' } }, 'options.resets.critical must be true or false, got "no"'],
    [
      { pools: { db: { pool, wedgedAfterMs: '30s' } } },
      'options.pools.db.wedgedAfterMs must be a number of ms, 1 or more, got "30s"',
    ],
    [
      { pools: { db: { pool, pingEveryMs: 0 } } },
      'options.pools.db.pingEveryMs must be a number of ms, 100 or more, got 0',
    ],
    [
      { checks: { a: { check: () => 1, remedy: 'reboot' } } },
      "options.checks.a.remedy must be 'restart' or 'drain' or 'none', got \"reboot\"",
    ],
    [{ checks: { a: { remedy: 'none' } } }, 'options.checks.a.check must be a function, got undefined'],
    [{ checks: { a: { check: undefined } } }, 'options.checks.a.check must be a function, got undefined'],
  ])('deep inside is named with its whole way: %#', (options, problem) => {
    expect(problemsOf(options)).toEqual([problem]);
  });
});

describe('a mistake', () => {
  it('in a name is answered with what was meant', () => {
    expect(problemsOf({ pth: '/h' })[0]).toMatch(
      /^options\.pth is unknown, got "\/h"\. Did you mean "path"\? Accepted: path, pools, /,
    );
    expect(problemsOf({ eventLoop: { windowMS: 1_000, p99delay: 1 } })).toEqual([
      expect.stringContaining('options.eventLoop.windowMS is unknown, got 1000. Did you mean "windowMs"?'),
      expect.stringContaining('options.eventLoop.p99delay is unknown, got 1. Did you mean "p99DelayMs"?'),
    ]);
    expect(problemsOf({ checks: { a: { check: () => 1, timeout: 5 } } })[0]).toContain(
      'Did you mean "timeoutMs"?',
    );
    expect(problemsOf({ pools: { a: { pool, pingEvery: 5 } } })[0]).toContain('Did you mean "pingEveryMs"?');
  });

  it('is never alone: all are in one error, one line each', () => {
    const options = {
      pth: 1,
      everyMs: 5,
      drain: 'x',
      eventLoop: { p99DelayMs: -1, bogus: 1 },
      checks: { '9': 1 },
    };
    const found = problemsOf(options);
    expect(found).toHaveLength(7);
    const error = new VitalsOptionsError(found);
    expect(error.message.split('\n')).toEqual([
      'VitalsModule: 7 problems in the options:',
      ...found.map((one) => `  - ${one}`),
    ]);
    expect(error).toMatchObject({ name: 'VitalsOptionsError', problems: found });
  });

  it('alone is called one problem', () => {
    expect(new VitalsOptionsError(['x']).message).toBe('VitalsModule: a problem in the options:\n  - x');
  });

  it('inside a pool, a clash of names and a contradiction come in the same error as an unknown key', () => {
    const found = problemsOf({
      pth: '/h',
      pools: { a: { pool, bogus: 1 }, same: pool },
      checks: { same: () => 1, b: {} },
      resets: { degradedAt: 300 },
    });
    expect(found).toHaveLength(5);
  });

  it.each([
    [{ eventLoop: {} as const, checks: { eventLoop: () => 1 } }, ['checks.eventLoop']],
    [{ pools: { resets: () => pool } }, ['pools.resets']],
    [{ pools: { vitals: () => pool }, checks: { vitals: () => 1 } }, ['pools.vitals', 'checks.vitals']],
    [{ pools: { db: () => pool }, checks: { db: () => 1 } }, ['checks.db']],
    [{ pools: { remedy: () => pool } }, ['pools.remedy']],
  ])('is a name used twice: %#', (options, where) => {
    expect(
      problemsOf(options).map((one) => /^options\.(\S+) must have a name of its own/.exec(one)?.[1]),
    ).toEqual(where);
  });

  it('is not the name of an indicator that was turned off', () => {
    expect(
      problemsOf({ eventLoop: false, resets: false, checks: { eventLoop: () => 1, resets: () => 1 } }),
    ).toEqual([]);
  });

  it.each(['', '9a', '_a', 'a b', 'ä', 'a/b', 'a'.repeat(64), '__proto__x'])('is the name "%s"', (name) => {
    expect(problemsOf({ checks: { [name]: () => 1 } })).toHaveLength(1);
    expect(problemsOf({ pools: { [name]: () => pool } })).toHaveLength(1);
  });

  it('is a floor above the ceiling', () => {
    expect(problemsOf({ resets: { degradedAt: 10, downAt: 9 } })).toEqual([
      'options.resets.downAt must be at least degradedAt (10), got 9',
    ]);
    expect(problemsOf({ resets: { degradedAt: 201 } })).toHaveLength(1);
  });

  it('is a window in which a delay could never be believed', () => {
    const problem = (neededMs: number, windowMs: number): string =>
      `options.eventLoop.windowMs must be at least 2 x failAfter x everyMs (${neededMs} ms), got ${windowMs}`;
    expect(problemsOf({ everyMs: 1_250 })).toEqual([]);
    expect(problemsOf({ everyMs: 1_251 })).toEqual([problem(5_004, 5_000)]);
    expect(problemsOf({ everyMs: 60_000, eventLoop: false })).toEqual([]);
    expect(problemsOf({ eventLoop: { failAfter: 3 } })).toEqual([problem(6_000, 5_000)]);
    expect(problemsOf({ eventLoop: { windowMs: 1_000 }, everyMs: 250 })).toEqual([]);
  });

  it.each([
    [{}, 'an object with no keys'],
    [{ host: 'db' }, 'an object with host'],
    [new Map(), 'an instance of Map'],
    [null, 'null'],
    [{ pool: {} }, 'an object with no keys'],
    [{ pool: null }, 'null'],
    [{ pool: undefined }, 'undefined'],
  ])('is something that is no pool: %#', (given, shown) => {
    const found = problemsOf({ pools: { db: given } });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^options\.pools\.db(\.pool)? must be a /);
    expect(found[0]).toContain(`got ${shown}`);
  });

  it('is a path that no client can ask for', () => {
    for (const path of ['/..', '/a/../b', '/./a', '/a/.'])
      expect([path, problemsOf({ path }).length]).toEqual([path, 1]);
  });

  it('is a server of its own without a port', () => {
    expect(problemsOf({ standalone: { port: undefined } })).toHaveLength(1);
    expect(problemsOf({ standalone: { port: 80, socketPath: undefined } })).toEqual([]);
  });

  it('is a period longer than a timer can wait', () => {
    for (const key of ['everyMs', 'drain'])
      expect([key, problemsOf({ [key]: 2 ** 31 }).length]).toEqual([key, 1]);
  });
});

/** Every documented member of an exported interface, with the default that its comment states. */
function documented(file: string, name: string): Map<string, string | null> {
  const text = readFileSync(join(__dirname, '../lib', file), 'utf8');
  const body = new RegExp(`export interface ${name}\\b[^{]*\\{\\n([^]*?)\\n\\}`).exec(text)?.[1];
  if (body === undefined) throw new Error(`no interface ${name} in ${file}`);
  const members = body.matchAll(/(?:\/\*\*([^]*?)\*\/\s*)?(?:readonly )?(\w+)\??:/g);
  return new Map(
    [...members].map(([, comment = '', key]) => {
      const stated = /Default `?([^`]+?)`?\.\s*$/.exec(comment.replace(/\s*\n\s*\* ?/g, ' ').trim());
      return [key!, stated ? stated[1]!.trim() : null];
    }),
  );
}

/** `10 000`, `` `codes` ``, `true`: as the comments write them. */
function written(value: unknown): string {
  return String(value);
}

const plain = (stated: string): string => (/^[\d ]+$/.test(stated) ? stated.replace(/ /g, '') : stated);

const DOCUMENTED: readonly [string, string, object][] = [
  ['options.ts', 'VitalsOptions', { ...DEFAULTS, standalone: false }],
  ['options.ts', 'IndicatorOptions', DEFAULTS.pool],
  ['options.ts', 'PoolOptions', DEFAULTS.pool],
  ['options.ts', 'EventLoopOptions', DEFAULTS.eventLoop],
  ['options.ts', 'ResetOptions', DEFAULTS.resets],
  ['options.ts', 'CheckOptions', DEFAULTS.check],
  ['indicators/finding.ts', 'Patience', DEFAULTS.pool],
  ['indicators/pool.ts', 'PoolThresholds', DEFAULTS.pool],
  ['indicators/event-loop.ts', 'EventLoopThresholds', DEFAULTS.eventLoop],
  ['indicators/resets.ts', 'ResetThresholds', DEFAULTS.resets],
  ['sources/check.ts', 'CheckTiming', DEFAULTS.check],
];

describe('the doc comments', () => {
  it.each(DOCUMENTED)('in %s, %s: a default that is stated is the default', (file, name, defaults) => {
    for (const [key, stated] of documented(file, name)) {
      const value = (defaults as Record<string, unknown>)[key];
      if (stated === null || value === undefined || typeof value === 'object') continue;
      expect(`${key} ${plain(stated)}`).toBe(`${key} ${written(value)}`);
    }
  });

  it.each(DOCUMENTED)('in %s, %s: every option that has a default states it', (file, name, defaults) => {
    const silent = [...documented(file, name)].filter(
      ([key, stated]) =>
        stated === null && Object.hasOwn(defaults, key) && typeof (defaults as any)[key] !== 'object',
    );
    expect(silent.map(([key]) => key)).toEqual([]);
  });

  it('agree that patience and weight are the same for every kind of indicator', () => {
    for (const { failAfter, recoverAfter, critical } of [
      DEFAULTS.pool,
      DEFAULTS.eventLoop,
      DEFAULTS.resets,
      DEFAULTS.check,
    ])
      expect([failAfter, recoverAfter, critical]).toEqual([2, 2, true]);
  });
});

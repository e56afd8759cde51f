import { answerOf, httpStatus, type Answer } from '../../lib/endpoint/answer.js';
import type { Format, Question, Route } from '../../lib/endpoint/question.js';
import type { Finding, Remedy } from '../../lib/indicators/finding.js';
import type { Details } from '../../lib/options.js';
import { aged, type Snapshot } from '../../lib/verdict/snapshot.js';
import { down, finding, snapshotOf } from '../verdict/make.js';

const ROUTES: readonly Route[] = ['health', 'live', 'ready'];
const FORMATS: readonly Format[] = ['json', 'health+json', 'text'];
const DETAILS: readonly Details[] = ['full', 'codes', 'none'];
const TERMS = { details: 'codes', retryAfterSeconds: 1 } as const;

const ask = (given: Partial<Question> = {}): Question => ({
  route: 'health',
  format: 'json',
  verbose: false,
  exclude: [],
  ...given,
});

const textOf = (snapshot: Snapshot, question: Partial<Question>, details: Details = 'codes'): string =>
  answerOf(snapshot, ask(question), { ...TERMS, details }).body.toString();

const jsonOf = (snapshot: Snapshot, question: Partial<Question> = {}, details: Details = 'codes') =>
  JSON.parse(textOf(snapshot, question, details)) as Record<string, any>;

const up = finding({ data: { used: 1 } });
const slow = finding({ status: 'degraded', code: 'DB_SLOW' });
const unreachable = down({ code: 'DB_UNREACHABLE' });
const wedged = down({ code: 'POOL_WEDGED', remedy: 'restart' });
const freshness = { staleAfterMs: 3_000, downAfterMs: 10_000 };

/** DESIGN, section 5, row by row. */
const TABLE: readonly [string, Snapshot, number, number, string][] = [
  ['all up', snapshotOf([{ seen: up }]), 200, 200, 'ok'],
  ['nothing to measure', snapshotOf([]), 200, 200, 'ok'],
  ['degraded', snapshotOf([{ seen: slow }]), 200, 200, 'degraded'],
  ['down, remedy none', snapshotOf([{ seen: unreachable }]), 503, 200, 'error'],
  ['down, remedy drain', snapshotOf([{ seen: down({ remedy: 'drain' }) }]), 503, 200, 'error'],
  ['down, remedy restart', snapshotOf([{ seen: wedged }]), 503, 503, 'error'],
  ['down and not critical', snapshotOf([{ seen: wedged, critical: false }]), 200, 200, 'degraded'],
  ['degraded, remedy restart', snapshotOf([{ seen: { ...slow, remedy: 'restart' } }]), 200, 200, 'degraded'],
  ['starting', snapshotOf([{ seen: null }], { phase: 'starting' }), 503, 200, 'error'],
  ['draining', snapshotOf([{ seen: up }], { phase: 'draining' }), 503, 200, 'shutting_down'],
  [
    'draining, remedy restart',
    snapshotOf([{ seen: wedged }], { phase: 'draining' }),
    503,
    200,
    'shutting_down',
  ],
  ['maintenance', snapshotOf([{ seen: up }], { isMaintenance: true }), 503, 200, 'error'],
  ['stale', aged(snapshotOf([{ seen: up }]), 4_000, freshness), 200, 200, 'degraded'],
  ['long stale', aged(snapshotOf([{ seen: up }]), 11_000, freshness), 503, 503, 'error'],
  [
    'draining and stale',
    aged(snapshotOf([{ seen: up }], { phase: 'draining' }), 1e6, freshness),
    503,
    200,
    'shutting_down',
  ],
];

describe('the table of answers', () => {
  it.each(TABLE)('%s', (_state, snapshot, ready, live, word) => {
    expect(ROUTES.map((route) => httpStatus(snapshot, route))).toEqual([ready, live, ready]);
    expect(jsonOf(snapshot).status).toBe(word);
    expect(jsonOf(snapshot, { route: 'ready' }).status).toBe(word);
    expect(jsonOf(snapshot, { route: 'live' }).status).toBe(live === 200 ? 'ok' : 'error');
  });

  it('starting, remedy restart: a start that fails is not cured by starting over', () => {
    const snapshot = snapshotOf([{ seen: wedged }, { name: 'late', seen: null }], { phase: 'starting' });
    expect(ROUTES.map((route) => httpStatus(snapshot, route))).toEqual([503, 200, 503]);
  });

  it.each(TABLE)('%s: the HTTP status never depends on the audience or the format', (_state, snapshot) => {
    for (const route of ROUTES) {
      const statuses = DETAILS.flatMap((details) =>
        FORMATS.map((format) => answerOf(snapshot, ask({ route, format }), { ...TERMS, details }).status),
      );
      expect(new Set(statuses)).toEqual(new Set([httpStatus(snapshot, route)]));
    }
  });
});

const sick = snapshotOf([
  { name: 'eventLoop', seen: finding({ message: 'event loop: fine', data: { p99DelayMs: 1.5 } }) },
  {
    name: 'db',
    seen: down({
      code: 'POOL_WEDGED',
      remedy: 'restart',
      message: 'pool "db" at db.internal:5432 is wedged',
      data: {
        used: 10,
        max: 10,
        isReachable: true,
        errorCode: 'ECONNRESET',
        host: 'db.internal',
        none: null,
        bad: NaN,
      },
    }),
  },
  {
    name: 'api',
    critical: false,
    seen: finding({ status: 'degraded', code: 'CHECK_FAILED', message: 'api.internal refused' }),
  },
]);

const SINCE = '2026-11-02T09:59:00.000Z';
const CHECKED = '2026-11-02T09:59:59.000Z';

describe('the JSON body', () => {
  it('is a superset of what Terminus answers, with key order', () => {
    const eventLoop = {
      status: 'up',
      remedy: 'none',
      since: SINCE,
      checkedAt: CHECKED,
      critical: true,
      data: { p99DelayMs: 1.5 },
    };
    const db = {
      status: 'down',
      code: 'POOL_WEDGED',
      remedy: 'restart',
      since: SINCE,
      checkedAt: CHECKED,
      critical: true,
      data: { used: 10, max: 10, isReachable: true, none: null },
    };
    const api = {
      status: 'degraded',
      code: 'CHECK_FAILED',
      remedy: 'none',
      since: SINCE,
      checkedAt: CHECKED,
      critical: false,
      data: {},
    };
    expect(textOf(sick, {})).toBe(
      JSON.stringify({
        status: 'error',
        info: { eventLoop, api },
        error: { db },
        details: { eventLoop, db, api },
        phase: 'running',
        cause: { name: 'db', code: 'POOL_WEDGED' },
        remedy: 'restart',
        checkedAt: '2026-11-02T10:00:00.000Z',
        uptimeSeconds: 3600,
      }),
    );
  });

  it('shows messages, texts and every number to the privileged, and null for what is no number', () => {
    expect(jsonOf(sick, {}, 'full').details.db).toMatchObject({
      message: 'pool "db" at db.internal:5432 is wedged',
      data: { used: 10, host: 'db.internal', errorCode: 'ECONNRESET', bad: null, none: null },
    });
  });

  it('shows nobody but the status at none', () => {
    expect(textOf(sick, {}, 'none')).toBe('{"status":"error","info":{},"error":{},"details":{}}');
    expect(textOf(sick, { format: 'health+json' }, 'none')).toBe('{"status":"fail"}');
    expect(textOf(sick, { format: 'text', verbose: true }, 'none')).toBe('error\n');
  });

  it('never shows a message, a text or a host name below full, in any format, route, header or query', () => {
    for (const details of ['codes', 'none'] as const)
      for (const format of FORMATS)
        for (const route of ROUTES)
          for (const verbose of [true, false])
            for (const exclude of [[], ['api'], ['nothing']]) {
              const { body, headers } = answerOf(sick, ask({ format, route, verbose, exclude }), {
                ...TERMS,
                details,
              });
              expect(`${body.toString()} ${JSON.stringify(headers)}`).not.toMatch(
                /internal|refused|ECONNRESET|wedged/,
              );
            }
  });

  it('shows on /live only what a restart would cure', () => {
    expect(Object.keys(jsonOf(sick, { route: 'live' }).details)).toEqual(['db']);
    const unwell = snapshotOf([{ seen: unreachable }]);
    expect(jsonOf(unwell, { route: 'live' })).toMatchObject({
      status: 'ok',
      info: {},
      error: {},
      details: {},
      cause: null,
      remedy: 'none',
    });
  });

  it('names on a failing /live the cause that a restart would cure, not one that it would not', () => {
    const both = snapshotOf([
      { name: 'first', seen: unreachable },
      { name: 'second', seen: wedged },
    ]);
    expect(jsonOf(both, { route: 'live' }).cause).toEqual({ name: 'second', code: 'POOL_WEDGED' });
    expect(jsonOf(both, { route: 'live', format: 'health+json' }).output).toBe('second: POOL_WEDGED');
  });

  it('says stale only when it is', () => {
    expect(jsonOf(sick)).not.toHaveProperty('stale');
    expect(jsonOf(aged(sick, 4_000, freshness)).stale).toBe(true);
  });

  it('is judged without the excluded, and says which exclusion named nothing', () => {
    const body = jsonOf(sick, { exclude: ['db', 'nobody'] });
    expect(body).toMatchObject({
      status: 'degraded',
      remedy: 'none',
      warning: 'exclude names no indicator: nobody',
    });
    expect(Object.keys(body.details)).toEqual(['eventLoop', 'api']);
    expect(answerOf(sick, ask({ exclude: ['db'] }), TERMS).status).toBe(200);
    expect(answerOf(sick, ask({ exclude: ['db'], route: 'live' }), TERMS).status).toBe(200);
  });

  it('does not tell the public at none which names there are', () => {
    for (const format of FORMATS) {
      const [known, unknown] = ['api', 'nobody'].map((name) =>
        textOf(sick, { format, exclude: [name] }, 'none'),
      );
      expect(known).toBe(unknown);
    }
  });

  it('is valid JSON with any name a caller invents', () => {
    const body = jsonOf(sick, { exclude: ['"}\n\u2028\ud800', '__proto__'] });
    expect(body.warning).toContain('__proto__');
  });
});

describe('the health+json body', () => {
  it('follows draft-inadarei-api-health-check-06', () => {
    expect(jsonOf(sick, { format: 'health+json' })).toEqual({
      status: 'fail',
      output: 'db: POOL_WEDGED',
      notes: ['phase running', 'remedy restart'],
      checks: {
        eventLoop: [{ componentId: 'eventLoop', status: 'pass', time: CHECKED, p99DelayMs: 1.5 }],
        db: [
          {
            componentId: 'db',
            status: 'fail',
            time: CHECKED,
            output: 'POOL_WEDGED',
            used: 10,
            max: 10,
            isReachable: true,
            none: null,
          },
        ],
        api: [{ componentId: 'api', status: 'warn', time: CHECKED, output: 'CHECK_FAILED' }],
      },
    });
  });

  it.each([
    [snapshotOf([{ seen: up }]), 'pass'],
    [snapshotOf([{ seen: slow }]), 'warn'],
    [snapshotOf([{ seen: unreachable }]), 'fail'],
    [snapshotOf([{ seen: up }], { phase: 'draining' }), 'fail'],
    [snapshotOf([{ seen: up }], { phase: 'starting' }), 'fail'],
  ])('has a status of its own three words (%#)', (snapshot, status) => {
    expect(jsonOf(snapshot, { format: 'health+json' }).status).toBe(status);
  });

  it('keeps its own keys whatever a check calls its numbers', () => {
    const seen = finding({ data: { status: 1, time: 2, output: 3, componentId: 4, used: 5 } });
    expect(jsonOf(snapshotOf([{ seen }]), { format: 'health+json' }).checks.db[0]).toMatchObject({
      componentId: 'db',
      status: 'pass',
      time: CHECKED,
      used: 5,
    });
  });
});

describe('the text body', () => {
  it('is one word and the end of the line', () => {
    expect(TABLE.map(([, snapshot]) => textOf(snapshot, { format: 'text' }))).toEqual(
      TABLE.map(([, , , , word]) => `${word}\n`),
    );
  });

  it('names every indicator when verbose, without messages for the public', () => {
    expect(textOf(sick, { format: 'text', verbose: true, exclude: ['x'] })).toBe(
      [
        'error',
        '[+]eventLoop ok',
        '[-]db down POOL_WEDGED remedy=restart',
        '[~]api degraded CHECK_FAILED remedy=none',
        '[?]x excluded, but there is no indicator of that name',
        '',
      ].join('\n'),
    );
    expect(textOf(sick, { format: 'text', verbose: true }, 'full')).toContain(
      '[-]db down POOL_WEDGED remedy=restart (pool "db" at db.internal:5432 is wedged)\n',
    );
  });

  it('leaves out what is excluded', () => {
    expect(textOf(sick, { format: 'text', verbose: true, exclude: ['db', 'api'] })).toBe(
      'ok\n[+]eventLoop ok\n',
    );
  });

  it('has one line for each name, whatever the caller writes into it', () => {
    const text = textOf(sick, { format: 'text', verbose: true, exclude: ['x\n[+]db ok\r'] });
    expect(text).not.toContain('\n[+]db ok');
    expect(text.split('\n')).toHaveLength(6);
  });
});

describe('the headers', () => {
  const answers: [string, Answer][] = TABLE.flatMap(([state, snapshot]) =>
    FORMATS.flatMap((format) =>
      ROUTES.map((route): [string, Answer] => [
        `${state} ${format} ${route}`,
        answerOf(snapshot, ask({ format, route }), TERMS),
      ]),
    ),
  );

  it('are the same in number and order on every answer, and complete', () => {
    for (const [name, { status, headers, body }] of answers) {
      const names = [
        'Content-Type',
        'Content-Length',
        'Cache-Control',
        'X-Content-Type-Options',
        'X-Health-Status',
        'Vary',
      ];
      expect([name, Object.keys(headers)]).toEqual([
        name,
        status === 503 ? [...names, 'Retry-After'] : names,
      ]);
      expect(headers).toMatchObject({
        'Content-Length': String(body.length),
        'Cache-Control': 'no-cache, no-store, must-revalidate',
        Vary: 'Accept',
      });
      if (status === 503) expect(headers['Retry-After']).toBe('1');
    }
  });

  it('say the same flat', () => {
    for (const [, { headers, flatHeaders }] of answers)
      expect(flatHeaders).toEqual(Object.entries(headers).flat());
  });

  it('name the type', () => {
    expect(FORMATS.map((format) => answerOf(sick, ask({ format }), TERMS).headers['Content-Type'])).toEqual([
      'application/json; charset=utf-8',
      'application/health+json',
      'text/plain; charset=utf-8',
    ]);
  });

  it('count bytes and not characters', () => {
    const snapshot = snapshotOf([{ seen: down({ message: 'schläft 💤' }) }]);
    const { headers, body } = answerOf(snapshot, ask(), { ...TERMS, details: 'full' });
    expect(headers['Content-Length']).toBe(String(Buffer.byteLength(body.toString())));
    expect(body.length).toBeGreaterThan(body.toString().length);
  });

  it.each<[Route, Details, string]>([
    ['health', 'codes', 'error; db=POOL_WEDGED; api=CHECK_FAILED; remedy=restart'],
    ['ready', 'full', 'error; db=POOL_WEDGED; api=CHECK_FAILED; remedy=restart'],
    ['live', 'codes', 'error; db=POOL_WEDGED; remedy=restart'],
    ['health', 'none', 'error'],
  ])('tell in X-Health-Status on %s at %s: %s', (route, details, value) => {
    expect(answerOf(sick, ask({ route }), { ...TERMS, details }).headers['X-Health-Status']).toBe(value);
  });

  it('say in X-Health-Status that a restart is refused, and only where one would help', () => {
    const history = { previous: null, restarts: { refused: 'the budget is spent' } };
    const header = (seen: Snapshot): string | undefined =>
      answerOf(seen, ask(), { ...TERMS, history }).headers['X-Health-Status'];
    expect(header(sick)).toBe('error; db=POOL_WEDGED; api=CHECK_FAILED; remedy=restart; refused');
    expect(header(snapshotOf([{ name: 'db', seen: unreachable }]))).toBe('error; db=DB_UNREACHABLE');
  });

  it('name no remedy in X-Health-Status where nothing here would cure it', () => {
    const header = (route: Route): string | undefined =>
      answerOf(snapshotOf([{ name: 'db', seen: unreachable }]), ask({ route }), TERMS).headers[
        'X-Health-Status'
      ];
    expect([header('health'), header('live')]).toEqual(['error; db=DB_UNREACHABLE', 'ok']);
  });

  it('stay below the four kilobytes that proxies take, however many indicators are down', () => {
    const parts = Array.from({ length: 400 }, (_, i) => ({
      name: `tenant-database-number-${i}`,
      seen: unreachable,
    }));
    const { headers } = answerOf(snapshotOf(parts), ask(), TERMS);
    expect(headers['X-Health-Status']!.length).toBeLessThan(1_024);
    expect(headers['X-Health-Status']).toMatch(/^error; tenant-database-number-0=DB_UNREACHABLE; /);
  });
});

describe('an answer', () => {
  const remedies: readonly Remedy[] = ['restart', 'drain', 'none'];

  it('has the same bytes for the same snapshot and question', () => {
    for (const format of FORMATS)
      expect(textOf(sick, { format })).toBe(textOf(structuredClone(sick), { format }));
  });

  it('names code and remedy of every fault', () => {
    for (const remedy of remedies) {
      const seen: Finding = down({ code: 'CHECK_TIMED_OUT', remedy });
      expect(jsonOf(snapshotOf([{ seen }])).error.db).toMatchObject({ code: 'CHECK_TIMED_OUT', remedy });
    }
  });
});

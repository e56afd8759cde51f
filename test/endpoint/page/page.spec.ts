import { documentOf, updateOf, type Content } from '../../../lib/endpoint/page/index.js';
import type { Detail, Ended, Incident, Told } from '../../../lib/endpoint/page/told.js';
import {
  between,
  counted,
  headline,
  plain,
  sentence,
  span,
  STEPS,
  whoRestarts,
} from '../../../lib/endpoint/page/words.js';
import { CODES } from '../../../lib/indicators/finding.js';

const AT = '2026-11-02T10:00:00.000Z';
const NONCE = 'bm9uY2U=';

function detail(given: Partial<Detail> = {}): Detail {
  return { status: 'up', remedy: 'none', since: AT, checkedAt: AT, critical: true, data: {}, ...given };
}

function told(given: Partial<Told> = {}): Told {
  return {
    status: 'ok',
    phase: 'running',
    cause: null,
    remedy: 'none',
    checkedAt: AT,
    uptimeSeconds: 7_200,
    details: {},
    ...given,
  };
}

function content(given: Partial<Told> = {}, incidents: readonly Incident[] = [], isFull = true): Content {
  const self = { host: 'box-1', pid: 4711 };
  const cure = { isOn: false, inMs: null };
  return { told: told(given), isFull, incidents, incidentsLateMs: null, ends: [], self, cure };
}

const past = { run: 'a', first: 0, series: [], slots: 360, slotMs: 10_000 };
const partsOf = (given: Content) => JSON.parse(updateOf(given, past)).page as { top: string; more: string };
const textOf = (markup: string): string => markup.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

describe('sentence', () => {
  it.each(CODES)('has words of its own for %s', (code) => {
    expect(headline({ name: 'main', code })).not.toContain(code);
  });

  it('says a code that it does not know as it stands', () => {
    expect(headline({ name: 'main', code: 'NEW_CODE' })).toBe('main: NEW_CODE');
  });

  it.each<[string, Partial<Told>]>([
    ['All is well; there is nothing to do.', {}],
    [
      'Pool main is wedged; a restart cures it.',
      { status: 'error', remedy: 'restart', cause: { name: 'main', code: 'POOL_WEDGED' } },
    ],
    [
      'Pool $& is starved; less traffic cures it.',
      { status: 'degraded', remedy: 'drain', cause: { name: '$&', code: 'POOL_STARVED' } },
    ],
    [
      'The event loop is blocked; no restart is due yet.',
      { status: 'error', cause: { name: 'eventLoop', code: 'LOOP_BLOCKED' } },
    ],
    [
      'The database behind main is unreachable; a restart cures it, for what else is wrong.',
      {
        status: 'error',
        remedy: 'restart',
        cause: { name: 'main', code: 'DB_UNREACHABLE' },
        details: { main: detail({ status: 'down', code: 'DB_UNREACHABLE' }) },
      },
    ],
    [
      'The service is draining; it finishes what it has and leaves.',
      { cause: { name: 'vitals', code: 'DRAINING' } },
    ],
    ['Something is wrong.', { status: 'error' }],
  ])('is: %s', (words, given) => {
    expect(sentence(told(given))).toBe(words);
  });
});

describe('a code', () => {
  it.each(CODES)('has a step of its own: %s', (code) => {
    expect(STEPS[code]).toMatch(/^[A-Z].{5,118}\.$/);
  });

  it('is followed by its step, in the verdict and in the card of what else is wrong', () => {
    const details = {
      main: detail({ status: 'down', code: 'DB_SLOW' }),
      queue: detail({ status: 'down', code: 'POOL_WEDGED' }),
    };
    const { top } = partsOf(
      content({ status: 'error', cause: { name: 'main', code: 'DB_SLOW' }, details }, [], false),
    );
    for (const code of ['DB_SLOW', 'POOL_WEDGED'])
      expect(textOf(top).replaceAll('&#39;', "'").split(`What to do: ${STEPS[code]}`)).toHaveLength(2);
  });
});

describe('who restarts', () => {
  const wedged = { status: 'error', remedy: 'restart' } as const;
  it.each<[string, Partial<Told>, { isOn: boolean; inMs: number | null }]>([
    ['', { status: 'error' }, { isOn: true, inMs: null }],
    ['', { ...wedged, phase: 'draining' }, { isOn: true, inMs: 0 }],
    [
      'Vitals does not restart it: recovery.exit is off. Restart it by hand, or leave it to what watches /live.',
      wedged,
      { isOn: false, inMs: null },
    ],
    [
      'Vitals ends this process in 12 s if this lasts; its restart policy starts it again.',
      wedged,
      { isOn: true, inMs: 12_000 },
    ],
    ['Vitals ends this process now; its restart policy starts it again.', wedged, { isOn: true, inMs: 0 }],
    [
      'Vitals does not restart it: the budget is spent. Restart it by hand.',
      { ...wedged, restarts: { refused: 'the budget is spent' } },
      { isOn: true, inMs: 0 },
    ],
    [
      'Vitals does not restart it, because a guard speaks against it. Restart it by hand.',
      { ...wedged, restarts: { refused: true } },
      { isOn: true, inMs: 0 },
    ],
  ])('is: %s', (words, given, cure) => {
    expect(whoRestarts(told(given), cure)).toBe(words);
    const { top } = partsOf({ ...content(given), cure });
    expect(textOf(top)).toContain(words);
  });

  it('stands beside which process it is, for those who may see that', () => {
    expect(textOf(partsOf(content()).top)).toContain('up for 2 h · host box-1 · pid 4711');
    expect(partsOf(content({}, [], false)).top).not.toMatch(/box-1|4711/);
  });
});

describe('span', () => {
  it.each([
    [0, '0 ms'],
    [3.44, '3.4 ms'],
    [999, '999 ms'],
    [1_000, '1 s'],
    [41_234, '41.2 s'],
    [120_000, '2 min'],
    [7_200_000, '2 h'],
    [172_800_000, '2 days'],
  ])('%d ms is %s', (ms, words) => {
    expect(span(ms)).toBe(words);
  });

  it('is counted as people count', () => {
    expect([0, 1, 2].map((count) => counted(count, 'time'))).toEqual(['0 times', '1 time', '2 times']);
  });

  it('keeps the bounds of a limit apart', () => {
    expect([between(349_000, 351_000), between(1_950, 2_050)]).toEqual(['349 to 351 s', '1950 to 2050 ms']);
  });

  it.each([
    [
      'pool "main": no connection returned for 31200 ms while 10 wait',
      'No connection returned for 31.2 s while 10 wait',
    ],
    ['event loop: 412 ms late at p99 over 5000 ms', '412 ms late at p99 over 5 s'],
    [
      'resets: idle for 349000 to 351000 ms; set idleTimeoutMillis: 175500',
      'Idle for 349 to 351 s; set idleTimeoutMillis: 175500',
    ],
    ['', ''],
  ])('is what people read in "%s"', (message, words) => {
    expect(plain(message)).toBe(words);
  });
});

describe('the document', () => {
  it('has a policy that lets in nothing but its own two elements, by the nonce of this answer', () => {
    const { body, headers } = documentOf(content(), NONCE);
    expect(headers['Content-Security-Policy']).toBe(
      `default-src 'none'; style-src 'nonce-${NONCE}'; script-src 'nonce-${NONCE}'; connect-src 'self'; ` +
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(body.match(/<(style|script) nonce="[^"]*"/g)).toEqual([
      `<style nonce="${NONCE}"`,
      `<script nonce="${NONCE}"`,
    ]);
    expect(body.match(/<script/g)).toHaveLength(2);
    expect(body).toContain('<script type="application/json"');
  });

  it('has no handler, no style attribute and no address of anything else', () => {
    const { body } = documentOf(
      content({ details: { main: detail({ data: { used: 3, max: 10 } }) } }),
      NONCE,
    );
    const markup = body.replace(/<(script|style)[^>]*>[\s\S]*?<\/\1>/g, '');
    expect(markup).not.toMatch(/\s(on\w+|style)=/);
    expect(markup).not.toMatch(/https?:|\ssrc=|url\(|@import/);
    expect(markup.match(/href="[^"]*"/g)).toEqual(['href="data:,"']);
  });

  it.each(['</script><script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "'&<!--", '\u2028${1}'])(
    'tells %j as text, wherever it stands',
    (evil) => {
      const own = detail({
        status: 'down',
        code: evil,
        message: `check: ${evil}`,
        since: evil,
        data: {
          driver: evil,
          total: 9,
          windowMs: 1,
          advice: [evil],
          origins: [
            {
              direction: 'outbound',
              peer: evil,
              pool: evil,
              driver: evil,
              setting: evil,
              cause: { name: evil, known: evil },
            },
          ],
        },
      });
      const incident = {
        at: AT,
        indicator: evil,
        code: evil,
        status: 'down',
        remedy: 'none',
        message: evil,
        ended: null,
      } as const;
      const given = content(
        {
          cause: { name: evil, code: evil },
          details: { [evil]: own, resets: own },
          previous: { by: evil, code: evil, message: evil, at: AT, ranSeconds: 1 },
          restarts: { lastDay: 1, refused: evil },
        },
        [incident],
      );
      const { body } = documentOf(given, NONCE);
      const { top, more } = partsOf(given);
      for (const markup of [body, top, more]) {
        const tags = new Set([...markup.matchAll(/<([a-z!-]+)/g)].map(([, tag]) => tag));
        expect(tags.has('img')).toBe(false);
        expect(markup.match(/<script/g)?.length ?? 0).toBe(markup === body ? 2 : 0);
        expect(markup).not.toContain('<!--');
        expect(markup).not.toMatch(/\sonerror=(?!alert\(1\)&gt;)/);
      }
    },
  );

  it.each([20, 60])(
    'is below 60 KB with %d pools, all of them wedged, and everything else there is',
    (pools) => {
      const data = {
        driver: 'knex/oracledb',
        windowMs: 10_000,
        max: 10,
        used: 10,
        idle: 0,
        waiting: 7,
        stillMs: 41_234,
        oldestWaiterMs: 40_123,
        acquireWaitMs: 1_234,
        queryMs: 2_345,
        pingMs: 12,
        wedgedAfterMs: 30_000,
        slowAfterMs: 1_000,
        starvedAfterMs: 2_000,
      };
      const message =
        'pool "main": no connection returned for 41234 ms while 10 of 10 are used and 7 wait (threshold 30000 ms)';
      const wedged = detail({ status: 'down', code: 'POOL_WEDGED', remedy: 'restart', message, data });
      const origin = {
        direction: 'outbound',
        peer: 'database-number-1.internal.example:1521',
        pool: 'pool-number-1',
        driver: 'knex/oracledb',
        inWindow: 38,
        total: 409,
        cause: { name: 'idle-drop', fromMs: 349_000, toMs: 351_000, known: 'AWS NLB and NAT gateway, 350 s' },
        setting: 'set pool: { min: 0, idleTimeoutMillis: 175500 }, or EXPIRE_TIME=2 in the connect string',
      };
      const resets = { windowMs: 60_000, total: 409, origins: Array.from({ length: 5 }, () => origin) };
      const details = {
        ...Object.fromEntries(Array.from({ length: pools }, (_, i) => [`pool-number-${i}`, wedged])),
        resets: detail({ status: 'degraded', code: 'RESET_RATE_HIGH', message, data: resets }),
      };
      const cause = { name: 'pool-number-0', code: 'POOL_WEDGED' };
      const incidents = Array.from({ length: 100 }, () => ({
        at: AT,
        indicator: 'main',
        code: 'POOL_WEDGED',
        status: 'down' as const,
        remedy: 'restart' as const,
        message,
        ended: null,
      }));
      const given = content({ status: 'error', remedy: 'restart', cause, details }, incidents);
      const { body } = documentOf(given, NONCE);
      expect(Buffer.byteLength(body)).toBeLessThan(60_000);
      const { top, more } = partsOf(given);
      expect(top.match(/<article/g)).toHaveLength(8);
      expect(textOf(more).match(/pool-number-/g)!.length).toBeGreaterThanOrEqual(pools - 8);
    },
  );
});

describe('a card or a line', () => {
  it('has the number, its threshold and the distance between them', () => {
    const data = { used: 3, max: 10, queryMs: 250, slowAfterMs: 1_000, waiting: 2 };
    const { top } = partsOf(content({ details: { main: detail({ status: 'degraded', data }) } }));
    expect(textOf(top)).toContain('3 used of 10 · 7 left 250 ms mean query threshold 1 s · 75 % below');
    expect(top).toContain('<rect class="fill" width="20.0"');
    const { more } = partsOf(content({ details: { main: detail({ data: { ...data, queryMs: 999 } }) } }));
    expect(textOf(more)).toContain('main ✓ Up 999 ms mean query · threshold 1 s · 0 % below');
  });

  it('tells what a pool without a max has in use', () => {
    const data = { used: 3, max: null, waiting: 2 };
    expect(textOf(partsOf(content({ details: { main: detail({ data }) } })).more)).toContain(
      '3 used, no max · 2 waiting',
    );
  });

  it('says how far over a threshold is, and marks it', () => {
    const data = { p99DelayMs: 500, thresholdP99DelayMs: 200 };
    const { top } = partsOf(content({ details: { eventLoop: detail({ status: 'down', data }) } }));
    expect(textOf(top)).toContain('500 ms delay at p99 threshold 200 ms · 2.5 times that');
    expect(top).toContain('class="meter first over"');
    expect(top).toContain('<rect class="fill" width="100.0"');
  });

  it('shows figures without a threshold by their names, and no text of a check', () => {
    const data = { freeRatio: 0.5, queueLength: 7, tookMs: 1_500, path: '/secret' };
    const { more } = partsOf(content({ details: { disk: detail({ data }) } }));
    expect(textOf(more)).toContain('free 0.5 · queue length 7 · took 1.5 s');
    expect(more).not.toContain('secret');
  });

  it('comes first when it is the cause, then by how bad it is', () => {
    const details = {
      a: detail(),
      b: detail({ status: 'down', critical: false }),
      c: detail({ status: 'degraded', code: 'DB_SLOW' }),
      d: detail({ status: 'down' }),
    };
    const { top, more } = partsOf(content({ cause: { name: 'c', code: 'DB_SLOW' }, details }));
    expect([...(top + more).matchAll(/<h3>(\w)</g)].map(([, name]) => name).join('')).toBe('cdba');
    expect(top.match(/<article/g)).toHaveLength(3);
  });
});

describe('the timeline', () => {
  const incident = (at: string, given: Partial<Incident> = {}): Incident => ({
    at,
    indicator: 'main',
    code: 'POOL_WEDGED',
    status: 'down',
    remedy: 'restart',
    message: 'pool "main": no connection returned for 31000 ms',
    ended: { how: 'recovered', at: AT, lastedMs: 65_000 },
    ...given,
  });
  const previous = {
    by: 'watchdog',
    code: 'LOOP_BLOCKED',
    message: 'blocked',
    at: '2026-11-02T07:59:00Z',
    ranSeconds: 300,
  };

  it('tells incidents and restarts, the latest first', () => {
    const given = {
      previous,
      restarts: { lastDay: 4, byVitalsLastHour: 2, refused: 'budget of 3 is spent' },
    };
    const { more } = partsOf(
      content(given, [
        incident('2026-11-02T07:00:00Z', { returns: 3 }),
        incident('2026-11-02T09:00:00Z', { ended: null }),
      ]),
    );
    expect(textOf(more)).toContain(
      '! Down'.slice(2) +
        ': Pool main is wedged 09:00:00 UTC · it lasts · a restart cures it · No connection returned for 31 s',
    );
    const order = [
      'it lasts',
      'This process started',
      'The watchdog ended a process',
      'recovered after 65 s, came back 3 times',
    ];
    const places = order.map((words) => textOf(more).indexOf(words));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places[0]).toBeGreaterThan(0);
    expect(textOf(more)).toContain(
      '4 restarts in the last day, 2 by vitals in the last hour, a restart is due and refused: budget of 3 is spent',
    );
    expect(textOf(more)).toContain('LOOP_BLOCKED, after 5 min · Blocked');
  });

  const ended = (minutes: number, by: string): Ended => ({
    by,
    code: 'KILLED',
    message: 'no memory left',
    at: new Date(Date.parse(AT) - minutes * 60_000).toISOString(),
    ranMs: 240_000,
    pid: 815,
  });

  it('tells the end of each process, and of whom only to those who may see everything', () => {
    const ends = [ended(180, 'crash'), ended(150, 'killed'), ended(130, 'recovery')];
    const text = textOf(partsOf({ ...content({ previous }), ends }).more);
    const order = [
      'This process started',
      'The recovery ended a',
      'A process was killed',
      'A process crashed',
    ];
    const places = order.map((words) => text.indexOf(words));
    expect(places[0]).toBeGreaterThan(0);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(text).toContain('07:30:00 UTC · KILLED, after 4 min · pid 815 · no memory left');
    expect(text).not.toContain('watchdog');
    expect(partsOf({ ...content({}, [], false), ends }).more).not.toMatch(/815|memory/);
  });

  it('keeps what lasts, however many came after it', () => {
    const many = Array.from({ length: 40 }, (_, i) =>
      incident(new Date(Date.parse(AT) + i * 1_000).toISOString()),
    );
    const old = incident('2026-11-01T00:00:00Z', { ended: null });
    const { more } = partsOf(content({}, [old, ...many]));
    expect(more.match(/<li/g)).toHaveLength(12);
    expect(textOf(more)).toContain('it lasts');
    expect(textOf(more)).toContain('30 earlier are not shown.');
  });

  it('keeps what was said from the public', () => {
    const { more } = partsOf(content({}, [incident(AT)], false));
    expect(more).not.toContain('No connection returned');
  });

  it('holds the latest twelve', () => {
    const many = Array.from({ length: 40 }, (_, i) =>
      incident(new Date(Date.parse(AT) + i * 1_000).toISOString()),
    );
    expect(partsOf(content({}, many)).more.match(/<li/g)).toHaveLength(12);
  });
});

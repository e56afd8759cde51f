import { judgeCheck, type CheckTerms } from '../../lib/indicators/check.js';
import type { CheckReading } from '../../lib/sources/check.js';
import type { Outcome } from '../../lib/sources/deadline.js';

const TERMS: CheckTerms = { remedy: 'none', shared: false };

function judge(outcome: Outcome<unknown> | null, more: Partial<CheckReading> = {}, terms = TERMS) {
  return judgeCheck(
    'api',
    { outcome, serial: 1, timeoutMs: 2_000, inFlightMs: null, isInconclusive: false, ...more },
    terms,
  );
}

const answered = (value: unknown) => judge({ kind: 'fulfilled', value, ms: 12.4 });
const threw = (error: unknown) => judge({ kind: 'rejected', error, ms: 12.4 });

/** What Terminus 10 and 11 throw. */
const healthCheckError = (causes: unknown) =>
  Object.assign(new Error('failed'), { isHealthCheckError: true, causes });

describe('judgeCheck', () => {
  it('has nothing to say before the first outcome', () => {
    expect(judge(null)).toBeNull();
  });

  it.each([
    undefined,
    null,
    true,
    0,
    '',
    'ok',
    {},
    [],
    [false],
    { rows: [1] },
    { status: 'OK' },
    { status: 200 },
    { status: 'up' },
    { db: { status: 'up' } },
    { a: { status: 'up' }, b: { status: 'up' } },
    { data: { status: 'down' }, headers: {} },
  ])('takes the answer %j for up', (value) => {
    expect(answered(value)).toMatchObject({
      status: 'up',
      remedy: 'none',
      message: 'check "api": answered in 12 ms (timeout 2000 ms)',
    });
  });

  it.each<[unknown, string, string]>([
    [false, 'down', 'answered false'],
    [{ status: 'down' }, 'down', '"answer" is down'],
    [{ status: 'degraded' }, 'degraded', '"answer" is degraded'],
    [{ db: { status: 'down' } }, 'down', '"db" is down'],
    [{ a: { status: 'up' }, b: { status: 'degraded' }, c: { status: 'down' } }, 'down', '"c" is down'],
    [{ a: { status: 'up' }, b: { status: 'degraded' } }, 'degraded', '"b" is degraded'],
    [{ a: { status: 'up', degraded: true } }, 'degraded', '"a" is degraded'],
    [{ a: { status: 'bad' } }, 'down', '"a" has the unknown status "bad"'],
  ])('takes the answer %j for %s: %s', (value, status, why) => {
    expect(answered(value)).toMatchObject({
      status,
      code: 'CHECK_FAILED',
      message: `check "api": ${why} after 12 ms (timeout 2000 ms)`,
    });
  });

  it.each<[string, unknown, string, string]>([
    ['an error', new Error('refused'), 'down', 'failed (refused)'],
    ['a text', 'refused', 'down', 'failed (refused)'],
    ['nothing', undefined, 'down', 'failed (undefined)'],
    ['several lines', new Error('first\nsecond'), 'down', 'failed (first)'],
    ['a long text', new Error('x'.repeat(500)), 'down', `failed (${'x'.repeat(200)})`],
    [
      'what Terminus throws',
      healthCheckError({ db: { status: 'down', message: 'gone' } }),
      'down',
      '"db" is down',
    ],
    [
      'what Terminus throws, degraded',
      healthCheckError({ db: { status: 'degraded' } }),
      'degraded',
      '"db" is degraded',
    ],
    ['causes that claim to be up', healthCheckError({ db: { status: 'up' } }), 'down', 'failed (failed)'],
    ['causes that are none', healthCheckError('x'), 'down', 'failed (failed)'],
  ])('takes %s thrown for a failure', (_what, error, status, why) => {
    expect(threw(error)).toMatchObject({
      status,
      code: 'CHECK_FAILED',
      message: `check "api": ${why} after 12 ms (timeout 2000 ms)`,
    });
  });

  it('says something of an error without a message: its code', () => {
    const error = Object.assign(new AggregateError([new Error('::1'), new Error('127.0.0.1')]), {
      code: 'ECONNREFUSED',
    });
    expect(threw(error)!.message).toContain('failed (ECONNREFUSED)');
  });

  it('takes the answer of fetch for what it says: not ok is down', () => {
    expect(answered(new Response('', { status: 500 }))).toMatchObject({
      status: 'down',
      code: 'CHECK_FAILED',
    });
    expect(answered(new Response('', { status: 200 }))).toMatchObject({ status: 'up' });
  });

  it('says of a time limit how long it was and whether the flight still hangs', () => {
    const outcome: Outcome<unknown> = { kind: 'timedOut', ms: 2_001, lateMs: 1 };
    expect(judge(outcome)).toMatchObject({
      status: 'down',
      code: 'CHECK_TIMED_OUT',
      message: 'check "api": no answer in 2000 ms (timeout 2000 ms)',
    });
    expect(judge(outcome, { inFlightMs: 9_000 })).toMatchObject({
      message: 'check "api": no answer in 2000 ms and is still in flight after 9000 ms (timeout 2000 ms)',
      data: { responseMs: 2_001, timeoutMs: 2_000, inFlightMs: 9_000 },
    });
  });

  it('passes on that nothing was learned, of a time limit only', () => {
    expect(judge({ kind: 'timedOut', ms: 1, lateMs: 1 }, { isInconclusive: true })).toMatchObject({
      inconclusive: true,
    });
    expect(judge({ kind: 'timedOut', ms: 1, lateMs: 1 })).not.toHaveProperty('inconclusive');
    expect(judge({ kind: 'fulfilled', value: 1, ms: 1 }, { isInconclusive: true })).not.toHaveProperty(
      'inconclusive',
    );
  });

  it('has the remedy of its terms when it fails and none when it does not', () => {
    for (const remedy of ['restart', 'drain', 'none'] as const) {
      const terms = { remedy, shared: false };
      expect(judge({ kind: 'rejected', error: 1, ms: 1 }, {}, terms)!.remedy).toBe(remedy);
      expect(judge({ kind: 'timedOut', ms: 1, lateMs: 0 }, {}, terms)!.remedy).toBe(remedy);
      expect(judge({ kind: 'fulfilled', value: 1, ms: 1 }, {}, terms)!.remedy).toBe('none');
    }
  });

  it('degrades at most when every replica asks the same', () => {
    const terms = { remedy: 'none', shared: true } as const;
    const outcomes: Outcome<unknown>[] = [
      { kind: 'rejected', error: 1, ms: 1 },
      { kind: 'timedOut', ms: 1, lateMs: 0 },
      { kind: 'fulfilled', value: false, ms: 1 },
      { kind: 'fulfilled', value: { status: 'degraded' }, ms: 1 },
    ];
    for (const outcome of outcomes) expect(judge(outcome, {}, terms)!.status).toBe('degraded');
    expect(judge({ kind: 'fulfilled', value: 1, ms: 1 }, {}, terms)!.status).toBe('up');
  });

  it('shows the scalars of an answer, and its own numbers before any of the same name', () => {
    const value = {
      db: { status: 'down', open: 3, host: 'h', ok: false, list: [1], nan: NaN, timeoutMs: 'mine' },
    };
    expect(answered(value)!.data).toEqual({
      open: 3,
      host: 'h',
      ok: false,
      responseMs: 12,
      timeoutMs: 2_000,
      inFlightMs: null,
    });
  });

  it('keeps the code of an error as data', () => {
    expect(threw(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }))!.data).toMatchObject({
      errorCode: 'ECONNREFUSED',
    });
    expect(threw(Object.assign(new Error('no'), { code: 42 }))!.data).not.toHaveProperty('errorCode');
  });

  it('has its own numbers always, up or down', () => {
    for (const found of [answered(1), answered(false), threw(1)])
      expect(found!.data).toMatchObject({ responseMs: 12, timeoutMs: 2_000, inFlightMs: null });
  });
});

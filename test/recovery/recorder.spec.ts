import { answerOf, type History } from '../../lib/endpoint/answer.js';
import { FlightDirectory } from '../../lib/recovery/flight-directory.js';
import { Recorder } from '../../lib/recovery/recorder.js';
import type { Detail, Phase, Snapshot } from '../../lib/verdict/snapshot.js';

const START = Date.UTC(2026, 10, 24);
let seconds = 0;
beforeEach(() => {
  seconds = 0;
});

function detail(more: Partial<Detail>): Detail {
  const at = START + seconds * 1000;
  const up = { status: 'up', code: null, remedy: 'none', message: 'well', data: { used: seconds } } as const;
  return { name: 'main', ...up, since: at, checkedAt: at, critical: true, ...more };
}
const WEDGED = { status: 'down', code: 'POOL_WEDGED', message: 'wedged' } as const;
const BLOCK = {
  at: new Date(START).toISOString(),
  indicator: 'eventLoop',
  code: 'LOOP_BLOCKED',
  status: 'down',
  remedy: 'restart',
  message: 'blocked',
  ended: null,
} as const;
const STARVED = { status: 'degraded', code: 'POOL_STARVED', remedy: 'drain', message: 'starved' } as const;

/** One second later. */
function snapshot(
  details: readonly Partial<Detail>[],
  phase: Phase = 'running',
  isMaintenance = false,
): Snapshot {
  seconds++;
  const all = details.map(detail);
  const worst =
    all.find(({ status }) => status === 'down') ?? all.find(({ status }) => status === 'degraded');
  return {
    status: worst ? (worst.status === 'down' ? 'error' : 'degraded') : 'ok',
    phase,
    cause: worst ? { name: worst.name, code: worst.code! } : null,
    remedy: worst?.remedy ?? 'none',
    details: all,
    takenAt: START + seconds * 1000,
    isStale: false,
    isMaintenance,
    uptimeMs: 1,
  };
}

function recorded(...seen: readonly Snapshot[]): Recorder {
  const recorder = new Recorder(new FlightDirectory(null), 3, { log: () => {}, warn: () => {} });
  for (const one of seen) recorder.see(one);
  return recorder;
}

it('makes one incident of a departure from ok, with the five readings before it and how it ended', () => {
  const well = Array.from({ length: 7 }, () => snapshot([{}]));
  const [incident, ...more] = recorded(
    ...well,
    snapshot([WEDGED]),
    snapshot([WEDGED]),
    snapshot([{}]),
  ).incidents();
  expect(more).toEqual([]);
  expect(incident).toMatchObject({
    at: new Date(START + 8_000).toISOString(),
    indicator: 'main',
    code: 'POOL_WEDGED',
    status: 'down',
    remedy: 'none',
    message: 'wedged',
    ended: { how: 'recovered', at: new Date(START + 10_000).toISOString(), lastedMs: 2_000 },
  });
  expect(incident!.before!.map(({ figures }) => figures['main']!['used'])).toEqual([3, 4, 5, 6, 7]);
});

it('takes over what is worse, and a remedy that has become due, but nothing better', () => {
  const recorder = recorded(snapshot([STARVED]));
  const now = (): unknown[] => recorder.incidents().map(({ code, remedy }) => `${code} ${remedy}`);
  recorder.see(snapshot([WEDGED]));
  expect(now()).toEqual(['POOL_WEDGED none']);
  recorder.see(snapshot([{ ...WEDGED, remedy: 'restart' }]));
  expect(now()).toEqual(['POOL_WEDGED restart']);
  recorder.see(snapshot([STARVED]));
  expect(now()).toEqual(['POOL_WEDGED restart']);
});

it('takes the same cause within a minute for the same incident, another cause for another', () => {
  const recorder = recorded(snapshot([WEDGED]), snapshot([{}]), snapshot([WEDGED]), snapshot([{}]));
  expect(recorder.incidents()).toMatchObject([{ returns: 1 }]);
  recorder.see(snapshot([STARVED]));
  recorder.see(snapshot([{}]));
  seconds += 60;
  recorder.see(snapshot([STARVED]));
  expect(recorder.incidents().map(({ code }) => code)).toEqual([
    'POOL_WEDGED',
    'POOL_STARVED',
    'POOL_STARVED',
  ]);
});

it.each([
  ['starts', 'starting', false],
  ['drains', 'draining', false],
  ['is maintained', 'running', true],
] as const)('makes no incident while the process %s', (_, phase, isMaintenance) => {
  expect(recorded(snapshot([WEDGED], phase, isMaintenance)).incidents()).toEqual([]);
});

it('keeps no more than it is told to', () => {
  const recorder = recorded();
  for (let i = 0; i < 5; i++) {
    recorder.see(snapshot([{ ...WEDGED, name: `pool${i}` }]));
    recorder.see(snapshot([{}]));
  }
  expect(recorder.incidents().map(({ indicator }) => indicator)).toEqual(['pool2', 'pool3', 'pool4']);
});

it('names the outbound origins with most resets, each with its cause and its setting', () => {
  const origin = (peer: string, inWindow: number, direction = 'outbound') => ({
    direction,
    peer,
    inWindow,
    cause: { name: 'idle-drop' },
    setting: 'set it',
  });
  const origins = [origin('a:1', 9), origin('in', 8, 'inbound'), origin('b:1', 0)];
  const recorder = recorded(snapshot([WEDGED, { name: 'resets', data: { origins } }]));
  expect(recorder.incidents()[0]!.resets).toEqual([
    { origin: 'outbound a:1', inWindow: 9, cause: 'idle-drop', setting: 'set it' },
  ]);
});

it('puts what the main thread was in into the incident that is open, or the next of the event loop', () => {
  const blocked = { name: 'eventLoop', status: 'down', code: 'LOOP_BLOCKED' } as const;
  const recorder = recorded(snapshot([{}]));
  recorder.blocked('at first');
  recorder.see(snapshot([blocked]));
  expect(recorder.incidents()).toMatchObject([{ stack: 'at first' }]);
  recorder.blocked('at second');
  expect(recorder.incidents()).toMatchObject([{ stack: 'at second' }]);
});

it('keeps a block of its own beside what is open, and no more of them than it is told to', () => {
  const block = (id: string) => ({ id, ...BLOCK });
  const recorder = recorded(snapshot([WEDGED]));
  for (const id of ['a', 'b', 'c']) recorder.blocked('stack', block(id));
  expect(recorder.incidents().map(({ id }) => id)).toEqual(expect.arrayContaining(['b', 'c']));
  expect(recorder.incidents()).toHaveLength(3);
});

describe('the answer', () => {
  const history: History = {
    previous: {
      by: 'crash',
      code: 'EPIPE',
      message: 'to db:1521',
      at: '2026-11-24T00:00:00.000Z',
      ranMs: 5_400,
    },
    restarts: { lastDay: 2, byVitalsLastHour: 1, refused: 'the budget is spent' },
  };
  const body = (details: 'full' | 'codes' | 'none'): unknown => {
    const question = { route: 'health', format: 'json', verbose: false, exclude: [] } as const;
    return JSON.parse(
      String(answerOf(snapshot([{}]), question, { details, retryAfterSeconds: 1, history }).body),
    );
  };

  it('has no texts for the public, and nothing for those who may know nothing', () => {
    expect(body('full')).toMatchObject({
      previous: { by: 'crash', code: 'EPIPE', message: 'to db:1521', ranSeconds: 5 },
      restarts: { lastDay: 2, byVitalsLastHour: 1, refused: 'the budget is spent' },
    });
    const { previous, restarts } = body('codes') as Record<string, object>;
    expect(previous).toEqual({ by: 'crash', code: 'EPIPE', at: '2026-11-24T00:00:00.000Z', ranSeconds: 5 });
    expect(restarts).toEqual({ lastDay: 2, byVitalsLastHour: 1, refused: true });
    expect(body('none')).not.toHaveProperty('previous');
  });
});

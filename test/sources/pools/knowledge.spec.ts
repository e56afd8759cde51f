import { Knowledge } from '../../../lib/sources/pools/knowledge.js';

const LIMITS = { pingEveryMs: 10_000, pingTimeoutMs: 2_000 };
const LATE = { kind: 'inconclusive', code: 'TIMEOUT' } as const;
const SILENT = { kind: 'failed', code: 'TIMEOUT' } as const;

test('nothing is known at first', () => {
  expect(new Knowledge(LIMITS).reading(1_000)).toEqual({
    isReachable: null,
    knownBy: null,
    ageMs: null,
    pingMs: null,
    connectMs: null,
    errorCode: null,
    isInconclusive: false,
  });
});

test('the latest news counts, with its way and its age', () => {
  const knowledge = new Knowledge(LIMITS);
  knowledge.heard(1_000);
  expect(knowledge.reading(1_200)).toMatchObject({ isReachable: true, knownBy: 'traffic', ageMs: 200 });
  knowledge.learn(3_000, 2_000, 'ping', { kind: 'failed', code: 'ECONNREFUSED' });
  expect(knowledge.reading(3_000)).toMatchObject({
    isReachable: false,
    knownBy: 'ping',
    errorCode: 'ECONNREFUSED',
  });
  knowledge.learn(5_000, 4_990, 'connect', { kind: 'answered', ms: 4 });
  expect(knowledge.reading(5_000)).toMatchObject({
    isReachable: true,
    knownBy: 'connect',
    connectMs: 4,
    errorCode: null,
  });
});

test('a measured time is told for three ping periods', () => {
  const knowledge = new Knowledge(LIMITS);
  knowledge.learn(1_000, 990, 'ping', { kind: 'answered', ms: 7.26 });
  expect(knowledge.reading(31_000).pingMs).toBe(7.3);
  expect(knowledge.reading(31_001).pingMs).toBeNull();
});

test('a failed ping does not outvote traffic that was answered while it flew', () => {
  const knowledge = new Knowledge(LIMITS);
  knowledge.heard(2_500);
  expect(knowledge.learn(4_000, 2_000, 'ping', SILENT)).toBe(false);
  expect(knowledge.reading(4_000).isReachable).toBe(true);
  expect(knowledge.learn(6_000, 4_000, 'ping', SILENT)).toBe(true);
  expect(knowledge.reading(6_000).isReachable).toBe(false);
});

test('a question that was never put teaches nothing', () => {
  const knowledge = new Knowledge(LIMITS);
  expect(knowledge.learn(1_000, 500, 'ping', { kind: 'unasked' })).toBe(false);
  expect(knowledge.reading(1_000).isReachable).toBeNull();
});

test('lateness of our own leaves the knowledge open for 15 time limits, then it counts', () => {
  const knowledge = new Knowledge(LIMITS);
  knowledge.heard(0);
  for (let now = 10_000; now < 40_000; now += 3_000) {
    knowledge.learn(now, now - 2_000, 'ping', LATE);
    expect(knowledge.reading(now)).toMatchObject({ isReachable: true, isInconclusive: true });
  }
  knowledge.learn(40_000, 38_000, 'ping', LATE);
  expect(knowledge.reading(40_000)).toMatchObject({
    isReachable: false,
    isInconclusive: false,
    errorCode: 'TIMEOUT',
  });
});

test('an answer between two late ones gives the whole patience back', () => {
  const knowledge = new Knowledge(LIMITS);
  knowledge.learn(10_000, 8_000, 'ping', LATE);
  knowledge.heard(30_000);
  expect(knowledge.reading(30_000).isInconclusive).toBe(false);
  knowledge.learn(41_000, 39_000, 'ping', LATE);
  expect(knowledge.reading(41_000)).toMatchObject({ isReachable: true, isInconclusive: true });
});

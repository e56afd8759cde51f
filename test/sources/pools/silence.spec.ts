/** Every way a connection can be out: the traffic is told, the clock is ours. */
import type { Traffic } from '../../../lib/sources/pools/adapter.js';
import { Silence, trafficOf } from '../../../lib/sources/pools/silence.js';

const one = {};
let traffic: Traffic | null;
let silence: Silence;

beforeEach(() => {
  traffic = { moved: 100, bytesRead: 60, isBusy: null };
  silence = new Silence({ traffic: () => traffic });
});

/** What the samples see, one a second; answers the silence after each. */
function seen(...looks: (Traffic | null)[]): number[] {
  return looks.map((look, i) => {
    traffic = look;
    silence.observe((i + 1) * 1_000, [one]);
    return silence.over((i + 1) * 1_000, 0)[0]?.silentMs ?? 0;
  });
}

/** The same for how long a query has been under way. */
function asked(...looks: Traffic[]): (number | null)[] {
  return looks.map((look, i) => {
    traffic = look;
    silence.observe((i + 1) * 1_000, [one]);
    return silence.asked((i + 1) * 1_000)[0]?.askedMs ?? null;
  });
}

const still: Traffic = { moved: 100, bytesRead: 60, isBusy: null };

test('silence counts from the checkout while nothing moves', () => {
  silence.checkout(500, one);
  expect(seen(still, still)).toEqual([500, 1_500]);
});

test('a connection that was out before is silent from first sight', () => {
  expect(seen(still, still, still)).toEqual([0, 1_000, 2_000]);
});

test('what is received ends it, and what is sent is waited for', () => {
  silence.checkout(500, one);
  const received = { moved: 110, bytesRead: 70, isBusy: null };
  const sent = { moved: 130, bytesRead: 70, isBusy: null };
  expect(seen(received, received, sent, sent, sent)).toEqual([0, 1_000, 0, 0, 0]);
});

test('a query that the driver knows of is no silence, however it came about', () => {
  silence.checkout(500, one);
  const busy = { ...still, isBusy: true };
  expect(seen(busy, busy, { ...still, isBusy: false }, still)).toEqual([0, 0, 1_000, 2_000]);
});

test('a driver that says it is not busy is believed over bytes that were sent last', () => {
  silence.checkout(500, one);
  const sent = { moved: 130, bytesRead: 60, isBusy: false };
  expect(seen(sent, sent)).toEqual([0, 1_000]);
});

test('a connection whose socket cannot be seen is never silent', () => {
  traffic = null;
  silence.checkout(500, one);
  expect(seen(null, null)).toEqual([0, 0]);
});

test('a connection that came back and went out again begins anew', () => {
  silence.checkout(500, one);
  seen(still, still);
  silence.checkout(2_500, one);
  silence.observe(3_000, [one]);
  expect(silence.over(3_000, 0)).toEqual([{ connection: one, silentMs: 500 }]);
});

test('those over a threshold are listed, the longest first', () => {
  const two = {};
  silence.checkout(0, one);
  silence.checkout(500, two);
  silence.observe(1_000, [two, one]);
  expect(silence.over(1_000, 500).map(({ connection }) => connection)).toEqual([one, two]);
  expect(silence.over(1_000, 501)).toHaveLength(1);
  silence.observe(2_000, []);
  expect(silence.over(2_000, 0)).toEqual([]);
});

test.each<[string, Traffic[], (number | null)[]]>([
  ['by bytes', [still, { ...still, moved: 130 }, { ...still, moved: 130 }], [null, 0, 1_000]],
  ['by its driver', [still, { ...still, isBusy: true }, { ...still, isBusy: true }], [null, 0, 1_000]],
])('a query is under way from the sample that sees it first: %s', (_name, looks, expected) => {
  silence.checkout(500, one);
  expect(asked(...looks)).toEqual(expected);
});

test('an answer in many parts is that to one query, and what is sent after it is another', () => {
  silence.checkout(500, one);
  const busy = (moved: number, bytesRead: number): Traffic => ({ moved, bytesRead, isBusy: true });
  expect(asked(busy(130, 60), busy(530, 460), busy(930, 860), busy(960, 870))).toEqual([0, 1_000, 2_000, 0]);
  expect(asked({ moved: 960, bytesRead: 870, isBusy: false })).toEqual([null]);
});

test('queries are listed by how long they are under way', () => {
  const two = {};
  traffic = { ...still, isBusy: true };
  silence.observe(1_000, [one]);
  silence.observe(2_000, [two, one]);
  expect(silence.asked(3_000)).toEqual([
    { connection: one, askedMs: 2_000 },
    { connection: two, askedMs: 1_000 },
  ]);
});

const socket = { bytesRead: 5, bytesWritten: 7, destroy() {} };

test.each<[string, object, boolean | null]>([
  ['pg, idle', { connection: { stream: socket }, readyForQuery: true }, false],
  ['pg, asking', { connection: { stream: socket }, readyForQuery: false }, true],
  ['mysql2, idle', { stream: socket, _paused_packets: { length: 0 }, _command: null }, false],
  ['mysql2, asking', { stream: socket, _paused_packets: { length: 0 }, _command: {} }, true],
  ['tedious, idle', { socket, state: { name: 'LoggedIn' } }, false],
  ['tedious, asking', { socket, state: { name: 'SentClientRequest' } }, true],
  ['a driver that does not say', { stream: socket }, null],
])('traffic of %s', (_name, connection, isBusy) => {
  expect(trafficOf(connection)).toEqual({ moved: 12, bytesRead: 5, isBusy });
});

test('traffic of what has no socket cannot be seen', () => {
  expect(trafficOf({})).toBeNull();
});

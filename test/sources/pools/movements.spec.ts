import { Movements } from '../../../lib/sources/pools/movements.js';

const [a, b, w1, w2] = [{}, {}, {}, {}];
const full = (waiting: number) => ({ max: 2, used: 2, idle: 0, opening: 0, waiting });

test('checkouts and checkins are counted, and those of the window apart', () => {
  const movements = new Movements(10_000);
  movements.checkout(1_000, a, null, null);
  movements.checkin(1_100, a, null);
  movements.checkout(20_000, a, null, null);
  movements.checkin(20_100, a, null);
  expect(movements).toMatchObject({ checkouts: 2, checkins: 2 });
  expect(movements.checkinsInWindow(20_200)).toBe(1);
});

test('a checkin of what was not out is not counted', () => {
  const movements = new Movements(10_000);
  expect(movements.checkin(1_000, a, 99)).toBe(false);
  expect(movements.checkins).toBe(0);
});

test('a checkin proves the database only when bytes came in since the checkout', () => {
  const movements = new Movements(10_000);
  movements.checkout(1_000, a, 100, null);
  expect(movements.checkin(1_100, a, 100)).toBe(false);
  movements.checkout(2_000, a, 100, null);
  expect(movements.checkin(2_100, a, 101)).toBe(true);
  movements.checkout(3_000, a, null, null);
  expect(movements.checkin(3_100, a, 500)).toBe(false);
});

test('a retracted checkout did not happen', () => {
  const movements = new Movements(10_000);
  movements.checkout(1_000, a, 1, null);
  movements.retract(1_000, a);
  movements.queued(900, 0);
  expect(movements.checkouts).toBe(0);
  expect(movements.oldestCheckoutMs(2_000)).toBeNull();
  expect(movements.acquireWaitMs(2_000)).toBeNull();
});

test('the oldest checkout counts from its event, or from first sight when it was out before', () => {
  const movements = new Movements(10_000);
  movements.observe(1_000, full(0), [a], []);
  movements.checkout(1_500, b, null, null);
  movements.observe(2_000, full(0), [a, b], []);
  expect(movements.oldestCheckoutMs(3_000)).toBe(2_000);
  movements.checkin(3_000, a, null);
  expect(movements.oldestCheckoutMs(3_000)).toBe(1_500);
  movements.observe(4_000, { ...full(0), used: 0 }, [], []);
  expect(movements.oldestCheckoutMs(4_000)).toBeNull();
});

test('the oldest waiter counts from the sample that first saw it and ends with it', () => {
  const movements = new Movements(10_000);
  movements.observe(1_000, full(1), [a, b], [w1]);
  movements.observe(2_000, full(2), [a, b], [w1, w2]);
  expect(movements.oldestWaiterMs(2_500)).toBe(1_500);
  movements.observe(3_000, full(1), [a, b], [w2]);
  expect(movements.oldestWaiterMs(3_000)).toBe(1_000);
  movements.observe(4_000, full(0), [a, b], []);
  expect(movements.oldestWaiterMs(4_000)).toBeNull();
});

test('stillness begins with saturation and begins anew with each checkin', () => {
  const movements = new Movements(10_000);
  movements.checkout(500, a, null, null);
  movements.checkout(500, b, null, null);
  movements.observe(1_000, full(0), [a, b], []);
  expect(movements.stillMs(1_000)).toBeNull();
  movements.observe(2_000, full(1), [a, b], [w1]);
  expect(movements.stillMs(5_000)).toBe(3_000);
  movements.checkin(6_000, a, null);
  movements.checkout(6_000, a, null, null);
  movements.observe(7_000, full(1), [a, b], [w2]);
  expect(movements.stillMs(7_000)).toBe(1_000);
});

test('stillness outlives waiters who give up and ends when they were served', () => {
  const gaveUp = new Movements(10_000);
  gaveUp.observe(1_000, full(1), [a, b], [w1]);
  gaveUp.observe(2_000, full(0), [a, b], []);
  expect(gaveUp.stillMs(2_000)).toBe(1_000);
  gaveUp.observe(3_000, { ...full(0), used: 1, idle: 1 }, [a], []);
  expect(gaveUp.stillMs(3_000)).toBeNull();

  const served = new Movements(10_000);
  served.checkout(500, a, null, null);
  served.observe(1_000, full(1), [a, b], [w1]);
  served.checkin(1_500, a, null);
  served.checkout(1_500, a, null, null);
  served.observe(2_000, full(0), [a, b], []);
  expect(served.stillMs(2_000)).toBeNull();
});

test('whoever gets the connection that was being opened was served, and no wedge is left of it', () => {
  const movements = new Movements(10_000);
  movements.checkout(500, a, null, null);
  movements.observe(1_000, { max: 2, used: 1, idle: 0, opening: 1, waiting: 1 }, [a], [w1]);
  expect(movements.stillMs(1_400)).toBe(400);
  movements.checkout(1_500, b, null, null);
  movements.observe(2_000, full(0), [a, b], []);
  // Both are out on long queries, and nobody waits.
  expect(movements.stillMs(40_000)).toBeNull();
});

test('a pool with its last place being opened while one connection is out is saturated, an empty one is not', () => {
  const movements = new Movements(10_000);
  movements.observe(1_000, { max: 2, used: 1, idle: 0, opening: 1, waiting: 1 }, [a], [w1]);
  expect(movements.stillMs(1_500)).toBe(500);
  movements.observe(2_000, { max: 2, used: 0, idle: 0, opening: 2, waiting: 2 }, [], [w1, w2]);
  expect(movements.stillMs(2_000)).toBeNull();
  expect(movements.unservedMs(2_500)).toBe(1_500);
});

test('the mean wait is exact where the driver tells it', () => {
  const movements = new Movements(10_000);
  movements.checkout(1_000, a, null, 10);
  movements.checkout(1_000, b, null, 30);
  expect(movements.acquireWaitMs(1_500)).toBe(20);
  expect(movements.acquireWaitMs(60_000)).toBeNull();
});

test('without that, the mean wait follows from the length of the queue', () => {
  // One connection, held 100 ms each time; three callers always queue: each waits 300 ms.
  const movements = new Movements(10_000);
  movements.served(1, 3);
  for (let now = 101; now <= 9_901; now += 100) {
    movements.queued(now, 3);
    movements.checkin(now, a, null);
    movements.checkout(now, a, null, null);
    movements.served(now, 3);
  }
  expect(movements.acquireWaitMs(9_901)).toBeCloseTo(300, -1);
});

test('a caller who is served at once after a long quiet has not waited', () => {
  const movements = new Movements(10_000);
  movements.queued(1_000, 0);
  movements.checkout(1_900, a, null, null);
  movements.served(1_900, 0);
  expect(movements.acquireWaitMs(2_000)).toBe(0);
});

test('the mean query covers the window only', () => {
  const movements = new Movements(10_000);
  movements.query(1_000, 5_000);
  movements.query(20_000, 10);
  movements.query(20_000, 20);
  expect(movements.queryMs(20_100)).toBe(15);
});

test('callers go unserved until one of them gets a connection', () => {
  const movements = new Movements(10_000);
  const empty = { max: 2, used: 0, idle: 0, opening: 2, waiting: 2 };
  movements.observe(1_000, empty, [], [w1, w2]);
  expect(movements.unopenedMs(3_000)).toBe(2_000);
  movements.checkout(5_000, a, null, null);
  expect(movements.unopenedMs(6_000)).toBe(1_000);
  movements.observe(7_000, { ...empty, waiting: 0 }, [a], []);
  expect(movements.unopenedMs(7_000)).toBeNull();
});

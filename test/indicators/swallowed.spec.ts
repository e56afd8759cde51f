import { judgeSwallowed } from '../../lib/indicators/swallowed.js';

const reading = (inWindow: number, codes: { code: string; total: number }[] = []) => ({
  windowMs: 600_000,
  inWindow,
  total: inWindow,
  codes,
});

test.each([
  [0, 'up', undefined, 'none'],
  [9, 'up', undefined, 'none'],
  [10, 'degraded', 'ERRORS_SWALLOWED', 'restart'],
  [100_000, 'degraded', 'ERRORS_SWALLOWED', 'restart'],
])('%d swallowed errors are %s', (count, status, code, remedy) => {
  const found = judgeSwallowed(reading(count), { degradedAt: 10, downAt: false });
  expect([found.status, found.code, found.remedy]).toEqual([status, code, remedy]);
});

test('the message has the number, the window, the threshold and the codes', () => {
  const codes = ['A', 'B', 'C', 'D', 'E', 'F'].map((code, i) => ({ code, total: 9 - i }));
  const { message, data } = judgeSwallowed(reading(12, codes), { degradedAt: 10, downAt: false });
  expect(message).toBe(
    'swallowed: 12 uncaught errors in 600000 ms did not end the process (threshold 10); since the start: A 9, B 8, C 7, D 6, E 5',
  );
  expect(data).toEqual({
    inWindow: 12,
    total: 12,
    windowMs: 600_000,
    degradedAt: 10,
    downAt: false,
    codes: codes.slice(0, 5),
  });
});

test.each([
  [99, 'degraded', 10],
  [100, 'down', 100],
])('with downAt 100, %d swallowed errors are %s', (count, status, threshold) => {
  const found = judgeSwallowed(reading(count), { degradedAt: 10, downAt: 100 });
  expect([found.status, found.code, found.remedy]).toEqual([status, 'ERRORS_SWALLOWED', 'restart']);
  expect(found.message).toContain(`(threshold ${threshold})`);
});

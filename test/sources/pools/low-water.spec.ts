/** The mark of windows of a second; the clock is ours. */
import { LowWater } from '../../../lib/sources/pools/low-water.js';

/** The marks and rises after each window, of which these counts are seen at equal distances. */
function after(...windows: number[][]): [number | null, number][] {
  const water = new LowWater(1_000);
  water.observe(0, windows[0]![0]!);
  return windows.map((counts, at) => {
    counts.forEach((used, i) => water.observe(1_000 * at + (1_000 * (i + 1)) / counts.length, used));
    return [water.mark, water.rises];
  });
}

test('the mark is the fewest of a whole window, and unknown before', () => {
  const water = new LowWater(1_000);
  water.observe(0, 5);
  water.observe(500, 3);
  expect(water.mark).toBeNull();
  water.observe(1_000, 7);
  expect(water.mark).toBe(3);
});

test('what is taken and does not come back makes it rise, whatever comes and goes above it', () => {
  expect(after([0, 4, 0, 3], [1, 5, 1, 4], [1, 9, 1, 8], [2, 4, 2, 9], [3, 3, 9, 9])).toEqual([
    [0, 0],
    [1, 1],
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
});

test('one fall and it begins anew', () => {
  expect(after([1, 1], [2, 2], [3, 3], [1, 1], [2, 2]).map(([, rises]) => rises)).toEqual([0, 1, 2, 0, 1]);
});

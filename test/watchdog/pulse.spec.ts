import { Pulse } from '../../lib/watchdog/pulse.js';

/** Ticks as [ms since the last one, beats since, ms in line for a CPU since, and whether it is in line now]. */
function after(
  ...ticks: readonly [gapMs: number, beats: number, queuedMs: number, isInLine?: boolean][]
): Pulse {
  let at = { now: 0, beats: 0, queuedMs: 0, isInLine: false };
  const pulse = new Pulse(250, at);
  for (const [gapMs, beats, queuedMs, isInLine = false] of ticks) {
    at = { now: at.now + gapMs, beats: at.beats + beats, queuedMs: at.queuedMs + queuedMs, isInLine };
    pulse.tick(at);
  }
  return pulse;
}

it('counts the time since the last beat', () => {
  expect(after([250, 0, 0], [250, 0, 0], [250, 0, 0]).effectiveMs).toBe(750);
});

it('begins anew with each beat', () => {
  const pulse = after([250, 0, 0], [250, 1, 0], [250, 0, 0]);
  expect([pulse.effectiveMs, pulse.wallMs]).toEqual([250, 250]);
});

it('counts a tick that comes after a minute, as after a pause, for two beats', () => {
  const pulse = after([250, 0, 0], [60_000, 0, 0]);
  expect([pulse.effectiveMs, pulse.wallMs]).toEqual([750, 60_250]);
});

it('leaves out the time in line for a CPU, and never goes back for it', () => {
  expect(after([250, 0, 0], [250, 0, 200]).effectiveMs).toBe(300);
  expect(after([250, 0, 0], [250, 0, 9_000]).effectiveMs).toBe(0);
});

it('takes off a wait that the kernel tells of only when it is over', () => {
  expect(after([250, 0, 0], [250, 0, 0], [250, 0, 0], [250, 0, 600]).effectiveMs).toBe(400);
});

it('leaves out a wait that goes on, and does not take it off again when it is over', () => {
  const waiting = [250, 0, 0, true] as [number, number, number, boolean];
  expect(after([250, 0, 0], waiting, waiting, waiting).effectiveMs).toBe(250);
  expect(after([250, 0, 0], waiting, waiting, [250, 0, 500]).effectiveMs).toBe(500);
});

it('counts nothing that was before it was forgiven', () => {
  const pulse = after([250, 0, 0]);
  pulse.forgive();
  expect(pulse.effectiveMs).toBe(0);
});

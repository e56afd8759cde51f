import { SlidingWindow } from '../../lib/sources/window.js';

describe('SlidingWindow', () => {
  it('counts what happened in the window, each as often as told', () => {
    const window = new SlidingWindow(60_000);
    window.add(1_000);
    window.add(2_500, 3);
    expect(window.sum(3_000)).toBe(4);
  });

  it('is empty before anything was counted, whatever the time', () => {
    expect(new SlidingWindow(1_000).sum(0)).toBe(0);
    expect(new SlidingWindow(1_000).sum(1e12)).toBe(0);
  });

  it.each([6, 100, 1_000, 60_000, 900_000])(
    'of %d ms keeps 59/60 of it and nothing older than all of it',
    (windowMs) => {
      for (let step = 0; step <= 240; step++) {
        const at = 7 * windowMs + (step * windowMs) / 97;
        const window = new SlidingWindow(windowMs);
        window.add(at);
        expect(window.sum(at)).toBe(1);
        expect(window.sum(at + (windowMs * 58.99) / 60)).toBe(1);
        expect(window.sum(at + windowMs + 1e-6)).toBe(0);
      }
    },
  );

  it('agrees with a plain list over a long uneven history', () => {
    const windowMs = 6_000;
    const slotMs = windowMs / 60;
    const window = new SlidingWindow(windowMs);
    const times: number[] = [];
    let at = 0;
    for (let i = 0; i < 3_000; i++) {
      at += (i * 7919) % 613;
      times.push(at);
      window.add(at);
      const oldest = (Math.floor(at / slotMs) - 59) * slotMs;
      expect(window.sum(at)).toBe(times.filter((time) => time >= oldest).length);
    }
  });

  it('forgets everything after a silence longer than many windows', () => {
    const window = new SlidingWindow(1_000);
    for (let at = 0; at < 1_000; at += 10) window.add(at);
    expect(window.sum(999)).toBe(100);
    window.add(50_000);
    expect(window.sum(50_000)).toBe(1);
  });

  it('sorts late news in and drops news older than the window', () => {
    const window = new SlidingWindow(60_000);
    window.add(100_000);
    window.add(70_000);
    window.add(39_000);
    expect(window.sum(100_000)).toBe(2);
    expect(window.sum(130_000)).toBe(1);
  });

  it('leaves out what was counted for later than the time asked for', () => {
    const window = new SlidingWindow(60_000);
    window.add(10_000);
    window.add(20_000);
    expect(window.sum(15_000)).toBe(1);
  });
});

import { Life } from '../../../lib/probe/report/life.js';
import { Rhythm } from '../../../lib/probe/report/rhythm.js';

const T0 = Date.UTC(2026, 10, 24);
const MINUTE = 60_000;

function lifeOf(sightings: readonly (readonly [minute: number, pid?: number])[]): Life {
  const life = new Life();
  for (const [minute, pid] of sightings)
    life.add({ ms: T0 + minute * MINUTE, ...(pid !== undefined && { pid }) });
  return life;
}

describe('restarts', () => {
  it('are new pids after the last line of the old one, whatever order the files come in', () => {
    const restart = { atMs: T0 + 30 * MINUTE, pid: 2, previousPid: 1, silenceMs: 20 * MINUTE };
    expect(lifeOf([[0, 1], [10, 1], [30, 2], [40, 2]]).restarts()).toEqual([restart]); // prettier-ignore
    expect(lifeOf([[40, 2], [30, 2], [10, 1], [0, 1]]).restarts()).toEqual([restart]); // prettier-ignore
  });

  it('are none where processes write at the same time', () => {
    expect(lifeOf([[0, 1], [5, 2], [10, 1], [15, 2]]).restarts()).toEqual([]); // prettier-ignore
  });

  it('have the longest silence behind them, also when others wrote in between', () => {
    const [restart] = lifeOf([[0, 1], [10], [11], [200], [201, 2]]).restarts(); // prettier-ignore
    expect(restart?.silenceMs).toBe(188 * MINUTE);
  });
});

describe('the slope of memory', () => {
  it('is the least squares of one pid, in bytes per hour', () => {
    const life = new Life();
    for (let i = 0; i <= 60; i++) {
      const noise = i % 2 === 0 ? 1000 : -1000;
      const memory = { rssBytes: 5e9 + i * 1e6 + noise, heapUsedBytes: 1e8 - i * 5e5 };
      life.add({ ms: T0 + i * MINUTE, pid: 1, memory });
    }
    const [{ rssBytesPerHour, heapUsedBytesPerHour } = { rssBytesPerHour: 0, heapUsedBytesPerHour: 0 }] =
      life.processes();
    expect((rssBytesPerHour ?? 0) / 60e6).toBeCloseTo(1, 3);
    expect((heapUsedBytesPerHour ?? 0) / -30e6).toBeCloseTo(1, 6);
  });

  it.each([
    ['four samples', [0, 10, 20, 30]],
    ['nine minutes', [0, 1, 3, 5, 9]],
  ])('is none over %s', (_, minutes) => {
    const life = new Life();
    for (const minute of minutes)
      life.add({ ms: T0 + minute * MINUTE, pid: 1, memory: { rssBytes: minute, heapUsedBytes: 1 } });
    expect(life.processes()).toMatchObject([{ rssBytesPerHour: null, heapUsedBytesPerHour: null }]);
  });
});

describe('bursts', () => {
  const bursts = (...times: readonly number[]) => {
    const rhythm = new Rhythm();
    for (const ms of times) rhythm.add(T0 + ms);
    return rhythm.bursts();
  };

  it('are four resets within 1000 ms and go on', () => {
    expect(bursts(0, 300, 600, 1000, 1300, 1600, 60_000)).toEqual({
      count: 1,
      resets: 6,
      largest: { atMs: T0, resets: 6 },
    });
  });

  it('are none at 1001 ms', () => {
    expect(bursts(0, 300, 600, 1001)).toMatchObject({ count: 0, resets: 0, largest: null });
  });

  it('are apart when a slower stretch lies between', () => {
    expect(bursts(1, 2, 3, 4, 5000, 5001, 5002, 5003, 5004)).toMatchObject({
      count: 2,
      largest: { resets: 5 },
    });
  });
});

describe('the period', () => {
  const period = (...gapsSeconds: readonly number[]) => {
    const rhythm = new Rhythm();
    let ms = T0;
    for (const gap of [0, ...gapsSeconds]) rhythm.add((ms += gap * 1000));
    return rhythm.period();
  };

  it('is found through jitter and misses, and its owner named', () => {
    expect(period(350, 352, 349, 700, 351, 1050, 350, 348, 20, 350)).toEqual({
      periodMs: 350_000,
      ratio: 0.9,
      gaps: 10,
      known: 'AWS NLB and NAT',
    });
  });

  it('is none with seven gaps', () => {
    expect(period(350, 350, 350, 350, 350, 350, 350)).toBeNull();
  });

  it('is none in resets by chance', () => {
    let seed = 1;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let run = 0; run < 200; run++)
      expect(period(...Array.from({ length: 30 }, () => 5 - Math.log(random()) * 600))).toBeNull();
  });
});

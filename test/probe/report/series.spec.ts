import { Life } from '../../../lib/probe/report/life.js';
import { Rhythm } from '../../../lib/probe/report/rhythm.js';
import { table } from '../../../lib/probe/report/table.js';
import { handled, lined, reportOn, UTC } from './lines.js';

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

describe('the lives of one pid', () => {
  const MEGABYTE = 1_000_000;
  /** Of pid 1, a line each minute: its memory in MB. */
  const lived = (...samples: readonly (readonly [minute: number, rss?: number])[]): Life => {
    const life = new Life();
    for (const [minute, rss] of samples) {
      const memory = rss !== undefined && { rssBytes: rss * MEGABYTE, heapUsedBytes: 1 };
      life.add({ ms: T0 + minute * MINUTE, pid: 1, ...(memory && { memory }) });
    }
    return life;
  };
  const line = (from: number, rss: number): readonly (readonly [number, number])[] =>
    Array.from({ length: 21 }, (_, i) => [from + i, rss + i]);

  it('are told apart where its memory falls sharply after a lull, each with its own slope', () => {
    const life = lived(...line(0, 200), ...line(30, 80));
    expect(life.processes().map(({ pid, firstMs, samples }) => [pid, firstMs, samples])).toEqual([
      [1, T0, 21],
      [1, T0 + 30 * MINUTE, 21],
    ]);
    for (const { rssBytesPerHour } of life.processes())
      expect((rssBytesPerHour ?? 0) / (60 * MEGABYTE)).toBeCloseTo(1, 6);
    expect(life.restarts()).toEqual([
      { atMs: T0 + 30 * MINUTE, pid: 1, previousPid: 1, silenceMs: 10 * MINUTE },
    ]);
  });

  it('are the same whatever order the files come in', () => {
    const [first, second] = [line(0, 200), line(30, 80)];
    expect(lived(...second, ...first).processes()).toEqual(lived(...first, ...second).processes());
    expect(lived(...second, ...first).restarts()).toHaveLength(1);
  });

  it.each([
    ['a drop without a lull', [[0, 200], [1, 80]]],
    ['a lull without a drop', [[0, 200], [60, 190], [120, 125]]],
    ['a lull with nothing known of the memory', [[0, 200], [60], [120]]],
  ] as const)('are one after %s', (_, samples) => {
    expect(lived(...samples).processes()).toHaveLength(1);
  }); // prettier-ignore

  it('are joined into one slope where an older file is read later, however many lulls it has', () => {
    const samples = Array.from({ length: 300 }, (_, i) => [i * 3, 100 + i] as const);
    const [older, newer] = [samples.slice(0, 200), samples.slice(200)];
    const [process] = lived(...newer, ...older).processes();
    expect(process).toMatchObject({ samples: 300, firstMs: T0, lastMs: T0 + 897 * MINUTE });
    expect((process?.rssBytesPerHour ?? 0) / (20 * MEGABYTE)).toBeCloseTo(1, 6);
  });
});

test('the longest silence is that between any two lines, and none of one line', () => {
  expect(lifeOf([[0, 1], [10, 1], [40, 1], [45, 1]]).longestSilence()).toEqual({ sinceMs: T0 + 11 * MINUTE, silenceMs: 29 * MINUTE }); // prettier-ignore
  expect(lifeOf([[0, 1]]).longestSilence()).toBeNull();
});

describe('the report on a container, whose pid is always 1,', () => {
  const at = (minute: number): string => new Date(T0 + minute * MINUTE).toISOString();
  const printed = async (...lines: readonly (readonly [minute: number, rss: number])[]): Promise<string> => {
    const text = lined(...lines.map(([minute, rss]) => handled({ at: at(minute), pid: 1, rss })));
    const paper = { columns: 100, hasColor: false };
    return table(await reportOn({ 'app.log': text }), 'day', UTC, paper);
  };

  it('has the longest silence although no restart is seen', async () => {
    const text = await printed([0, 2e8], [1, 2e8], [31, 2e8]);
    expect(text).toMatch(/^silence {5}1740 s without a line from 2026-11-24 00:02:00 on, the longest$/m);
    expect(text).toMatch(/^restarts {4}none seen: all lines are of pid 1, which a container keeps$/m);
  });

  it('has the restart where its memory fell', async () => {
    expect(await printed([0, 2e8], [1, 2e8], [31, 8e7])).toMatch(
      /^restarts {4}1, the longest silence before one 1800 s at 2026-11-24 00:31:00 \(pid 1 again, with less memory\)$/m,
    );
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

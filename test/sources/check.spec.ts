import { CheckSource, type CheckFunction, type CheckReading } from '../../lib/sources/check.js';
import { run } from '../verdict/child.js';
import { block, until } from '../verdict/make.js';

// Real timers and processes on a machine that may be busy.
jest.setTimeout(30_000);

const TIMING = { everyMs: 10_000, timeoutMs: 5_000 };

/** Runs flights to their end by sampling; the answer is the reading in which `isTrue`. */
async function reading(
  source: CheckSource,
  isTrue: (reading: CheckReading) => boolean,
  now: () => number = () => performance.now(),
): Promise<CheckReading> {
  let last = source.sample(now());
  await until('a reading', () => isTrue((last = source.sample(now()))));
  return last;
}

const hasOutcome = ({ outcome }: CheckReading): boolean => outcome !== null;

/** A check that resolves when told, and counts its calls. */
function controlled() {
  const flights: { resolve: (value?: unknown) => void; signal: AbortSignal }[] = [];
  const check: CheckFunction = (signal) => new Promise((resolve) => void flights.push({ resolve, signal }));
  return { flights, check };
}

describe('CheckSource', () => {
  it('has no outcome before the first flight ends, and tells how long it has been under way', () => {
    const { check, flights } = controlled();
    const source = new CheckSource(check, TIMING);
    expect(source.sample(1_000)).toEqual({
      outcome: null,
      serial: 0,
      timeoutMs: 5_000,
      inFlightMs: 0,
      isInconclusive: false,
    });
    expect(source.sample(1_400)).toMatchObject({ outcome: null, inFlightMs: 400 });
    expect(flights).toHaveLength(1);
  });

  it('has at most one flight for as long as the promise is unresolved, through any number of periods', async () => {
    const { check, flights } = controlled();
    const source = new CheckSource(check, { everyMs: 20, timeoutMs: 30 });
    const last = await reading(source, ({ serial }) => serial >= 4);
    expect(last).toMatchObject({ outcome: { kind: 'timedOut' } });
    expect(last.inFlightMs).toBeGreaterThan(60);
    expect(flights).toHaveLength(1);
    flights[0]!.resolve();
    await reading(source, () => flights.length === 2);
  });

  it('counts a flight that still hangs as one more bad outcome every period', async () => {
    const source = new CheckSource(controlled().check, { everyMs: 50, timeoutMs: 30 });
    const serials = new Set<number>();
    await reading(source, ({ serial }) => serials.add(serial).size === 4);
    expect([...serials]).toEqual([0, 1, 2, 3]);
  });

  it('aborts the signal when the time is up, and not before', async () => {
    const { check, flights } = controlled();
    const source = new CheckSource(check, { everyMs: 10_000, timeoutMs: 50 });
    source.sample(performance.now());
    expect(flights[0]!.signal.aborted).toBe(false);
    await reading(source, hasOutcome);
    expect(flights[0]!.signal.aborted).toBe(true);
  });

  it('does not abort the signal of a flight that answered', async () => {
    const { check, flights } = controlled();
    const source = new CheckSource(check, TIMING);
    source.sample(performance.now());
    flights[0]!.resolve('fine');
    expect(await reading(source, hasOutcome)).toMatchObject({
      outcome: { kind: 'fulfilled', value: 'fine' },
      serial: 1,
      inFlightMs: null,
    });
    expect(flights[0]!.signal.aborted).toBe(false);
  });

  it.each<[string, CheckFunction]>([
    [
      'throws at once',
      () => {
        throw new Error('no');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('reports the error of a check that %s', async (_how, check) => {
    const source = new CheckSource(check, TIMING);
    expect(await reading(source, hasOutcome)).toMatchObject({
      outcome: { kind: 'rejected', error: new Error('no') },
    });
  });

  it('takes a plain value for an answer', async () => {
    const source = new CheckSource(() => false, TIMING);
    expect(await reading(source, hasOutcome)).toMatchObject({ outcome: { kind: 'fulfilled', value: false } });
  });

  it('asks again everyMs after an answer, and two seconds after an error', async () => {
    for (const [answers, pauseMs] of [
      [true, 10_000],
      [false, 2_000],
    ] as const) {
      let calls = 0;
      const check: CheckFunction = () => {
        calls += 1;
        if (!answers) throw new Error('no');
      };
      const source = new CheckSource(check, TIMING);
      await reading(source, hasOutcome, () => 1_000);
      source.sample(1_000 + pauseMs - 100);
      expect(calls).toBe(1);
      source.sample(1_000 + pauseMs + 1_000);
      expect(calls).toBe(2);
    }
  });

  it('ignores what a flight answers after its time: the next flight has to say it', async () => {
    const { check, flights } = controlled();
    const source = new CheckSource(check, { everyMs: 60_000, timeoutMs: 30 });
    const { serial } = await reading(source, hasOutcome);
    flights[0]!.resolve('late');
    const later = await reading(source, ({ inFlightMs }) => inFlightMs === null);
    expect(later).toMatchObject({ outcome: { kind: 'timedOut' }, serial });
  });

  it('keeps its process out of trouble when a flight fails after its time', async () => {
    const ended = await run(`
      const { CheckSource } = lib('sources/check.js');
      const source = new CheckSource(
        (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
        { everyMs: 100, timeoutMs: 20 },
      );
      const timer = setInterval(() => source.sample(performance.now()), 10);
      setTimeout(() => (clearInterval(timer), source.close(), console.log('end')), 400);
    `);
    expect(ended).toEqual({ code: 0, output: 'end\n' });
  });

  it('does not keep the process alive while a flight hangs', async () => {
    const ended = await run(`
      const { CheckSource } = lib('sources/check.js');
      new CheckSource(() => new Promise(() => {}), { everyMs: 100, timeoutMs: 600_000 }).sample(1);
      console.log('end');
    `);
    expect(ended).toEqual({ code: 0, output: 'end\n' });
  });
});

describe('CheckSource when our own loop is late', () => {
  /** Ends, late, when its time is up: every flight can be followed by another. */
  const untilAborted: CheckFunction = (signal) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)));

  /** One flight whose limit runs 300 ms late. */
  async function lateFlight(source: CheckSource, now: number): Promise<CheckReading> {
    const { serial } = source.sample(now);
    block(400);
    return reading(
      source,
      (seen) => seen.serial > serial && seen.inFlightMs === null,
      () => now,
    );
  }

  it('calls the outcome inconclusive', async () => {
    const source = new CheckSource(untilAborted, { everyMs: 60_000, timeoutMs: 100 });
    expect(await lateFlight(source, 1_000)).toMatchObject({
      outcome: { kind: 'timedOut' },
      isInconclusive: true,
    });
  });

  it('counts the outcome after all when that has gone on for thirty seconds', async () => {
    const source = new CheckSource(untilAborted, { everyMs: 1_000, timeoutMs: 100 });
    const seen: boolean[] = [];
    for (const now of [1_000, 15_000, 29_000, 45_000]) {
      seen.push((await lateFlight(source, now)).isInconclusive);
    }
    expect(seen).toEqual([true, true, true, false]);
  });

  it("blames itself only for the limit that ran late: a flight that still hangs a period later is the other side's", async () => {
    const source = new CheckSource(controlled().check, { everyMs: 1_000, timeoutMs: 100 });
    source.sample(1_000);
    block(400);
    await reading(source, hasOutcome, () => 1_000);
    expect(source.sample(1_000).isInconclusive).toBe(true);
    expect(source.sample(5_000)).toMatchObject({ serial: 2, isInconclusive: false });
  });
});

describe('CheckSource.close', () => {
  it('aborts the flight under way', () => {
    const { check, flights } = controlled();
    const source = new CheckSource(check, TIMING);
    source.sample(1_000);
    source.close();
    expect(flights[0]!.signal.aborted).toBe(true);
  });

  it('starts no flight afterwards', () => {
    const { check, flights } = controlled();
    const source = new CheckSource(check, TIMING);
    source.close();
    source.sample(1e9);
    expect(flights).toHaveLength(0);
  });

  it('starts no flight afterwards even when one was under way and answers', async () => {
    const { check, flights } = controlled();
    const source = new CheckSource(check, TIMING);
    source.sample(1_000);
    source.close();
    flights[0]!.resolve();
    await new Promise((turn) => setImmediate(turn));
    source.sample(1e9);
    expect(flights).toHaveLength(1);
  });
});

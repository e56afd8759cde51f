import type { Finding } from '../../lib/indicators/finding.js';
import { Scheduler, type Gauge, type Listener } from '../../lib/verdict/scheduler.js';
import type { Snapshot } from '../../lib/verdict/snapshot.js';
import type { LogLine, Transition } from '../../lib/verdict/transition.js';
import { run } from './child.js';
import { block, detailOf, down, finding, until } from './make.js';

// Real timers and processes on a machine that may be busy.
jest.setTimeout(30_000);

type Seen = Finding | 'unchanged' | 'pending';

interface Fake extends Gauge {
  reads: { now: number; lateMs: number }[];
  closed: number;
}

function gauge(name: string, read: (nth: number) => Seen, more: Partial<Gauge> = {}): Fake {
  const fake: Fake = {
    name,
    critical: true,
    patience: { failAfter: 2, recoverAfter: 2 },
    reads: [],
    closed: 0,
    read: (now, lateMs) => read(fake.reads.push({ now, lateMs })),
    close: () => void (fake.closed += 1),
    ...more,
  };
  return fake;
}

class Ear implements Listener {
  readonly snapshots: Snapshot[] = [];
  readonly transitions: Transition[] = [];
  readonly lines: LogLine[] = [];
  onSnapshot(snapshot: Snapshot): void {
    this.snapshots.push(snapshot);
  }
  onTransition(transition: Transition): void {
    this.transitions.push(transition);
  }
  onLine(line: LogLine): void {
    this.lines.push(line);
  }
}

const running: Scheduler[] = [];

function scheduler(everyMs: number, ...gauges: Gauge[]): Scheduler {
  const made = new Scheduler(everyMs);
  for (const one of gauges) made.add(one);
  running.push(made);
  return made;
}

afterEach(() => {
  for (const one of running.splice(0)) one.stop();
});

/** Whatever it takes for `count` further readings of `one`. */
const readings = (one: Fake, count: number): Promise<void> => {
  const wanted = one.reads.length + count;
  return until(`${wanted} readings`, () => one.reads.length >= wanted);
};

describe('Scheduler', () => {
  it('has a snapshot before it starts, and it says starting', () => {
    expect(new Scheduler(100).snapshot).toMatchObject({
      status: 'error',
      phase: 'starting',
      cause: { code: 'STARTING' },
      isStale: false,
    });
  });

  it('takes the first readings in the call to start and is running when all are in', () => {
    const one = gauge('one', () => finding());
    const made = scheduler(60_000, one);
    made.start();
    expect(one.reads).toHaveLength(1);
    expect(made.snapshot).toMatchObject({ status: 'ok', phase: 'running' });
  });

  it('goes on every period', async () => {
    const one = gauge('one', () => finding());
    scheduler(50, one).start();
    await readings(one, 4);
    const steps = one.reads.slice(1).map(({ now }, i) => now - one.reads[i]!.now);
    for (const step of steps) expect(step).toBeGreaterThan(45);
  });

  it('takes no reading because somebody reads the snapshot, and answers the same object between readings', () => {
    const one = gauge('one', () => finding());
    const made = scheduler(60_000, one);
    made.start();
    const first = made.snapshot;
    expect(new Set(Array.from({ length: 10_000 }, () => made.snapshot))).toEqual(new Set([first]));
    expect(one.reads).toHaveLength(1);
  });

  it('starts only when every critical gauge has had its first reading, and asks more often until then', async () => {
    let isThere = false;
    const late = gauge('late', () => (isThere ? finding() : 'pending'));
    const made = scheduler(
      60_000,
      gauge('one', () => finding()),
      late,
    );
    made.start();
    await readings(late, 2);
    expect(made.phase).toBe('starting');
    expect(detailOf(made.snapshot, 'late')).toMatchObject({ status: 'down', code: 'STARTING' });
    isThere = true;
    await until('running', () => made.phase === 'running');
    expect(made.snapshot.status).toBe('ok');
  });

  it('does not wait for a gauge that is not critical', () => {
    const made = scheduler(
      60_000,
      gauge('late', () => 'pending', { critical: false }),
    );
    made.start();
    expect(made.snapshot).toMatchObject({ phase: 'running', status: 'degraded' });
  });

  it('does not wait for a gauge that does not hold the start, and leaves it out until it is conclusive', async () => {
    let seen: Seen = 'pending';
    const found = gauge('found', () => seen, { holdsStart: false });
    const made = scheduler(
      20,
      found,
      gauge('one', () => finding()),
    );
    const names = (): string[] => made.snapshot.details.map(({ name }) => name);
    made.start();
    expect(made.snapshot).toMatchObject({ phase: 'running', status: 'ok' });
    expect(names()).toEqual(['one']);
    seen = down({ inconclusive: true });
    await readings(found, 2);
    expect(names()).toEqual(['one']);
    seen = down();
    await readings(found, 2);
    expect(made.snapshot.status).toBe('error');
    seen = 'pending';
    await readings(found, 2);
    expect(names()).toEqual(['one']);
    expect(made.snapshot.status).toBe('ok');
  });

  it('waits for the first conclusive reading of a gauge that is there, whether or not it holds the start', () => {
    const made = scheduler(
      60_000,
      gauge('found', () => down({ inconclusive: true }), { holdsStart: false }),
    );
    made.start();
    expect(made.phase).toBe('starting');
  });

  it('shows what a pending gauge waits for, even one that cannot say it', () => {
    const made = scheduler(
      60_000,
      gauge('a', () => 'pending', { pending: () => 'waits for a pool' }),
      gauge('b', () => 'pending', {
        pending: () => {
          throw new Error('no words');
        },
      }),
    );
    made.start();
    expect(['a', 'b'].map((name) => detailOf(made.snapshot, name).message)).toEqual([
      'waits for a pool',
      'b: no reading yet',
    ]);
  });

  it('does not take an inconclusive reading for the first one', async () => {
    const one = gauge('one', (nth) => (nth < 3 ? down({ inconclusive: true }) : finding()));
    const ear = new Ear();
    const made = scheduler(20, one);
    made.listen(ear);
    made.start();
    await readings(one, 3);
    expect(ear.snapshots.slice(0, 2).map(({ phase }) => phase)).toEqual(['starting', 'starting']);
    expect(made.snapshot.status).toBe('ok');
  });

  it('tells a gauge how late its reading is when the loop was blocked', async () => {
    const one = gauge('one', () => finding());
    scheduler(50, one).start();
    await readings(one, 1);
    const before = one.reads.length;
    block(400);
    await readings(one, 1);
    expect(one.reads[before]!.lateMs).toBeGreaterThan(300);
  });

  it('learns nothing from "unchanged": it neither counts as bad nor as good', async () => {
    const one = gauge('one', (nth) => (nth === 1 ? finding() : nth === 2 ? down() : 'unchanged'));
    const made = scheduler(20, one);
    made.start();
    await readings(one, 5);
    expect(made.snapshot.status).toBe('ok');
    expect(detailOf(made.snapshot, 'one').checkedAt).toBeLessThan(made.snapshot.takenAt);
  });

  it('believes a bad reading after failAfter and a good one after recoverAfter', async () => {
    const one = gauge('one', (nth) => (nth >= 3 && nth <= 5 ? down() : finding()));
    const ear = new Ear();
    const made = scheduler(20, one);
    made.listen(ear);
    made.start();
    await readings(one, 8);
    const statuses = ear.snapshots.slice(0, 8).map(({ status }) => status);
    expect(statuses).toEqual(['ok', 'ok', 'ok', 'error', 'error', 'error', 'ok', 'ok']);
    expect(
      ear.transitions.slice(0, 3).map(({ from, to }) => `${from.phase} ${from.status} > ${to.status}`),
    ).toEqual(['starting error > ok', 'running ok > error', 'running error > ok']);
    const [, fault, recovery] = ear.transitions;
    expect(recovery!.lastedMs).toBe(recovery!.at - fault!.at);
  });

  it('says down when what was measured is gone, and not that it is starting again', async () => {
    const one = gauge('one', (nth) => (nth === 1 ? finding() : 'pending'), {
      pending: () => 'the pool is gone',
    });
    const made = scheduler(20, one);
    made.start();
    await until('error', () => made.snapshot.status === 'error');
    expect(one.reads.length).toBeGreaterThanOrEqual(3);
    expect(made.snapshot).toMatchObject({ phase: 'running', cause: { name: 'one', code: 'STARTING' } });
    expect(detailOf(made.snapshot, 'one').message).toBe('the pool is gone');
  });

  it('turns a gauge that throws into a finding, reads the others, and believes it again when it is well', async () => {
    const broken = gauge('broken', (nth) => {
      if (nth <= 3) throw new Error('cannot read');
      return finding();
    });
    const well = gauge('well', () => finding());
    const made = scheduler(20, broken, well);
    made.start();
    expect(detailOf(made.snapshot, 'broken')).toMatchObject({
      status: 'down',
      code: 'CHECK_FAILED',
      remedy: 'none',
      message: 'broken: could not be read: cannot read',
    });
    expect(detailOf(made.snapshot, 'well').status).toBe('up');
    await until('recovery', () => made.snapshot.status === 'ok');
  });

  it('tells every listener, whichever of the others throws', async () => {
    const one = gauge('one', (nth) => (nth === 1 ? finding() : down()));
    const made = scheduler(20, one);
    const fail = (): never => {
      throw new Error('listener');
    };
    made.listen({ onSnapshot: fail, onTransition: fail, onLine: fail });
    const ear = new Ear();
    made.listen(ear);
    made.start();
    await until('the transition', () => ear.transitions.length === 2);
    expect(ear.lines.map(({ level }) => level)).toContain('error');
    expect(ear.snapshots.length).toBeGreaterThanOrEqual(3);
  });

  it('closes every gauge on stop, whichever throws, and reads none of them again', async () => {
    const broken = gauge('broken', () => finding(), {
      close: () => {
        throw new Error('cannot close');
      },
    });
    const one = gauge('one', () => finding());
    const made = scheduler(10, broken, one);
    made.start();
    await readings(one, 2);
    made.stop();
    const before = one.reads.length;
    expect(one.closed).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(one.reads).toHaveLength(before);
  });

  it('stays stopped when a listener stops it in the middle of a reading', async () => {
    const one = gauge('one', () => finding());
    const made = scheduler(10, one);
    made.listen({ onSnapshot: () => made.stop(), onTransition: () => {}, onLine: () => {} });
    made.start();
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(one.reads).toHaveLength(1);
  });

  it('leaves a gauge that comes later and is not waited for out of the report until it has something to say', async () => {
    const made = scheduler(
      20,
      gauge('one', () => finding()),
    );
    made.start();
    const names = () => made.snapshot.details.map(({ name }) => name);
    const before: string[] = [];
    const read = (nth: number) => {
      before.push(...names());
      return finding(nth < 3 ? { inconclusive: true } : {});
    };
    const late = gauge('late', (nth) => (nth > 3 ? 'unchanged' : read(nth)), { holdsStart: false });
    made.add(late);
    made.maintain(true);
    expect(names()).not.toContain('late');
    await until('its detail', () => names().includes('late'));
    expect(before).not.toContain('late');
  });
});

describe('Scheduler, staleness', () => {
  it('marks the snapshot stale while its own turn does not come, and serves a fresh one afterwards', async () => {
    const made = scheduler(
      50,
      gauge('one', () => finding()),
    );
    made.start();
    expect(made.snapshot.isStale).toBe(false);
    block(200);
    expect(made.snapshot).toMatchObject({ status: 'degraded', isStale: true, cause: { code: 'STALE' } });
    await until('a fresh one', () => !made.snapshot.isStale);
    expect(made.snapshot.status).toBe('ok');
  });

  it('serves one and the same stale snapshot for a whole period, so that its answer is made once', () => {
    const made = scheduler(
      200,
      gauge('one', () => finding()),
    );
    made.start();
    block(700);
    const served = new Set(Array.from({ length: 1_000 }, () => made.snapshot));
    expect(served.size).toBeLessThanOrEqual(2);
  });

  it('is not stale before it starts or after it was stopped: nothing is promised then', async () => {
    const made = scheduler(
      10,
      gauge('one', () => finding()),
    );
    block(60);
    expect(made.snapshot.isStale).toBe(false);
    made.start();
    made.stop();
    block(60);
    expect(made.snapshot.isStale).toBe(false);
  });

  it('does not ask for a restart because of one block of a second and a half, however often it reads', () => {
    const made = scheduler(
      100,
      gauge('one', () => finding()),
    );
    made.start();
    block(1_500);
    expect(made.snapshot).toMatchObject({ isStale: true, status: 'degraded', remedy: 'none' });
  });
});

describe('Scheduler, circumstances', () => {
  it('says no from the call to drain on, goes on reading, and never comes back', async () => {
    const one = gauge('one', () => finding());
    const ear = new Ear();
    const made = scheduler(10, one);
    made.listen(ear);
    made.start();
    made.drain();
    expect(made.snapshot).toMatchObject({ status: 'error', phase: 'draining', cause: { code: 'DRAINING' } });
    const { since } = detailOf(made.snapshot, 'vitals');
    await readings(one, 3);
    made.drain();
    expect(made.phase).toBe('draining');
    expect(detailOf(made.snapshot, 'vitals').since).toBe(since);
    expect(ear.transitions.filter(({ to }) => to.phase === 'draining')).toHaveLength(1);
  });

  it('does not go from draining to running when the first readings come in late', async () => {
    let isThere = false;
    const one = gauge('one', () => (isThere ? finding() : 'pending'));
    const made = scheduler(10, one);
    made.start();
    made.drain();
    isThere = true;
    await readings(one, 3);
    expect(made.phase).toBe('draining');
  });

  it('switches maintenance on and off at once, and tells of each change once', () => {
    const ear = new Ear();
    const made = scheduler(
      60_000,
      gauge('one', () => finding()),
    );
    made.listen(ear);
    made.start();
    const told = ear.snapshots.length;
    made.maintain(false);
    expect(ear.snapshots).toHaveLength(told);
    made.maintain(true);
    made.maintain(true);
    expect(made.snapshot).toMatchObject({
      status: 'error',
      isMaintenance: true,
      cause: { code: 'MAINTENANCE' },
    });
    expect(ear.snapshots).toHaveLength(told + 1);
    made.maintain(false);
    expect(made.snapshot).toMatchObject({ status: 'ok', isMaintenance: false, cause: null });
  });

  it('does not make a remedy due because the wall clock was set forward', async () => {
    const one = gauge('one', () => down({ remedy: 'restart', remedyAfterMs: 30_000 }));
    const made = scheduler(20, one);
    made.start();
    const real = Date.now;
    const set = jest.spyOn(Date, 'now').mockImplementation(() => real() + 3_600_000);
    try {
      await readings(one, 2);
      expect(made.snapshot).toMatchObject({ status: 'error', remedy: 'none' });
    } finally {
      set.mockRestore();
    }
  });
});

describe('Scheduler, the process', () => {
  it('is not kept alive', async () => {
    const ended = await run(`
      const { Scheduler } = lib('verdict/scheduler.js');
      const { EventLoopSource } = lib('sources/event-loop.js');
      const source = new EventLoopSource(1000);
      const up = { status: 'up', remedy: 'none', message: '', data: {} };
      const scheduler = new Scheduler(20);
      scheduler.add({
        name: 'one', critical: true, patience: { failAfter: 2, recoverAfter: 2 },
        read: (now, lateMs) => (source.sample(now, lateMs), up), close() {},
      });
      scheduler.add({
        name: 'late', critical: true, patience: { failAfter: 2, recoverAfter: 2 },
        read: () => 'pending', close() {},
      });
      scheduler.start();
      process.on('exit', () => console.log('ended while ' + scheduler.phase));
    `);
    expect(ended).toEqual({ code: 0, output: 'ended while starting\n' });
  });
});

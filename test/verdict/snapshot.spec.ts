import type { Remedy, Status } from '../../lib/indicators/finding.js';
import {
  aged,
  decide,
  excluding,
  OWN_NAME,
  wantsRestart,
  type Phase,
  type Snapshot,
} from '../../lib/verdict/snapshot.js';
import { belief, detailOf, down, finding, NOW, snapshotOf } from './make.js';

const STATUSES: readonly Status[] = ['up', 'degraded', 'down'];
const PHASES: readonly Phase[] = ['starting', 'running', 'draining'];
const REMEDIES: readonly Remedy[] = ['restart', 'drain', 'none'];

interface Kind {
  readonly status: Status;
  readonly remedy: Remedy;
  readonly critical: boolean;
}

const KINDS: readonly Kind[] = STATUSES.flatMap((status) =>
  (status === 'up' ? (['none'] as const) : REMEDIES).flatMap((remedy) =>
    [true, false].map((critical) => ({ status, remedy, critical })),
  ),
);

function seenAs({ status, remedy }: Kind) {
  return finding({ status, remedy, ...(status === 'up' ? {} : { code: 'CHECK_FAILED' as const }) });
}

/** Every combination of three details, phases and the maintenance switch. */
function everyCase(visit: (kinds: readonly Kind[], snapshot: Snapshot, inService: boolean) => void): number {
  let cases = 0;
  for (const phase of PHASES)
    for (const isMaintenance of [false, true])
      for (const a of KINDS)
        for (const b of KINDS)
          for (const c of KINDS) {
            const kinds = [a, b, c];
            const parts = kinds.map((kind, i) => ({
              name: `d${i}`,
              critical: kind.critical,
              seen: seenAs(kind),
            }));
            visit(kinds, snapshotOf(parts, { phase, isMaintenance }), phase === 'running' && !isMaintenance);
            cases += 1;
          }
  return cases;
}

describe('decide, over every three details x phase x maintenance', () => {
  it('is error for a critical down or out of service, ok for nothing but up, degraded for the rest', () => {
    const wrong: unknown[] = [];
    const cases = everyCase((kinds, { status, phase }, inService) => {
      const hasDown = kinds.some((kind) => kind.critical && kind.status === 'down');
      const isClean = kinds.every((kind) => kind.status === 'up');
      const expected = !inService || hasDown ? 'error' : isClean ? 'ok' : 'degraded';
      if (status !== expected) wrong.push({ kinds, phase, status, expected });
    });
    expect(cases).toBe(3 * 2 * 14 ** 3);
    expect(wrong).toEqual([]);
  });

  it('wants a restart only for a critical down whose remedy it is, whatever the phase', () => {
    const wrong: unknown[] = [];
    everyCase((kinds, { remedy }) => {
      const isRestart = kinds.some((k) => k.critical && k.status === 'down' && k.remedy === 'restart');
      const expected = isRestart ? 'restart' : kinds.some((k) => k.remedy === 'drain') ? 'drain' : 'none';
      if (remedy !== expected) wrong.push({ kinds, remedy, expected });
    });
    expect(wrong).toEqual([]);
  });

  it('names as cause the first of the worst, and the phase before all', () => {
    const wrong: unknown[] = [];
    everyCase((kinds, { cause }, inService) => {
      const isWorst = (k: Kind): boolean => k.critical && k.status === 'down';
      const worst = kinds.some(isWorst)
        ? kinds.findIndex(isWorst)
        : kinds.findIndex((k) => k.status !== 'up');
      const expected = !inService ? OWN_NAME : worst === -1 ? undefined : `d${worst}`;
      if (cause?.name !== expected) wrong.push({ kinds, cause, expected });
    });
    expect(wrong).toEqual([]);
  });
});

describe('decide', () => {
  it.each([
    ['starting', false, 'STARTING'],
    ['starting', true, 'STARTING'],
    ['running', true, 'MAINTENANCE'],
    ['draining', false, 'DRAINING'],
    ['draining', true, 'DRAINING'],
  ] as const)('speaks of itself when %s, maintenance %s: %s', (phase, isMaintenance, code) => {
    const snapshot = snapshotOf([{ seen: finding() }], { phase, isMaintenance });
    expect(snapshot.cause).toEqual({ name: OWN_NAME, code });
    expect(snapshot.details.map(({ name }) => name)).toEqual([OWN_NAME, 'db']);
    expect(detailOf(snapshot, OWN_NAME)).toMatchObject({
      status: 'down',
      remedy: 'none',
      since: NOW - 5_000,
      critical: true,
    });
  });

  it('does not speak of itself when running', () => {
    expect(snapshotOf([{ seen: finding() }]).details.map(({ name }) => name)).toEqual(['db']);
  });

  it('is ok with nothing to measure', () => {
    expect(snapshotOf([])).toMatchObject({ status: 'ok', cause: null, remedy: 'none', details: [] });
  });

  it('keeps the order of registration', () => {
    const names = ['z', 'a', 'm'];
    const snapshot = snapshotOf(names.map((name) => ({ name, seen: down() })));
    expect(snapshot.details.map(({ name }) => name)).toEqual(names);
  });

  it('takes a detail without a reading for down with STARTING, and degrades only when it is not critical', () => {
    expect(snapshotOf([{ seen: null }])).toMatchObject({
      status: 'error',
      cause: { name: 'db', code: 'STARTING' },
    });
    expect(snapshotOf([{ seen: null, critical: false }]).status).toBe('degraded');
  });

  it('says what a first reading waits for', () => {
    const circumstances = {
      phase: 'starting',
      isMaintenance: false,
      startedAt: NOW,
      changedAt: NOW,
    } as const;
    const messages = [undefined, 'waits for the moon'].map(
      (pending) =>
        decide([{ name: 'db', critical: true, belief: null, pending }], circumstances, NOW).details[1]!
          .message,
    );
    expect(messages).toEqual(['db: no reading yet', 'waits for the moon']);
  });

  it('dates a detail without a reading from the same moment however often it is asked', () => {
    const circumstances = {
      phase: 'running',
      isMaintenance: false,
      startedAt: NOW - 60_000,
      changedAt: NOW - 60_000,
    } as const;
    const waiting = [{ name: 'db', critical: true, belief: null }];
    const [first, later] = [NOW, NOW + 9_000].map(
      (now) => decide(waiting, circumstances, now).details[0]!.since,
    );
    expect(later).toBe(first);
  });

  it('holds a remedy back until the finding has lasted as long as it asks', () => {
    const seen = down({ remedy: 'restart', remedyAfterMs: 30_000 });
    const circumstances = { phase: 'running', isMaintenance: false, startedAt: 0, changedAt: 0 } as const;
    const remedyAt = (now: number) =>
      decide([{ name: 'loop', critical: true, belief: belief(seen, NOW) }], circumstances, now);
    expect(remedyAt(NOW + 29_999)).toMatchObject({
      status: 'error',
      remedy: 'none',
      details: [{ remedy: 'none' }],
    });
    expect(remedyAt(NOW + 30_000)).toMatchObject({ remedy: 'restart', details: [{ remedy: 'restart' }] });
  });

  it('waits for a remedy from when the code began, not from when the status began', () => {
    const seen = down({ remedy: 'restart', remedyAfterMs: 30_000 });
    const circumstances = { phase: 'running', isMaintenance: false, startedAt: 0, changedAt: 0 } as const;
    const believed = { ...belief(seen, NOW - 60_000), codeSince: NOW - 10_000 };
    expect(decide([{ name: 'loop', critical: true, belief: believed }], circumstances, NOW).remedy).toBe(
      'none',
    );
  });
});

describe('wantsRestart', () => {
  it('needs all three: critical, down and the remedy', () => {
    const detail = snapshotOf([{ seen: down({ remedy: 'restart' }) }]).details[0]!;
    expect(wantsRestart(detail)).toBe(true);
    expect(wantsRestart({ ...detail, critical: false })).toBe(false);
    expect(wantsRestart({ ...detail, status: 'degraded' })).toBe(false);
    expect(wantsRestart({ ...detail, remedy: 'drain' })).toBe(false);
  });
});

describe('excluding', () => {
  const snapshot = snapshotOf([
    { name: 'a', seen: down({ remedy: 'restart' }) },
    { name: 'b', seen: finding({ status: 'degraded', code: 'DB_SLOW' }) },
  ]);

  it('judges as if the named details were not there', () => {
    expect(excluding(snapshot, ['a'])).toMatchObject({
      status: 'degraded',
      remedy: 'none',
      cause: { name: 'b' },
    });
    expect(excluding(snapshot, ['a', 'b'])).toMatchObject({ status: 'ok', cause: null, details: [] });
  });

  it('answers the same object when there is nothing to leave out', () => {
    expect(excluding(snapshot, ['c'])).toBe(snapshot);
    expect(excluding(snapshot, [])).toBe(snapshot);
  });

  it('never leaves out what the module says of itself', () => {
    const draining = snapshotOf([{ seen: finding() }], { phase: 'draining' });
    expect(excluding(draining, [OWN_NAME, 'db'])).toMatchObject({ status: 'error', phase: 'draining' });
  });

  it('leaves its argument alone', () => {
    const copy = structuredClone(snapshot);
    excluding(snapshot, ['a', 'b']);
    expect(snapshot).toEqual(copy);
  });
});

describe('aged', () => {
  const freshness = { staleAfterMs: 3_000, downAfterMs: 10_000 };
  const fresh = snapshotOf([{ seen: finding() }]);

  it('answers the very same snapshot up to the limit', () => {
    for (const ageMs of [0, 1, 2_999, 3_000]) expect(aged(fresh, ageMs, freshness)).toBe(fresh);
  });

  it.each([
    [3_001, 'degraded', 'none'],
    [10_000, 'degraded', 'none'],
    [10_001, 'error', 'restart'],
    [1e9, 'error', 'restart'],
  ])('never serves an "ok" of %d ms ago as one of now: %s, remedy %s', (ageMs, status, remedy) => {
    const old = aged(fresh, ageMs, freshness);
    expect(old).toMatchObject({
      status,
      remedy,
      isStale: true,
      cause: { name: OWN_NAME, code: 'STALE' },
      takenAt: NOW,
    });
    expect(detailOf(old, OWN_NAME)).toMatchObject({ since: NOW + 3_000, data: { ageMs } });
  });

  it('says how old, over which threshold', () => {
    expect(detailOf(aged(fresh, 4_000.4, freshness), OWN_NAME).message).toBe(
      'vitals: the last reading is 4000 ms old (threshold 3000 ms)',
    );
    expect(detailOf(aged(fresh, 20_000, freshness), OWN_NAME).message).toBe(
      'vitals: the last reading is 20000 ms old (threshold 10000 ms)',
    );
  });

  it('keeps a fault that is worse than being stale', () => {
    const sick = snapshotOf([{ seen: down({ code: 'POOL_WEDGED', remedy: 'restart' }) }]);
    expect(aged(sick, 4_000, freshness)).toMatchObject({ status: 'error', cause: { code: 'POOL_WEDGED' } });
  });

  it.each([
    { phase: 'starting' as const },
    { phase: 'draining' as const },
    { phase: 'running' as const, isMaintenance: true },
  ])('marks a snapshot stale and leaves its own words when %j', (circumstances) => {
    const snapshot = snapshotOf([{ seen: finding() }], circumstances);
    expect(aged(snapshot, 60_000, freshness)).toEqual({ ...snapshot, isStale: true });
  });
});

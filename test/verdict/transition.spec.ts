import { linesOf, transitionOf } from '../../lib/verdict/transition.js';
import { aged } from '../../lib/verdict/snapshot.js';
import { down, finding, NOW, snapshotOf } from './make.js';

const well = snapshotOf([{ seen: finding() }]);
const sick = snapshotOf([
  { seen: down({ code: 'POOL_WEDGED', remedy: 'restart', message: 'pool is wedged' }) },
]);
const slow = snapshotOf([{ seen: finding({ status: 'degraded', code: 'DB_SLOW', message: 'db is slow' }) }]);

describe('transitionOf', () => {
  it('is null while status, phase, cause and remedy stay', () => {
    expect(transitionOf(well, { ...well, takenAt: NOW + 1_000, uptimeMs: 1 }, NOW)).toBeNull();
    expect(transitionOf(sick, structuredClone(sick), NOW)).toBeNull();
  });

  it('tells the old and the new verdict and how long the old one stood', () => {
    expect(transitionOf(well, sick, NOW - 7_000)).toEqual({
      from: { status: 'ok', phase: 'running', cause: null, remedy: 'none' },
      to: {
        status: 'error',
        phase: 'running',
        cause: { name: 'db', code: 'POOL_WEDGED' },
        remedy: 'restart',
      },
      at: NOW,
      lastedMs: 7_000,
    });
  });

  it.each([
    ['status', { status: 'degraded' as const }],
    ['phase', { phase: 'draining' as const }],
    ['cause', { cause: { name: 'other', code: 'DB_SLOW' as const } }],
    ['remedy', { remedy: 'drain' as const }],
  ])('sees a change of the %s alone', (_what, change) => {
    expect(transitionOf(well, { ...well, ...change }, NOW)).not.toBeNull();
  });
});

describe('linesOf', () => {
  it('has no line for what did not change', () => {
    expect(linesOf(well, well)).toEqual([]);
    expect(linesOf(sick, structuredClone(sick))).toEqual([]);
  });

  it('writes one line each way, with the time spent in the old status', () => {
    expect(linesOf(well, sick)).toEqual([
      {
        level: 'error',
        text: 'db: up -> down POOL_WEDGED (remedy restart) after 60.0 s: pool is wedged',
      },
    ]);
    expect(linesOf(sick, well)).toEqual([
      {
        level: 'log',
        text: 'db: down POOL_WEDGED (remedy restart) -> up after 60.0 s: all is well',
      },
    ]);
    expect(linesOf(well, slow)).toEqual([
      { level: 'warn', text: 'db: up -> degraded DB_SLOW after 60.0 s: db is slow' },
    ]);
  });

  it('tells when only the code or only the remedy changes', () => {
    const [detail] = sick.details;
    for (const change of [{ code: 'DB_UNREACHABLE' as const }, { remedy: 'none' as const }]) {
      expect(linesOf(sick, { ...sick, details: [{ ...detail!, ...change }] })).toHaveLength(1);
    }
  });

  it('is silent about numbers and messages that change within one status', () => {
    const [detail] = sick.details;
    const later = { ...sick, details: [{ ...detail!, message: 'pool is still wedged', data: { used: 3 } }] };
    expect(linesOf(sick, later)).toEqual([]);
  });

  it('tells of the phases as news, not as faults, and of their end', () => {
    const draining = snapshotOf([{ seen: finding() }], { phase: 'draining' });
    expect(linesOf(well, draining)).toEqual([
      { level: 'log', text: 'vitals: down DRAINING: vitals: readiness says no before the server closes' },
    ]);
    const starting = snapshotOf([{ seen: finding() }], { phase: 'starting' });
    expect(linesOf(starting, well)).toEqual([{ level: 'log', text: 'vitals: STARTING is over after 5.0 s' }]);
  });

  it('tells of staleness once and of its end once', () => {
    const freshness = { staleAfterMs: 3_000, downAfterMs: 10_000 };
    const [stale, staler] = [4_000, 5_000].map((ageMs) => aged(well, ageMs, freshness));
    expect(linesOf(well, stale!)).toMatchObject([{ level: 'warn' }]);
    expect(linesOf(stale!, staler!)).toEqual([]);
    expect(linesOf(staler!, well)).toHaveLength(1);
  });

  it('does not announce an indicator that is up from the first', () => {
    expect(linesOf(snapshotOf([]), well)).toEqual([]);
    expect(linesOf(snapshotOf([]), sick)).toEqual([
      { level: 'error', text: 'db: down POOL_WEDGED (remedy restart): pool is wedged' },
    ]);
  });
});

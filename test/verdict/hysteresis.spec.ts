import type { Finding, Status } from '../../lib/indicators/finding.js';
import { believe, settle, worse, type Belief, type Streak } from '../../lib/verdict/hysteresis.js';
import { down, finding, NOW } from './make.js';

const STATUSES: readonly Status[] = ['up', 'degraded', 'down'];

describe('worse', () => {
  it('orders up, degraded, down, and nothing is worse than itself', () => {
    for (const [i, a] of STATUSES.entries()) {
      for (const [j, b] of STATUSES.entries()) expect([a, b, worse(a, b)]).toEqual([a, b, i > j]);
    }
  });
});

/**
 * The rule said another way, from the whole history at once: the believed status falls when the last `failAfter`
 * readings since it began were all worse than it, and rises when the last `recoverAfter` were all better.
 */
function believedAfter(seen: readonly number[], start: number, fail: number, recover: number): number {
  let believed = start;
  let began = 0;
  for (let end = 1; end <= seen.length; end++) {
    const since = seen.slice(began, end);
    const isFall = since.length >= fail && since.slice(-fail).every((status) => status > believed);
    const isRise = since.length >= recover && since.slice(-recover).every((status) => status < believed);
    if (!isFall && !isRise) continue;
    believed = seen[end - 1]!;
    began = end;
  }
  return believed;
}

/** Compares every sequence of `length` over `alphabet`, from its first to its last reading; returns the differences. */
function differences(
  alphabet: readonly Status[],
  length: number,
  start: Status,
  fail: number,
  recover: number,
): string[] {
  const found: string[] = [];
  const seen: number[] = [];
  const walk = (streak: Streak): void => {
    if (seen.length === length || found.length >= 3) return;
    for (const status of alphabet) {
      seen.push(STATUSES.indexOf(status));
      const next = settle(streak, status, { failAfter: fail, recoverAfter: recover });
      const expected = STATUSES[believedAfter(seen, STATUSES.indexOf(start), fail, recover)]!;
      if (next.status !== expected && found.length < 3)
        found.push(
          `${start}: ${seen.map((i) => STATUSES[i]).join(' ')} is ${next.status}, expected ${expected}`,
        );
      walk(next);
      seen.pop();
    }
  };
  walk({ status: start, against: 0 });
  return found;
}

const PATIENCES = [1, 2, 3, 5].flatMap((fail) => [1, 2, 3, 5].map((recover) => [fail, recover] as const));

describe('settle', () => {
  it.each(PATIENCES)(
    'follows the rule over every sequence of twelve readings up or down, failAfter %d, recoverAfter %d',
    (fail, recover) => {
      expect(differences(['up', 'down'], 12, 'up', fail, recover)).toEqual([]);
      expect(differences(['up', 'down'], 12, 'down', fail, recover)).toEqual([]);
    },
  );

  it.each(PATIENCES)(
    'follows the rule over every sequence of seven readings of three kinds, failAfter %d, recoverAfter %d',
    (fail, recover) => {
      for (const start of STATUSES) expect(differences(STATUSES, 7, start, fail, recover)).toEqual([]);
    },
  );

  it('does not add a better reading to a worse one: neither came twice in a row', () => {
    const patience = { failAfter: 2, recoverAfter: 2 };
    const afterUp = settle({ status: 'degraded', against: 0 }, 'up', patience);
    expect(settle(afterUp, 'down', patience).status).toBe('degraded');
    const afterDown = settle({ status: 'degraded', against: 0 }, 'down', patience);
    expect(settle(afterDown, 'up', patience).status).toBe('degraded');
  });

  it('follows the rule over every sequence of twelve readings of three kinds with the default patience', () => {
    expect(differences(STATUSES, 12, 'up', 2, 2)).toEqual([]);
  });
});

const PATIENCE = { failAfter: 2, recoverAfter: 2 };

function after(...seen: readonly Finding[]): Belief {
  return seen.reduce<Belief | null>(
    (before, one, i) => believe(before, one, NOW + i * 1_000, PATIENCE),
    null,
  )!;
}

describe('believe', () => {
  it.each(STATUSES)('takes the first reading for true at once when it is %s', (status) => {
    expect(after(finding({ status })).streak).toEqual({ status, against: 0 });
  });

  it('keeps the message, code and remedy of the finding it believes, and the numbers of the last reading', () => {
    const belief = after(
      finding({ message: 'fine', data: { used: 1 } }),
      down({ message: 'bad', data: { used: 10 } }),
    );
    expect(belief.streak.status).toBe('up');
    expect(belief.finding.message).toBe('fine');
    expect(belief.data).toEqual({ used: 10 });
  });

  it('always rests on a finding of the status it believes', () => {
    const walk = (before: Belief | null, depth: number): void => {
      if (before) expect(before.finding.status).toBe(before.streak.status);
      if (depth === 0) return;
      for (const status of STATUSES) walk(believe(before, finding({ status }), NOW, PATIENCE), depth - 1);
    };
    walk(null, 7);
  });

  it('counts since from the reading that changed the status, not from the first that spoke against it', () => {
    const belief = after(finding(), finding(), down(), down(), down());
    expect(belief).toMatchObject({ since: NOW + 3_000, codeSince: NOW + 3_000, checkedAt: NOW + 4_000 });
  });

  it('keeps since and begins codeSince anew when the code changes and the status does not', () => {
    const belief = after(down({ code: 'DB_UNREACHABLE' }), down({ code: 'POOL_WEDGED' }));
    expect(belief).toMatchObject({ since: NOW, codeSince: NOW + 1_000 });
    expect(belief.finding.code).toBe('POOL_WEDGED');
  });

  it('keeps codeSince through a single reading that spoke against it', () => {
    expect(after(down(), finding(), down())).toMatchObject({ codeSince: NOW, since: NOW });
  });

  it('learns nothing from an inconclusive reading: the streak, the finding and since stand', () => {
    const belief = after(finding(), down(), down({ inconclusive: true }), down({ inconclusive: true }));
    expect(belief.streak).toEqual(after(finding(), down()).streak);
    expect(belief.finding.status).toBe('up');
    expect(belief).toMatchObject({ since: NOW, checkedAt: NOW + 3_000 });
  });
});

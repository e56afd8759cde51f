import { causeOf, isNamed, tellCause, type CauseName } from '../../lib/indicators/reset-cause.js';
import type { EndedConnection } from '../../lib/sources/resets-reading.js';

/** One end every 7 s, far from every limit, unless told otherwise. */
function end(i: number, more: Partial<EndedConnection> = {}): EndedConnection {
  return {
    at: 7_000 * i,
    kind: 'reset',
    phase: 'idle',
    idleMs: 137 * (i + 1) ** 2,
    idleErrorMs: 0,
    ageMs: 991 * (i + 1) ** 2,
    isTls: false,
    isReused: false,
    answers: 3,
    loopDelayMs: 0,
    ...more,
  };
}

const ends = (count: number, more: (i: number) => Partial<EndedConnection> = () => ({})): EndedConnection[] =>
  Array.from({ length: count }, (_, i) => end(i, more(i)));

const nameOf = (events: EndedConnection[], survivedMs = 0): CauseName => causeOf(events, survivedMs).name;

describe('causeOf', () => {
  it.each<[CauseName, EndedConnection[], number]>([
    ['not-enough-data', ends(4, () => ({ idleMs: 3_000 })), 0],
    ['no-pattern', ends(14), 0],
    ['restart', ends(14, (i) => ({ at: 1_000 + i })), 0],
    [
      'idle-drop',
      ends(14, (i) => ({ phase: 'first-write-after-idle', idleMs: 350_000 + 9_000 * i })),
      340_000,
    ],
    ['idle-timeout', ends(14, (i) => ({ idleMs: 60_000 + i })), 0],
    ['read-timeout', ends(14, (i) => ({ phase: 'mid-request', idleMs: 60_000 + i })), 0],
    ['max-lifetime', ends(14, (i) => ({ ageMs: 3_600_000 + i })), 0],
    ['reachability', ends(14, (i) => ({ phase: i % 2 ? 'connect' : 'handshake' })), 0],
    ['keep-alive-race', ends(14, () => ({ phase: 'mid-request', isReused: true })), 0],
  ])('names %s', (name, events, survivedMs) => {
    expect(nameOf(events, survivedMs)).toBe(name);
  });

  it.each<[string, (i: number) => Partial<EndedConnection>]>([
    [
      'two thirds idle at a limit, one third cut off',
      (i) => (i % 3 ? { idleMs: 60_000 } : { phase: 'mid-request' }),
    ],
    ['half a restart', (i) => (i % 2 ? { at: 1_000 } : {})],
    ['two limits', (i) => ({ idleMs: i % 2 ? 60_000 : 350_000 })],
    [
      'short requests on connections of their own',
      () => ({ ageMs: 2_000, idleMs: 0, answers: 1, kind: 'fin' as const }),
    ],
  ])('names nothing for %s', (_, more) => {
    expect(nameOf(ends(15, more))).toBe('no-pattern');
  });

  it('names a restart for each of several, and not for a rate', () => {
    expect(nameOf(ends(20, (i) => ({ at: i < 10 ? 1_000 + i : 60_000 + i })))).toBe('restart');
    // 64 in three seconds: four of them always fall within 100 ms somewhere.
    let state = 1;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 200; round++)
      expect(nameOf(ends(64, () => ({ at: random() * 3_000 })))).toBe('no-pattern');
  });

  it('names no restart for requests in parallel that are each answered with `Connection: close`', () => {
    const parallel = (answers: number) =>
      ends(10, (i) => ({ at: 1_000 + i, kind: 'fin', answers, idleMs: 0 }));
    expect([nameOf(parallel(1)), nameOf(parallel(2))]).toEqual(['no-pattern', 'restart']);
  });

  it('calls connections that were refused at once unreachable, and no restart', () => {
    const refused = ends(10, (i) => ({ at: 1_000 + i, kind: 'connect-failed', phase: 'connect' }));
    expect(nameOf(refused)).toBe('reachability');
  });

  it('takes a write that nobody ever answered for a dropped connection', () => {
    const lost = ends(14, (i) => ({
      kind: 'timed-out' as const,
      phase: 'first-write-after-idle' as const,
      idleMs: 350_000 + 9_000 * i,
    }));
    expect(nameOf(lost, 340_000)).toBe('idle-drop');
  });

  it('names no idle drop once a longer silence was survived', () => {
    const dead = ends(14, (i) => ({ phase: 'first-write-after-idle', idleMs: 3_000 + 400 * i }));
    expect(nameOf(dead, 2_999)).toBe('idle-drop');
    expect(nameOf(dead, 3_000)).toBe('no-pattern');
  });

  it('brackets the limit of an idle drop between what was survived and what was not', () => {
    const dead = ends(20, (i) => ({
      phase: 'first-write-after-idle',
      idleMs: 350_400 + 5_000 * i,
      idleErrorMs: 900,
    }));
    expect(causeOf(dead, 349_100)).toMatchObject({
      fromMs: 349_100,
      toMs: 351_300,
      known: 'AWS NLB and NAT gateway, 350 s',
      by: 'device between',
      share: 1,
      events: 20,
    });
  });

  it('takes a FIN out of silence for the server, and a RST for something between', () => {
    const by = (kind: EndedConnection['kind']) =>
      causeOf(
        ends(9, () => ({ kind, idleMs: 28_800_000 })),
        0,
      );
    expect([by('fin').by, by('reset').by]).toEqual(['server', 'device between']);
    expect(by('fin').known).toBe('MySQL wait_timeout, 28800 s');
  });

  it('knows no device for a limit of nobody', () => {
    expect(
      causeOf(
        ends(9, () => ({ idleMs: 123_456 })),
        0,
      ).known,
    ).toBeNull();
  });

  it('is not moved by 20 % of other ends, and is by more', () => {
    const mixed = (others: number) =>
      nameOf(ends(20, (i) => (i < others ? { phase: 'mid-request' } : { idleMs: 60_000 })));
    expect([mixed(4), mixed(5)]).toEqual(['idle-timeout', 'no-pattern']);
  });

  it('names nothing for random kills, at any seed', () => {
    let state = 1;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const phases = ['idle', 'idle', 'first-write-after-idle', 'mid-request'] as const;
    for (let round = 0; round < 500; round++) {
      const events = ends(14, () => ({
        at: random() * 24_000,
        idleMs: random() * 3_000,
        ageMs: random() * 9_000,
        phase: phases[Math.floor(random() * 4)]!,
      }));
      expect(isNamed(causeOf(events, 7_000))).toBe(false);
    }
  });

  it('tells the limit, the device and the evidence in one clause', () => {
    const timeout = causeOf(
      ends(10, () => ({ idleMs: 900_000 })),
      0,
    );
    expect(tellCause(timeout)).toBe(
      'the device between closes connections idle for 900000 ms (Docker Swarm IPVS, 900 s): 10 of 10 ends',
    );
    expect(tellCause(causeOf(ends(3), 0))).toBe('not enough data, 3 of 5 ends');
  });
});

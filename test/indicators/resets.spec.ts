import { judgeResets, tellOrigin, type ResetThresholds } from '../../lib/indicators/resets.js';
import type { ResetOrigin, ResetReading } from '../../lib/sources/resets-reading.js';

const THRESHOLDS: ResetThresholds = { degradedAt: 20, downAt: 200, ratio: 0.05 };

function origin(inWindow: number, more: Partial<ResetOrigin> = {}): ResetOrigin {
  return {
    direction: 'outbound',
    peer: 'api.example.com:443',
    address: null,
    inWindow,
    total: inWindow,
    connectionsInWindow: inWindow,
    ends: [],
    survivedMs: 0,
    ...more,
  };
}

function reading(...origins: ResetOrigin[]): ResetReading {
  const sum = (direction: string) =>
    origins.filter((o) => o.direction === direction).reduce((total, o) => total + o.inWindow, 0);
  return {
    windowMs: 60_000,
    origins,
    outboundInWindow: sum('outbound'),
    inboundInWindow: sum('inbound'),
    total: origins.reduce((total, o) => total + o.total, 0),
    synthesizedInWindow: 4,
    timeoutsInWindow: 2,
    connectFailuresInWindow: 3,
    kernel: null,
  };
}

const judge = (...origins: ResetOrigin[]) => judgeResets(reading(...origins), THRESHOLDS);

describe('judgeResets', () => {
  it.each([
    [0, 'up', undefined],
    [19, 'up', undefined],
    [20, 'degraded', 'RESET_RATE_HIGH'],
    [199, 'degraded', 'RESET_RATE_HIGH'],
    [200, 'down', 'RESET_RATE_HIGH'],
    [100_000, 'down', 'RESET_RATE_HIGH'],
  ])('finds %d resets of one outbound origin %s', (inWindow, status, code) => {
    expect(judge(origin(inWindow))).toMatchObject({ status, remedy: 'none' });
    expect(judge(origin(inWindow)).code).toBe(code);
  });

  it('has no remedy, at any number of resets', () => {
    for (let count = 0; count < 2_000; count += 13) expect(judge(origin(count)).remedy).toBe('none');
  });

  it.each([
    [20, 400, 'degraded'],
    [20, 401, 'up'],
    [200, 4_000, 'down'],
    [200, 4_001, 'up'],
    [10, 10, 'up'],
  ])(
    'finds %d resets of %d connections %s: the floor first, then the share',
    (inWindow, connectionsInWindow, status) => {
      expect(judge(origin(inWindow, { connectionsInWindow })).status).toBe(status);
    },
  );

  it('takes more resets than known connections as all of them', () => {
    const found = judge(origin(30, { connectionsInWindow: 0 }));
    expect(found).toMatchObject({ status: 'degraded', data: { worstRatio: 1 } });
  });

  it('does not add origins up', () => {
    const many = Array.from({ length: 50 }, (_, i) => origin(19, { peer: `host${i}:443` }));
    expect(judge(...many).status).toBe('up');
  });

  it('never judges inbound resets', () => {
    const found = judge(origin(5_000, { direction: 'inbound', peer: ':3000' }));
    expect(found).toMatchObject({ status: 'up', data: { inboundInWindow: 5_000, worstInWindow: 0 } });
    expect(found.message).toBe('resets: 0 in 60000 ms (threshold 20)');
  });

  it('is about the origin with the worst status, not with the most resets', () => {
    const noisy = origin(300, { peer: 'crawled:80', connectionsInWindow: 100_000 });
    const sick = origin(25, { peer: 'db:5432' });
    const found = judge(noisy, sick);
    expect(found.status).toBe('degraded');
    expect(found.message).toBe('resets: 25 in 60000 ms from origin "outbound db:5432" (threshold 20)');
    expect(found.data).toMatchObject({ worstInWindow: 25, worstRatio: 1 });
  });

  it('says how many, in which window, from whom, and the threshold that was passed', () => {
    expect(judge(origin(38)).message).toBe(
      'resets: 38 in 60000 ms from origin "outbound api.example.com:443" (threshold 20)',
    );
    expect(judge(origin(238)).message).toBe(
      'resets: 238 in 60000 ms from origin "outbound api.example.com:443" (threshold 200)',
    );
  });

  it('says why many resets of very many connections are no finding', () => {
    expect(judge(origin(38, { connectionsInWindow: 9_500 })).message).toBe(
      'resets: 38 in 60000 ms from origin "outbound api.example.com:443" (threshold 20), ' +
        'a ratio of 0.004 of its 9500 connections (threshold 0.05)',
    );
  });

  it('carries the same numbers up and down, all of them finite', () => {
    const findings = [judge(), judge(origin(5)), judge(origin(50)), judge(origin(500))];
    const keys = [
      'outboundInWindow',
      'inboundInWindow',
      'worstInWindow',
      'worstRatio',
      'total',
      'synthesizedInWindow',
      'timeoutsInWindow',
      'connectFailuresInWindow',
      'kernel',
      'windowMs',
      'degradedAt',
      'downAt',
      'ratio',
    ];
    for (const { data } of findings) {
      expect(Object.keys(data)).toEqual([...keys, 'origins']);
      for (const key of keys.filter((one) => one !== 'kernel')) expect(Number.isFinite(data[key])).toBe(true);
    }
    expect(findings[0]!.data).toMatchObject({
      synthesizedInWindow: 4,
      timeoutsInWindow: 2,
      connectFailuresInWindow: 3,
      windowMs: 60_000,
      degradedAt: 20,
      downAt: 200,
      ratio: 0.05,
    });
  });

  describe('with a peer that acknowledges nothing', () => {
    const stalled = (retransmits: number, more: ResetOrigin[] = []) =>
      judgeResets(
        {
          ...reading(...more),
          kernel: {
            resets: 7,
            outsideNode: 2,
            stalled: [
              { peer: 'far:1', connections: 9, retransmits: 1 },
              { peer: 'db:1521', connections: 3, retransmits },
            ],
          },
        },
        THRESHOLDS,
        { owners: new Map([['db:1521', { pool: 'main', driver: 'knex/oracledb' }]]) },
      );

    it.each([
      [5, 'up', undefined],
      [6, 'degraded', 'PEER_UNREACHABLE'],
      [15, 'degraded', 'PEER_UNREACHABLE'],
    ])('finds %d retransmits %s', (retransmits, status, code) => {
      expect(stalled(retransmits)).toMatchObject({ status, remedy: 'none' });
      expect(stalled(retransmits).code).toBe(code);
    });

    it('says which, how long it has tried, and the setting of the driver whose pool it is', () => {
      expect(stalled(8).message).toBe(
        'resets: 0 in 60000 ms (threshold 20); 3 connections to "db:1521" without an acknowledgment after' +
          ' 8 retransmits (threshold 6): the peer is gone, or the path drops packets; set connection.callTimeout = 60000',
      );
    });

    it('keeps the code of the resets where there are too many as well', () => {
      const finding = stalled(8, [origin(30)]);
      expect(finding).toMatchObject({ status: 'degraded', code: 'RESET_RATE_HIGH' });
      expect(finding.message).toContain('"db:1521" without an acknowledgment');
    });

    it('has what the kernel said in its data, up or down', () => {
      expect(stalled(1).data.kernel).toEqual({
        resets: 7,
        outsideNode: 2,
        stalled: [
          { peer: 'far:1', connections: 9, retransmits: 1 },
          { peer: 'db:1521', connections: 3, retransmits: 1 },
        ],
      });
    });
  });

  it('shows the five first origins of the reading, inbound ones too', () => {
    const origins = [9, 8, 7, 6, 5, 4].map((count) =>
      origin(count, { direction: 'inbound', peer: `:${count}` }),
    );
    expect(judge(...origins).data.origins).toEqual(
      origins.slice(0, 5).map(({ ends: _ends, survivedMs: _survived, ...counts }) => ({
        ...counts,
        pool: null,
        driver: null,
      })),
    );
  });

  describe('where the ends of connections have a pattern', () => {
    const dropped = origin(38, {
      peer: 'db:1521',
      survivedMs: 349_000,
      ends: Array.from({ length: 10 }, (_, i) => ({
        at: 9_000 * i,
        kind: 'reset' as const,
        phase: 'first-write-after-idle' as const,
        idleMs: 350_600 + 700 * i,
        idleErrorMs: 400,
        ageMs: 991_000 * (i + 1),
        isTls: false,
        isReused: false,
        answers: 9,
        loopDelayMs: 3,
      })),
    });
    const judgeOwned = (driver: string, one = dropped) =>
      judgeResets(reading(one), THRESHOLDS, { owners: new Map([['db:1521', { pool: 'main', driver }]]) });

    it('says the cause and the one setting of the driver at the end of the message', () => {
      expect(judgeOwned('knex/oracledb').message).toBe(
        'resets: 38 in 60000 ms from origin "outbound db:1521" (threshold 20); ' +
          'cause: a device between drops connections idle for 349000 to 351000 ms ' +
          '(AWS NLB and NAT gateway, 350 s): 10 of 10 ends at the first write after; ' +
          'set pool: { min: 0, idleTimeoutMillis: 175500 }, or connection (EXPIRE_TIME=2) in the connect string',
      );
    });

    it('keeps cause, setting, pool and the last end in data, also while it is up', () => {
      const few = judgeOwned('pg', { ...dropped, inWindow: 3 });
      expect(few.status).toBe('up');
      expect(few.message).not.toContain('cause');
      expect(few.data.origins).toMatchObject([
        {
          pool: 'main',
          driver: 'pg',
          cause: {
            name: 'idle-drop',
            fromMs: 349_000,
            toMs: 351_000,
            survivedMs: 349_000,
            share: 1,
            events: 10,
          },
          setting: 'set keepAlive: true and keepAliveInitialDelayMillis: 175500',
          last: { phase: 'first-write-after-idle', idleMs: 356_900, ageMs: 9_910_000, isTls: false },
        },
      ]);
    });

    it('tells the cause in a line of its own, however few resets there are', () => {
      const owners = new Map([['db:1521', { pool: 'main', driver: 'knex/pg' }]]);
      const few = { ...dropped, inWindow: 1, total: 12 };
      expect(tellOrigin(few, owners)).toEqual({
        cause: 'idle-drop',
        line:
          'resets: 12 so far from origin "outbound db:1521" of pool "main"; ' +
          'cause: a device between drops connections idle for 349000 to 351000 ms ' +
          '(AWS NLB and NAT gateway, 350 s): 10 of 10 ends at the first write after; ' +
          'set pool: { min: 0, idleTimeoutMillis: 175500 }, or connection keepAlive: true and keepAliveInitialDelayMillis: 175500',
      });
      expect(tellOrigin(few, new Map())?.line).toMatch(/^resets: 12 so far from origin "outbound db:1521"; /);
    });

    it.each<[string, object]>([
      ['inbound', { direction: 'inbound' }],
      ['never reset', { total: 0 }],
      ['of too few ends for a cause', { ends: [] }],
    ])('tells none of an origin that is %s', (_name, change) => {
      expect(tellOrigin({ ...dropped, total: 12, ...change }, new Map())).toBeNull();
    });

    it('shows what the audit found, and nothing where it found nothing', () => {
      const dataOf = (advice: string[]) => judgeResets(reading(), THRESHOLDS, { advice }).data;
      expect(dataOf(['set min: 0'])).toMatchObject({ advice: ['set min: 0'] });
      expect(dataOf([])).not.toHaveProperty('advice');
    });

    it('names no cause in the message when there is none', () => {
      const { message, data } = judgeOwned('pg', { ...dropped, ends: dropped.ends.slice(0, 4) });
      expect(message).toMatch(/\(threshold 20\)$/);
      expect(data.origins).toMatchObject([{ cause: { name: 'not-enough-data' }, setting: null }]);
    });
  });
});

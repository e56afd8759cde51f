import { judgeEventLoop } from '../../lib/indicators/event-loop.js';
import { DEFAULTS } from '../../lib/options.js';
import type { EventLoopReading } from '../../lib/sources/event-loop.js';
import { eventLoopGauge } from '../../lib/gauges.js';
import { block } from '../verdict/make.js';

const THRESHOLDS = DEFAULTS.eventLoop;

function judge(given: Partial<EventLoopReading>) {
  const reading = {
    windowMs: 5_000,
    isPartial: false,
    p99DelayMs: 1,
    maxDelayMs: 2,
    utilizationRatio: 0.1,
    cpuWaitRatio: 0,
    ...given,
  };
  return judgeEventLoop(reading, THRESHOLDS);
}

describe('judgeEventLoop', () => {
  it('judges every combination of readings at and beyond each threshold by the first broken rule', () => {
    for (const p99DelayMs of [0, 50, 50.1, 200, 200.1, 1e6])
      for (const maxDelayMs of [0, 1_000, 1_000.1, 1e6])
        for (const utilizationRatio of [0, 0.95, 0.951, 1]) {
          const { status, code, remedy } = judge({ p99DelayMs, maxDelayMs, utilizationRatio });
          const isSaturated = utilizationRatio > 0.95 && p99DelayMs > 50;
          const expected =
            p99DelayMs > 200
              ? ['down', 'LOOP_BLOCKED', 'restart']
              : isSaturated
                ? ['degraded', 'LOOP_SATURATED', 'drain']
                : maxDelayMs > 1_000
                  ? ['degraded', 'LOOP_BLOCKED', 'none']
                  : ['up', undefined, 'none'];
          expect([p99DelayMs, maxDelayMs, utilizationRatio, status, code, remedy]).toEqual([
            p99DelayMs,
            maxDelayMs,
            utilizationRatio,
            ...expected,
          ]);
        }
  });

  it.each([
    [null, 'LOOP_BLOCKED'],
    [0.5, 'LOOP_BLOCKED'],
    [0.51, 'LOOP_STARVED'],
    [1, 'LOOP_STARVED'],
  ])('leaves the share %p without a CPU out of a delay of 401 ms: %s', (cpuWaitRatio, code) => {
    expect(judge({ p99DelayMs: 401, cpuWaitRatio })).toMatchObject({ code });
  });

  it('says of a single delay without a CPU what it is', () => {
    const seen = judge({ maxDelayMs: 1_500, cpuWaitRatio: 0.5 });
    expect(seen).toMatchObject({ status: 'degraded', code: 'LOOP_STARVED' });
    expect(seen.message).toMatch(
      /^event loop: 1500 ms late once within 5000 ms .*, 50 % of it without a CPU/,
    );
    expect(judge({ maxDelayMs: 1_500, cpuWaitRatio: 0.3 })).toMatchObject({ code: 'LOOP_BLOCKED' });
  });

  it('asks for no restart of a process that only gets no CPU', () => {
    expect(judge({ p99DelayMs: 1e4, cpuWaitRatio: 1 })).toMatchObject({
      status: 'degraded',
      remedy: 'drain',
    });
  });

  it('calls no percentile late that is the maximum of a few ticks, but the maximum itself', () => {
    expect(judge({ isPartial: true, p99DelayMs: 900, utilizationRatio: 1 })).toMatchObject({ status: 'up' });
    expect(judge({ isPartial: true, p99DelayMs: 1_100, maxDelayMs: 1_100 })).toMatchObject({
      status: 'degraded',
      code: 'LOOP_BLOCKED',
    });
  });

  it.each([
    [{}, 'event loop: 1 ms late at p99 over 5000 ms (threshold 200 ms)'],
    [{ p99DelayMs: 412 }, 'event loop: 412 ms late at p99 over 5000 ms (threshold 200 ms)'],
    [
      { p99DelayMs: 412, cpuWaitRatio: 0.913 },
      'event loop: 412 ms late at p99 over 5000 ms (threshold 200 ms), 91 % of it without a CPU: too many neighbors, or too low a quota',
    ],
    [
      { p99DelayMs: 60, utilizationRatio: 0.99 },
      'event loop: utilization 0.99 (threshold 0.95) and 60 ms late at p99 over 5000 ms (threshold 50 ms)',
    ],
    [{ maxDelayMs: 1_500 }, 'event loop: 1500 ms late once within 5000 ms (threshold 1000 ms)'],
  ])('says the number with its unit, window and threshold: %j', (given, message) => {
    expect(judge(given).message).toBe(message);
  });

  it('shows the same numbers up or down', () => {
    const keys = Object.keys(judge({}).data);
    expect(keys).toEqual(
      expect.arrayContaining([
        'windowMs',
        'p99DelayMs',
        'maxDelayMs',
        'utilizationRatio',
        'thresholdP99DelayMs',
      ]),
    );
    for (const given of [{ p99DelayMs: 1e3 }, { maxDelayMs: 1e4 }, { p99DelayMs: 60, utilizationRatio: 1 }])
      expect(Object.keys(judge(given).data)).toEqual(keys);
  });

  it('asks for a restart only when the block lasts', () => {
    expect(judge({ p99DelayMs: 1e3 })).toMatchObject({ remedy: 'restart', remedyAfterMs: 30_000 });
    expect(judge({ maxDelayMs: 1e6 })).not.toHaveProperty('remedyAfterMs');
  });
});

describe('eventLoopGauge', () => {
  it('does not count against an application that it blocked its loop while it was put together', async () => {
    const gauge = eventLoopGauge('eventLoop', DEFAULTS.eventLoop);
    await new Promise((resolve) => setTimeout(resolve, 60));
    block(600);
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(gauge.read(performance.now(), 0)).toMatchObject({ status: 'up' });
    gauge.close();
  });

  it('reads a block as a delay', async () => {
    const gauge = eventLoopGauge('eventLoop', { ...DEFAULTS.eventLoop, maxDelayMs: 100 });
    gauge.read(performance.now(), 0);
    await new Promise((resolve) => setTimeout(resolve, 60));
    block(400);
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(gauge.read(performance.now(), 0)).toMatchObject({ code: 'LOOP_BLOCKED' });
    gauge.close();
  });
});

import type { Socket } from 'node:net';
import { lastOf, look, newActivity, type Activity } from '../../lib/sources/reset-activity.js';

/** A connection that was born at 0 and is looked at by hand. */
class Line {
  readonly activity: Activity = newActivity(0);
  private read = 0;
  private written = 0;

  get socket(): Socket {
    return { bytesRead: this.read, bytesWritten: this.written } as Socket;
  }

  moves(written: number, read = 0): this {
    this.written += written;
    this.read += read;
    return this;
  }

  look(now: number): number {
    return look(this.activity, this.socket, now);
  }

  /** An exchange that is over by the look at `now`. */
  exchanges(now: number): number {
    return this.moves(10, 20).look(now);
  }

  ends(now: number, more = { isOutbound: true, hasRequest: false }) {
    return lastOf(this.activity, this.socket, now, more);
  }
}

describe('a look', () => {
  it('finds what silence was survived, and never more than it was', () => {
    const line = new Line();
    line.exchanges(1_000);
    for (const now of [2_000, 3_000, 4_000]) expect(line.look(now)).toBe(0);
    // It moved again after 4000 and at 1000 at the latest before.
    expect(line.exchanges(5_000)).toBe(3_000);
    expect(line.exchanges(6_000)).toBe(0);
  });

  it('counts a silence as survived only when the answer has come', () => {
    const line = new Line();
    line.exchanges(1_000);
    line.look(9_000);
    expect(line.moves(10).look(10_000)).toBe(0);
    expect(line.moves(10).look(30_000)).toBe(0);
    expect(line.moves(0, 10).look(31_000)).toBe(8_000);
  });
});

describe('a push that nobody asked for', () => {
  it('ends a silence as survived once the connection has lived on after it', () => {
    const line = new Line();
    line.exchanges(1_000);
    line.look(9_000);
    expect(line.moves(0, 10).look(10_000)).toBe(0);
    expect(line.look(11_000)).toBe(8_000);
    expect(line.look(12_000)).toBe(0);
    expect(line.ends(12_500)).toMatchObject({ idleMs: 2_500, answers: 2 });
  });
});

describe('the end of a connection', () => {
  it('is in the handshake while nothing has come back, but not when a client of ours hangs up', () => {
    const line = new Line().moves(5);
    expect(line.ends(40).phase).toBe('handshake');
    expect(line.ends(40, { isOutbound: false, hasRequest: false }).phase).toBe('first-write-after-idle');
  });

  it('is idle after an exchange, with the time since and how wrong that may be', () => {
    const line = new Line();
    line.look(1_000);
    line.exchanges(2_000);
    line.look(3_000);
    expect(line.ends(5_500)).toEqual({
      phase: 'idle',
      idleMs: 3_500,
      idleErrorMs: 1_000,
      answers: 1,
      gapMs: 0,
    });
  });

  it('is at the first write after an idle time, which is measured before the write', () => {
    const line = new Line();
    line.exchanges(1_000);
    line.look(350_000);
    expect(line.moves(10).ends(350_400)).toMatchObject({ phase: 'first-write-after-idle', idleMs: 349_400 });
  });

  it('is in the middle of a request that a look has seen go out', () => {
    const line = new Line();
    line.exchanges(1_000);
    line.moves(10).look(2_000);
    line.look(31_000);
    expect(line.ends(31_500)).toMatchObject({ phase: 'mid-request', idleMs: 29_500 });
    expect(line.moves(10).ends(31_500).phase).toBe('mid-request');
  });

  it('is in the middle of a request when HTTP says so', () => {
    const line = new Line();
    line.exchanges(1_000);
    expect(line.ends(1_500, { isOutbound: true, hasRequest: true }).phase).toBe('mid-request');
  });

  it('after bytes that no look has seen is not after a silence', () => {
    const line = new Line();
    line.exchanges(1_000);
    line.look(9_000);
    expect(line.moves(10, 10).ends(9_700)).toEqual({
      phase: 'idle',
      idleMs: 0,
      idleErrorMs: 700,
      answers: 2,
      gapMs: 0,
    });
  });

  it('after a farewell nobody asked for is after the silence before it, whether a look fell in between or not', () => {
    for (const isLookedAt of [true, false]) {
      const line = new Line();
      line.exchanges(1_000);
      line.look(60_000);
      line.moves(0, 50);
      if (isLookedAt) expect(line.look(61_000)).toBe(0);
      const { idleMs, answers, phase } = line.ends(61_100);
      expect({ idleMs, answers, phase }).toEqual({ idleMs: 59_000, answers: 1, phase: 'idle' });
    }
  });

  it('tells how long a silence went before what is being awaited', () => {
    const line = new Line();
    line.exchanges(1_000);
    line.look(350_000);
    line.moves(10).look(351_000);
    expect(line.ends(1_200_000)).toMatchObject({ phase: 'mid-request', gapMs: 349_000 });
  });
});

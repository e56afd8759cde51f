import net from 'node:net';

import {
  accepted,
  connecting,
  type ConnectionEnd,
  destroyed,
  lookAround,
  newLedger,
  requestFailed,
  type ResetLedger,
} from '../../lib/sources/reset-ledger.js';
import { newOrigins, originOf } from '../../lib/sources/reset-origins.js';

const reset = () => Object.assign(new Error(), { code: 'ECONNRESET', errno: -104, syscall: 'read' });
const hangUp = () => Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });

let ledger: ResetLedger;
let ends: ConnectionEnd[];

beforeEach(() => {
  ledger = newLedger();
  ends = [];
  ledger.subscribers.add((end) => ends.push(end));
});

/** A socket whose `connect` was seen; nobody drives it. */
function asked(): net.Socket {
  const socket = new net.Socket();
  connecting(ledger, socket, [5432, 'db']);
  return socket;
}

const outcomes = (): string[] => ends.map(({ outcome }) => outcome);
const openToDb = (): number => ledger.origins.named.get('outbound db:5432')!.open;

describe('the table of origins', () => {
  it('lets go of a peer without a connection an hour after its last reset, and not before', () => {
    const origins = newOrigins();
    for (let i = 0; i < 200; i++)
      originOf(origins, 'outbound', `old:${i}`, 0).resetAt = i === 7 ? 1_000 : 5_000;
    expect(originOf(origins, 'outbound', 'new:1', 3_600_000)).toBe(origins.others.outbound);
    expect(originOf(origins, 'outbound', 'new:2', 3_601_001).peer).toBe('new:2');
    expect([origins.named.size, origins.named.has('outbound old:7')]).toEqual([200, false]);
  });
});

describe('the ledger', () => {
  it('holds the longest silence that was survived for a day, and then a shorter one', () => {
    const DAY = 86_400_000;
    const socket = asked();
    const move = (): void => {
      Object.defineProperty(socket, 'bytesRead', { value: socket.bytesRead + 1, configurable: true });
      Object.defineProperty(socket, 'bytesWritten', {
        value: (socket.bytesWritten ?? 0) + 1,
        configurable: true,
      });
    };
    const origin = ledger.origins.named.get('outbound db:5432')!;
    const start = performance.now();
    /** An exchange after a silence of `ms`. */
    let now = start;
    const exchangeAfter = (ms: number): number => {
      lookAround(ledger, (now += ms));
      move();
      lookAround(ledger, (now += 100));
      return Math.round(origin.survivedMs);
    };
    exchangeAfter(1_000);
    expect(exchangeAfter(50_000)).toBe(50_000);
    expect(exchangeAfter(20_000)).toBe(50_000);
    origin.survivedAt -= DAY;
    expect(exchangeAfter(20_000)).toBe(20_000);
  });

  it('counts a reset after a synthesized hang-up on the same connection: the kernel corrects Node', () => {
    const socket = asked();
    requestFailed(ledger, { request: { socket }, error: hangUp() });
    destroyed(ledger, socket, reset());
    expect(outcomes()).toEqual(['synthesized', 'reset']);
    expect(ends.map(({ endsConnection }) => endsConnection)).toEqual([false, true]);
  });

  it('counts one reset of one connection, though two layers of it report one each', () => {
    const raw = asked();
    const secure = Object.assign(new net.Socket(), { _parent: raw });
    destroyed(ledger, secure, reset());
    destroyed(ledger, raw, reset());
    expect(outcomes()).toEqual(['reset']);
  });

  it('takes a hang-up after a reset for its echo', () => {
    const socket = asked();
    destroyed(ledger, socket, reset());
    requestFailed(ledger, { request: { socket }, error: hangUp() });
    expect(outcomes()).toEqual(['reset']);
  });

  it('tells each subscriber, also when the one before it throws', () => {
    const heard: string[] = [];
    ledger.subscribers.clear();
    ledger.subscribers.add(() => {
      throw new Error('a copy whose environment is gone');
    });
    ledger.subscribers.add(({ outcome }) => heard.push(outcome));
    destroyed(ledger, asked(), reset());
    expect(heard).toEqual(['reset']);
  });

  it('opens one connection when connect is called again before the end, and another after it', () => {
    const socket = asked();
    expect(connecting(ledger, socket, [5432, 'db'])).toBeUndefined();
    expect(openToDb()).toBe(1);
    destroyed(ledger, socket, null);
    expect(openToDb()).toBe(0);
    expect(connecting(ledger, socket, [5432, 'db'])).toMatchObject({ isOver: false });
    expect(openToDb()).toBe(1);
  });

  it('does not open an inbound connection that the server threw out before we heard of it', () => {
    accepted(ledger, { socket: new net.Socket().destroy() });
    expect(ledger.origins.named.size).toBe(0);
  });

  it('carries the error, the time and the connection of each end', () => {
    destroyed(ledger, asked(), reset());
    expect(ends[0]).toMatchObject({
      outcome: 'reset',
      code: 'ECONNRESET',
      errno: -104,
      syscall: 'read',
      connection: { origin: { direction: 'outbound', peer: 'db:5432' }, remoteAddress: null, isOver: true },
    });
    expect(ends[0]!.at).toBeGreaterThanOrEqual(ends[0]!.connection.beganAt!);
  });

  it('keeps the last thousand ends for those who come late, and no plain closes', () => {
    for (let i = 0; i < 1_100; i++) destroyed(ledger, asked(), i % 2 ? reset() : hangUp());
    destroyed(ledger, asked(), null);
    expect(ledger.recent).toHaveLength(1_000);
    expect(ledger.recent.at(-1)).toBe(ends[1_099]);
    expect(ledger.resets).toBe(550);
  });
});

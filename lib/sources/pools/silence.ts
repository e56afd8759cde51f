/**
 * Stage 1, MEASURE: which connections the host holds and does nothing with, and on which does it wait for the database? A
 * checkout is silent while no byte moves on its socket and no query is under way: however long a query lasts, its
 * connection is not silent.
 */
import type { PoolAdapter, Traffic } from './adapter.js';
import { peek, peekNumber, peekObject, socketOf } from './duck.js';

interface Held extends Traffic {
  readonly since: number;
  /** Something was sent and nothing received since. */
  readonly isAwaiting: boolean;
  /** When the query under way was first seen; `null` while none is. */
  readonly askedAt: number | null;
}

/** One silent checkout. */
export interface SilentCheckout {
  readonly connection: object;
  readonly silentMs: number;
}

/** One query under way. */
export interface Asked {
  readonly connection: object;
  readonly askedMs: number;
}

/** The silence of the connections that the host holds, as the samples see it. */
export class Silence {
  private held = new Map<object, Held>();

  constructor(private readonly adapter: Pick<PoolAdapter, 'traffic'>) {}

  /** The connection went out: it begins anew. */
  checkout(now: number, connection: object): void {
    const traffic = this.look(connection);
    if (!traffic) {
      this.held.delete(connection);
      return;
    }
    // Key by key: V8 takes microseconds to spread an object, and this is in the way of every query.
    const { moved, bytesRead, isBusy } = traffic;
    this.held.set(connection, { moved, bytesRead, isBusy, since: now, isAwaiting: false, askedAt: null });
  }

  /** Looks at the connections that are out. */
  observe(now: number, used: readonly object[]): void {
    const before = this.held;
    this.held = new Map();
    for (const connection of used) {
      const traffic = this.look(connection);
      if (traffic) this.held.set(connection, next(now, before.get(connection), traffic));
    }
  }

  /** Those silent for `ms` or longer, the longest first; with 0 all that are silent. */
  over(now: number, ms: number): SilentCheckout[] {
    return [...this.held]
      .map(([connection, { since }]) => ({ connection, silentMs: now - since }))
      .filter(({ silentMs }) => silentMs > 0 && silentMs >= ms)
      .sort((a, b) => b.silentMs - a.silentMs);
  }

  /** How many are out whose traffic can be seen. */
  get seen(): number {
    return this.held.size;
  }

  /** The queries under way, the longest first. */
  asked(now: number): Asked[] {
    return [...this.held]
      .flatMap(([connection, { askedAt }]) =>
        askedAt === null ? [] : [{ connection, askedMs: now - askedAt }],
      )
      .sort((a, b) => b.askedMs - a.askedMs);
  }

  private look(connection: object): Traffic | null {
    return this.adapter.traffic ? this.adapter.traffic(connection) : trafficOf(connection);
  }
}

/** What moved on a driver's connection, by its socket; `null` where the socket cannot be seen. */
export function trafficOf(connection: object): Traffic | null {
  const socket = socketOf(connection);
  if (!socket) return null;
  const bytesRead = peekNumber(socket, ['bytesRead'], 0);
  const moved = bytesRead + peekNumber(socket, ['bytesWritten'], 0);
  return { moved, bytesRead, isBusy: isBusy(connection) };
}

function next(now: number, before: Held | undefined, traffic: Traffic): Held {
  const hasRead = before !== undefined && traffic.bytesRead !== before.bytesRead;
  const hasMoved = before === undefined || traffic.moved !== before.moved;
  const isAwaiting = !hasRead && (hasMoved ? before !== undefined : before.isAwaiting);
  const isBusy = traffic.isBusy ?? isAwaiting;
  const isSilent = !hasMoved && !isBusy;
  // An answer may come in many parts; what was sent since is another question.
  const hasSent = before !== undefined && sent(traffic) !== sent(before);
  const askedAt = isBusy ? ((hasSent ? null : before?.askedAt) ?? now) : null;
  return { ...traffic, isAwaiting, askedAt, since: isSilent ? before.since : now };
}

function sent({ moved, bytesRead }: Traffic): number {
  return moved - bytesRead;
}

/** Is a query under way? By what pg, mysql2 and tedious keep of it; `null` for other drivers. */
function isBusy(connection: object): boolean | null {
  const ready = peek(connection, 'readyForQuery');
  if (typeof ready === 'boolean') return !ready;
  if (peekObject(connection, '_paused_packets')) return Boolean(peek(connection, '_command'));
  const state = peek(connection, 'state', 'name');
  return typeof state === 'string' ? state !== 'LoggedIn' : null;
}

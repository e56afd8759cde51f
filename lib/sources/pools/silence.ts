/**
 * Stage 1, MEASURE: which connections the host holds and does nothing with? A checkout is silent while no byte moves
 * on its socket and no query is under way: however long a query lasts, its connection is not silent.
 */
import type { PoolAdapter, Traffic } from './adapter.js';
import { peek, peekNumber, peekObject, socketOf } from './duck.js';

interface Held extends Traffic {
  readonly since: number;
  /** Something was sent and nothing received since. */
  readonly isAwaiting: boolean;
}

/** One silent checkout. */
export interface SilentCheckout {
  readonly connection: object;
  readonly silentMs: number;
}

/** The silence of the connections that the host holds, as the samples see it. */
export class Silence {
  private held = new Map<object, Held>();

  constructor(private readonly adapter: Pick<PoolAdapter, 'traffic'>) {}

  /** The connection went out: it begins anew. */
  checkout(now: number, connection: object): void {
    const traffic = this.look(connection);
    if (traffic) this.held.set(connection, { ...traffic, since: now, isAwaiting: false });
    else this.held.delete(connection);
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

  private look(connection: object): Traffic | null {
    return this.adapter.traffic ? this.adapter.traffic(connection) : trafficOf(connection);
  }
}

/** What moved on a driver's connection, by its socket; `null` where the socket cannot be seen. */
export function trafficOf(connection: object, socket: object | null = socketOf(connection)): Traffic | null {
  if (!socket) return null;
  const bytesRead = peekNumber(socket, ['bytesRead'], 0);
  const moved = bytesRead + peekNumber(socket, ['bytesWritten'], 0);
  return { moved, bytesRead, isBusy: isBusy(connection) };
}

function next(now: number, before: Held | undefined, traffic: Traffic): Held {
  const hasRead = before !== undefined && traffic.bytesRead !== before.bytesRead;
  const hasMoved = before === undefined || traffic.moved !== before.moved;
  const isAwaiting = !hasRead && (hasMoved ? before !== undefined : before.isAwaiting);
  const isSilent = !hasMoved && !(traffic.isBusy ?? isAwaiting);
  return { ...traffic, isAwaiting, since: isSilent ? before.since : now };
}

/** Is a query under way? By what pg, mysql2 and tedious keep of it; `null` for other drivers. */
function isBusy(connection: object): boolean | null {
  const ready = peek(connection, 'readyForQuery');
  if (typeof ready === 'boolean') return !ready;
  if (peekObject(connection, '_paused_packets')) return Boolean(peek(connection, '_command'));
  const state = peek(connection, 'state', 'name');
  return typeof state === 'string' ? state !== 'LoggedIn' : null;
}

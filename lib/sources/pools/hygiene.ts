/**
 * Stage 1, MEASURE, and the one thing in it that acts, where the host has asked for it: closes idle connections that
 * are dead, and after a burst of resets from the pool's peer those born before it, one at a time. Never one in use.
 */
import { holdResetHook, releaseResetHook } from '../reset-hook.js';
import type { ConnectionEnd, ResetLedger } from '../reset-ledger.js';
import type { PoolAdapter } from './adapter.js';
import { isDead, socketOf } from './duck.js';

/** So many resets from one peer within so long a time are a burst: a failover, a restart, a device that forgot all. */
const BURST = { count: 2, withinMs: 1_000 };

/** Keeps one pool clean. */
export class Hygiene {
  /** Dead idle connections closed so far. */
  evicted = 0;
  /** Idle connections closed so far because they were born before a burst of resets. */
  retired = 0;
  private readonly born = new WeakMap<object, number>();
  private readonly ledger: ResetLedger;
  private resetsAt: number[] = [];
  private burstAt: number | null = null;
  private readonly subscriber = (end: ConnectionEnd): void => this.hear(end);

  /** `isOurs` is asked at every reset, with the peer that it is counted for. */
  constructor(
    private readonly adapter: PoolAdapter,
    private readonly isOurs: (peer: string) => boolean,
  ) {
    this.ledger = holdResetHook(this);
    this.ledger.subscribers.add(this.subscriber);
  }

  /** Does what is to be done at `now`. Says what it did, one line; `null` when nothing. */
  clean(now: number): string | null {
    const { adapter } = this;
    const idle = adapter.idle?.() ?? [];
    for (const connection of [...idle, ...adapter.used()])
      if (!this.born.has(bodyOf(connection))) this.born.set(bodyOf(connection), now);
    const evicted = idle.filter((one) => isDead(one) && this.retire(one, 'dead')).length;
    const retired = evicted === 0 && this.retireOne(idle) ? 1 : 0;
    this.evicted += evicted;
    this.retired += retired;
    if (evicted > 0) return `closed dead idle connections: ${evicted} (${this.evicted} so far)`;
    if (retired > 0)
      return `closed an idle connection older than the last burst of resets (${this.retired} so far)`;
    return null;
  }

  close(): void {
    this.ledger.subscribers.delete(this.subscriber);
    releaseResetHook(this);
  }

  private hear({ at, outcome, connection }: ConnectionEnd): void {
    const { direction, peer } = connection.origin;
    if (outcome !== 'reset' || direction !== 'outbound' || !this.isOurs(peer)) return;
    this.resetsAt = [...this.resetsAt.filter((before) => at - before <= BURST.withinMs), at];
    if (this.resetsAt.length >= BURST.count) this.burstAt = at;
  }

  private retireOne(idle: readonly object[]): boolean {
    const { burstAt } = this;
    if (burstAt === null) return false;
    return idle.some((one) => this.born.get(bodyOf(one))! <= burstAt && this.retire(one, 'reset burst'));
  }

  private retire(connection: object, why: string): boolean {
    return this.adapter.retire?.(connection, new Error(`nestjs-vitals: ${why}`)) ?? false;
  }
}

/** What is born: oracledb hands one and the same connection out as another object each time. */
function bodyOf(connection: object): object {
  return socketOf(connection) ?? connection;
}

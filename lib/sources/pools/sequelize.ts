/**
 * Stage 1, MEASURE: sequelize-pool, below Sequelize, by its counters and lists.
 */
import type { Gauges, PoolAdapter } from './adapter.js';
import { can, peek, peekList, peekNumber, peekObject } from './duck.js';
import { PromisedAdapter, type Pool, type Surroundings } from './promised.js';

/** Recognizes the pool of sequelize-pool. One that is draining counts as none. */
export function recognizeSequelizePool(value: unknown, around: Surroundings): PoolAdapter | null {
  const isPool =
    ['size', 'available', 'using', 'waiting', 'maxSize'].every(
      (key) => typeof peek(value, key) === 'number',
    ) && can(value, 'acquire', 'release', 'destroy');
  return isPool && peek(value, '_draining') !== true ? new SequelizePoolAdapter(value as Pool, around) : null;
}

class SequelizePoolAdapter extends PromisedAdapter {
  gauges(): Gauges {
    const [used, idle] = [this.used().length, this.idle().length];
    return {
      max: peekNumber(this.pool, ['maxSize'], 0),
      used,
      idle,
      opening: Math.max(0, this.size() - this.taken().length - idle - this.ownOpening),
      waiting: this.waiting(),
    };
  }

  waiters(): readonly object[] {
    return peekList(this.pool, '_pendingAcquires').filter((place) => place !== this.ownPlace);
  }

  protected size(): number {
    return peekNumber(this.pool, ['size'], 0);
  }

  protected taken(): readonly object[] {
    return resources(peekList(this.pool, '_inUseObjects'));
  }

  idle(): readonly object[] {
    return resources(peekList(this.pool, '_availableObjects'));
  }

  protected lastPlace(): object | null {
    return peekList(this.pool, '_pendingAcquires').at(-1) ?? null;
  }

  protected isQueued(place: object): boolean {
    return peekList(this.pool, '_pendingAcquires').includes(place);
  }

  protected leave(place: object): void {
    // As its own time limit does it.
    const queue = this.pool as unknown as { _pendingAcquires: object[] };
    queue._pendingAcquires = queue._pendingAcquires.filter((one) => one !== place);
    const { reject } = place as { reject?(error: Error): void };
    reject?.call(place, new Error('withdrawn'));
  }
}

function resources(held: readonly object[]): readonly object[] {
  return held.map((one) => peekObject(one, 'resource')).filter((one) => one !== null);
}

/**
 * Stage 1, MEASURE: generic-pool, which holds anything and tells of failed creations only.
 */
import type { Gauges, PoolAdapter, PoolEvents } from './adapter.js';
import { can, listen, peek, peekNumber, peekObject, type Emitter } from './duck.js';
import { PromisedAdapter, type Pool } from './promised.js';

/** Recognizes a pool of generic-pool. One that is draining counts as none. */
export function recognizeGenericPool(value: unknown): PoolAdapter | null {
  const isPool =
    ['size', 'available', 'borrowed', 'pending', 'spareResourceCapacity', 'max'].every(
      (key) => typeof peek(value, key) === 'number',
    ) && can(value, 'acquire', 'release', 'destroy', 'on', 'removeListener');
  if (!isPool || peek(value, '_draining') === true) return null;
  return new GenericPoolAdapter(value as Pool & Emitter, { driver: 'generic-pool' });
}

interface Queue {
  readonly head: object | undefined;
  readonly tail: object | undefined;
  /** One queue per priority, the first served first. */
  readonly _slots: readonly Iterable<object>[];
  dequeue(): unknown;
}

interface Node {
  readonly data: object;
  readonly next: Node | null;
}

interface Free {
  readonly _list: { readonly head: Node | null; remove(node: Node): void };
}

class GenericPoolAdapter extends PromisedAdapter {
  gauges(): Gauges {
    const counter = (key: string): number => peekNumber(this.pool, [key], 0);
    const testing = peekNumber(this.pool, ['_testOnBorrowResources', 'size'], 0);
    return {
      max: counter('max'),
      used: this.used().length,
      idle: counter('available') + testing,
      opening: Math.max(0, peekNumber(this.pool, ['_factoryCreateOperations', 'size'], 0) - this.ownOpening),
      waiting: this.waiting(),
    };
  }

  waiters(): readonly object[] {
    const places = this.queue()._slots.flatMap((slot) => [...slot]);
    return places.filter((place) => place !== this.ownPlace && peek(place, 'state') === 'PENDING');
  }

  override attach(events: PoolEvents): () => void {
    const ends = [
      super.attach(events),
      listen(this.pool as Pool & Emitter, {
        factoryCreateError: (error) => {
          // It tries again at once and for ever while somebody waits: that must not be us.
          if (this.ownPlace && this.waiting() === 0) this.withdraw();
          else events.createFailure(error);
        },
      }),
    ];
    return () => ends.forEach((end) => end());
  }

  protected size(): number {
    return peekNumber(this.pool, ['size'], 0);
  }

  protected taken(): readonly object[] {
    const loans = peek(this.pool, '_resourceLoans');
    return loans instanceof Map ? [...(loans as Map<object, unknown>).keys()] : [];
  }

  idle(): readonly object[] {
    const free: object[] = [];
    const given = peek(this.pool, '_availableObjects');
    if (given && typeof given === 'object' && Symbol.iterator in given)
      for (const one of given as Iterable<object>) free.push(peekObject(one, 'obj') ?? one);
    return free;
  }

  protected lastPlace(): object | null {
    return this.queue().tail ?? null;
  }

  /** It can be left at its head only. */
  protected isQueued(place: object): boolean {
    return this.queue().head === place;
  }

  protected leave(): void {
    this.queue().dequeue();
  }

  /** Out of its list, as its evictor does it. */
  protected override drop(connection: object): void {
    const { _availableObjects: free, _destroy: destroy } = this.pool as unknown as {
      _availableObjects: Free;
      _destroy(resource: object): void;
    };
    let node = free._list.head;
    while (node && peek(node.data, 'obj') !== connection) node = node.next;
    if (!node) return;
    free._list.remove(node);
    destroy.call(this.pool, node.data);
  }

  private queue(): Queue {
    return (this.pool as unknown as { _waitingClientsQueue: Queue })._waitingClientsQueue;
  }
}

/**
 * Stage 1, MEASURE: the pool of node-redis, out of which a client is for as long as one command or one callback takes.
 * Its counters are public; who waits, since when, and how many clients it may have is heard at its one door, `execute`.
 */
import { performance } from 'node:perf_hooks';
import type { Borrowing, Gauges, PoolAdapter, PoolEvents } from './adapter.js';
import { can, isAcquireTimeout, isNetworkError, peek, peekNumber, peekObject } from './duck.js';
import { targetIn } from './redis.js';
import type { Target } from './reach.js';
import { ended, quietly, shadow } from './shadow.js';

type Task = (client: object) => unknown;

interface Pool {
  execute(task: Task): Promise<unknown>;
}

interface Client {
  ping(): Promise<unknown>;
}

const COUNTERS = ['idleClients', 'clientsInUse', 'totalClients', 'tasksQueueLength'];

/** Recognizes a pool of node-redis. Before it connects, and when it is closed, it counts as none. */
export function recognizeRedisPool(value: unknown): PoolAdapter | null {
  const isPool = can(value, 'execute') && COUNTERS.every((key) => typeof peek(value, key) === 'number');
  // What it hands out, and what sets options for some commands, are views of it.
  return isPool ? new RedisPoolAdapter((peekObject(value, '_self') ?? value) as Pool) : null;
}

class RedisPoolAdapter implements PoolAdapter {
  readonly driver = 'pool/redis';
  private readonly held = new Set<object>();
  private readonly callers = new Set<object>();
  /** Clients are seen when they are first used. */
  private readonly met = new Set<object>();
  private max = Infinity;
  private own: object | null = null;
  private isBorrowing = false;
  private giveUp = (): void => {};
  private release = (): void => {};

  constructor(private readonly clients: Pool) {}

  get pool(): object | null {
    const isOpen = peek(this.clients, 'isOpen') === true && peek(this.clients, 'isClosing') !== true;
    return isOpen ? this.clients : null;
  }

  gauges(): Gauges {
    const { held, own, max } = this;
    // Until it has connected, a client is in use by nobody.
    const opening = Math.max(0, this.count('clientsInUse') - held.size - (own ? 1 : 0));
    return { max, used: held.size, idle: this.count('idleClients'), opening, waiting: this.waiting() };
  }

  waiting(): number {
    return this.count('tasksQueueLength');
  }

  used(): readonly object[] {
    return [...this.held];
  }

  waiters(): readonly object[] {
    return [...this.callers];
  }

  /** Free, and on their way back. */
  dead(): number {
    for (const client of this.met) if (peek(client, 'isOpen') !== true) this.met.delete(client);
    return [...this.met].filter((one) => !this.held.has(one) && !isReady(one)).length;
  }

  target(): Target | null {
    const [client] = this.met;
    return client ? targetIn(peek(client, 'options', 'socket')) : null;
  }

  attach(events: PoolEvents): () => void {
    return shadow(this.clients, 'execute', (call, args) => {
      if (this.isBorrowing) return call(args);
      const [askedAt, caller] = [performance.now(), {}];
      const [total, waiting] = [this.count('totalClients'), this.waiting()];
      this.callers.add(caller);
      const asked = call([
        (client: object) => {
          this.callers.delete(caller);
          quietly(() => this.lend(client, performance.now() - askedAt, events));
          return this.taking(client, args[0] as Task, events);
        },
      ]);
      // For whoever has to wait a client is opened, unless there are as many as there may be.
      if (this.waiting() > waiting && this.count('totalClients') === total) this.max = total;
      const hear = (error: unknown): void => {
        // Else what failed is what the caller did with his client.
        if (!this.callers.delete(caller)) return;
        if (isNetworkError(error)) events.createFailure(error);
        if (isAcquireTimeout(error)) events.timeout();
      };
      return ended(() => asked, [], hear);
    });
  }

  /** Only a client that is free is asked: a caller of ours in the queue would be in the way, or have one opened. */
  borrow(): Borrowing {
    this.isBorrowing = true;
    try {
      if (this.count('idleClients') > 0) this.clients.execute((client) => this.hold(client)).catch(() => {});
    } finally {
      this.isBorrowing = false;
    }
    const granted = Promise.resolve(this.own ?? this.clients);
    return { granted, isCrowdedOut: () => false, withdraw: () => {} };
  }

  ask(client: object): Promise<unknown> {
    if (client !== this.clients) return (client as Client).ping();
    return new Promise((_resolve, reject) => {
      this.giveUp = () => reject(new Error('no client is free'));
    });
  }

  /** Where nobody could be asked, or the client asked has lost its connection, a connect decides. */
  isBehind(): boolean {
    return !this.own || !isReady(this.own);
  }

  giveBack(): void {
    this.own = null;
    this.release();
  }

  /** The client is answered in order: behind a question of ours, it serves the next caller. */
  discard(): void {
    this.giveUp();
    this.giveBack();
  }

  private hold(client: object): Promise<void> | undefined {
    this.met.add(client);
    if (!isReady(client)) return undefined;
    this.own = client;
    return new Promise((done) => {
      this.release = done;
    });
  }

  private lend(client: object, waitMs: number, events: PoolEvents): void {
    this.held.add(client);
    this.met.add(client);
    events.checkout(client, waitMs);
  }

  /** Runs the task. The pool has the client back when its promise ends, or at once where it has none. */
  private taking(client: object, task: Task, events: PoolEvents): unknown {
    const back = (): void => {
      this.held.delete(client);
      quietly(() => events.checkin(client, undefined));
    };
    let result: unknown;
    try {
      result = task(client);
      return result;
    } finally {
      if (result instanceof Promise) void result.then(back, back);
      else back();
    }
  }

  private count(key: string): number {
    return peekNumber(this.clients, [key], 0);
  }
}

function isReady(client: object): boolean {
  return peek(client, 'isReady') === true;
}

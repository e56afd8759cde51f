/**
 * Stage 1, MEASURE: pools of anything that answer with promises: what sequelize-pool and generic-pool have in common.
 * Neither tells of its traffic, so its calls are heard.
 */
import type { Borrowing, Gauges, PoolAdapter, PoolEvents, Settings } from './adapter.js';
import { cut, isDead, peek } from './duck.js';
import { askConnection, protocolOf } from './connection.js';
import { Requests } from './requests.js';
import { quietly, shadow, type Around } from './shadow.js';
import { targetOf, targetOfConnection, withPrelogin } from './target.js';
import type { Target } from './reach.js';

export interface Pool {
  acquire(): Promise<object>;
  release(resource: object): unknown;
  destroy(resource: object): unknown;
}

/** What is known of a pool from around it. */
export interface Surroundings {
  readonly driver: string;
  /** The settings that its connections are opened with, where they can be seen. */
  readonly settings?: unknown;
  readonly protocol?: Target['protocol'];
  /** tedious' `Request`, where its connections are SQL Server's. */
  readonly tediousRequest?: unknown;
}

/** One such pool. */
export abstract class PromisedAdapter implements PoolAdapter {
  readonly driver: string;
  protected own: object | null = null;
  protected ownPlace: object | null = null;
  protected ownOpening = 0;
  private readonly requests = new Requests();
  readonly followCheckouts = this.requests.followed;
  private giveUp = (): void => {};

  constructor(
    readonly pool: Pool,
    private readonly around: Surroundings,
  ) {
    this.driver = around.driver;
  }

  settings(): Settings {
    const { settings } = this.around;
    return { connection: peek(settings, 'dialectOptions') ?? settings, pool: this.pool };
  }

  abstract gauges(): Gauges;
  abstract waiters(): readonly object[];
  protected abstract taken(): readonly object[];
  abstract idle(): readonly object[];
  protected abstract size(): number;
  /** The place in the queue that was taken last. */
  protected abstract lastPlace(): object | null;
  protected abstract isQueued(place: object): boolean;
  /** Takes a place out of the queue. */
  protected abstract leave(place: object): void;

  waiting(): number {
    return this.waiters().length;
  }

  used(): readonly object[] {
    return this.taken().filter((resource) => resource !== this.own);
  }

  dead(): number {
    return [...this.used(), ...this.idle()].filter(isDead).length;
  }

  target(): Target | null {
    const [connection] = [...this.taken(), ...this.idle()];
    const protocol = this.around.protocol ?? (connection ? protocolOf(connection) : 'tcp');
    const live = connection ? targetOfConnection(connection, protocol) : null;
    const target = live ?? targetOf(this.around.settings, protocol);
    return this.around.tediousRequest ? withPrelogin(target, this.around.settings) : target;
  }

  /** `own` is what comes back without having been the host's. */
  retire(connection: object): boolean {
    if (!this.idle().includes(connection)) return false;
    const { own } = this;
    this.own = connection;
    this.drop(connection);
    this.own = own;
    return true;
  }

  /** Closes one that nobody holds, as the pool's own idle time limit does it. */
  protected drop(connection: object): void {
    this.destroy(connection);
  }

  private destroy(connection: object): void {
    const gone = this.pool.destroy(connection) as Promise<unknown> | undefined;
    gone?.catch(() => {});
  }

  attach(events: PoolEvents): () => void {
    const back: Around = (call, args) => {
      if (args[0] !== this.own) quietly(() => events.checkin(args[0] as object, undefined));
      return call(args);
    };
    const ends = [
      this.requests.hear(this.pool, 'acquire', events),
      shadow(this.pool, 'release', back),
      shadow(this.pool, 'destroy', back),
    ];
    return () => ends.forEach((end) => end());
  }

  borrow(): Borrowing {
    const size = this.size();
    const acquired = this.requests.unheard(() => this.pool.acquire());
    this.ownPlace = this.lastPlace();
    this.ownOpening = this.size() > size ? 1 : 0;
    const settle = (resource: object | null): void => {
      this.own = resource;
      this.ownPlace = null;
      this.ownOpening = 0;
    };
    const withdrawn = new Promise<never>((_resolve, reject) => {
      this.giveUp = () => reject(new Error('withdrawn'));
    });
    acquired.then(settle, () => settle(null));
    return {
      granted: Promise.race([acquired, withdrawn]),
      isCrowdedOut: () => this.gauges().used >= this.gauges().max,
      withdraw: () => this.withdraw(),
    };
  }

  ask(connection: object): Promise<unknown> {
    return askConnection(connection, this.around.tediousRequest);
  }

  giveBack(connection: object): void {
    this.pool.release(connection);
    this.own = null;
  }

  discard(connection: object): void {
    this.destroy(connection);
    cut(connection);
    this.own = null;
  }

  /** Once out of the queue nobody answers any more. A place that was served meanwhile is given back by who asked. */
  protected withdraw(): void {
    const place = this.ownPlace;
    if (!place || !this.isQueued(place)) return;
    this.leave(place);
    this.ownPlace = null;
    this.giveUp();
  }
}

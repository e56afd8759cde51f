/**
 * Stage 1, MEASURE: what the pool source needs of a driver. One implementation per driver family, bound to one pool
 * for its life. An adapter shows and does; when to ask and what it means is decided elsewhere.
 */
import type { Target } from './reach.js';

/** The counters of a pool at one instant, our own ping left out. */
export interface Gauges {
  readonly max: number;
  readonly used: number;
  readonly idle: number;
  readonly opening: number;
  readonly waiting: number;
}

/** What an adapter tells while attached. It is called inside the driver and must not throw. */
export interface PoolEvents {
  /** `waitMs` is `null` where the driver does not tell how long the caller waited. */
  checkout(connection: object, waitMs: number | null): void;
  /** The checkout just told was our own. */
  retract(connection: object): void;
  /** `error` is what the host, or the driver, gave as the reason not to use the connection again. */
  checkin(connection: object, error: unknown): void;
  /** A connection was opened, login included. */
  opened(): void;
  createFailure(error: unknown): void;
  /** The pool's own time limit ended the wait of a caller. */
  timeout(): void;
  /** The database answered a query of the host, on `connection` where the driver tells. */
  answer(queryMs: number | null, connection?: object): void;
  queryFailure(error: unknown, connection?: object): void;
  /** A connection that nobody held broke. */
  breakage(): void;
}

/** A connection asked for by our ping. */
export interface Borrowing {
  /** The connection, or the driver's error. */
  readonly granted: Promise<object>;
  /** Still in the queue behind the host: the wait says nothing of the database. */
  isCrowdedOut(): boolean;
  /** Leaves the queue. Where the driver cannot do that, the grant may still come and is given back by whoever asked. */
  withdraw(): void;
}

/** What has moved on a connection so far. */
export interface Traffic {
  /** Changes with every byte, in either direction. */
  readonly moved: number;
  /** A query is under way; `null` where the driver does not show it. */
  readonly isBusy: boolean | null;
  /** Bytes received; what moves while this stands still is a question without an answer. */
  readonly bytesRead: number;
}

/** What a pool was set to, as far as it shows: to be read key by key, and never a credential. */
export interface Settings {
  /** What its connections are opened with. */
  readonly connection: unknown;
  /** What the pool itself goes by. */
  readonly pool: unknown;
  /** The Knex client around it. */
  readonly client?: object;
}

/** One pool of one driver. What is optional makes the verdicts sharper; without it they say less, never more. */
export interface PoolAdapter {
  /** `pg`, `knex/pg`, `knex/mysql2`, ... */
  readonly driver: string;
  /** The pool itself, to tell one from another; `null` when there is none (yet, or any more). */
  readonly pool: object | null;
  /** What tells one from another while there is no pool, where that is not what it was reached through. */
  readonly identity?: object;
  gauges(): Gauges;
  /** `gauges().waiting` alone: it is read at every checkout and checkin where the driver does not tell waits. */
  waiting(): number;
  /** The connections the host holds. */
  used(): readonly object[];
  /** One object per waiting caller of the host, the same one for as long as it waits. */
  waiters(): readonly object[];
  /** Connections still counted whose socket is known to be dead. */
  dead(): number;
  /** Where the database listens; `null` when that cannot be seen. */
  target(): Target | null;
  /** Listens to the pool; the answer ends it. */
  attach(events: PoolEvents): () => void;
  borrow(): Borrowing;
  /** The cheapest question on a borrowed connection, past the host's listeners where the driver allows. */
  ask(connection: object): Promise<unknown>;
  /**
   * Asked when a question was not answered in time, on a connection that others use at once: may it still be behind
   * theirs, such as one that blocks until there is something to get?
   */
  isBehind?(): boolean;
  giveBack(connection: object): void;
  /** Gives a borrowed connection back in a way that nobody gets it again, and cuts its socket. */
  discard(connection: object, why: Error): void;
  settings?(): Settings;
  /** The connections nobody holds. */
  idle?(): readonly object[];
  /** Takes a connection that nobody holds out of the pool and closes it; false when somebody does, or it is gone. */
  retire?(connection: object, why: Error): boolean;
  /** What moved on a connection, where {@link trafficOf} does not see it; `null` where that cannot be seen. */
  traffic?(connection: object): Traffic | null;
  /**
   * From now on, calls `asked` in the caller's own turn when the host asks for a connection, and `got` with what that
   * answered when the caller gets it. The answer ends it. It may cost something at every checkout.
   */
  followCheckouts?(
    asked: () => string | null,
    got: (connection: object, by: string | null) => void,
  ): () => void;
}

/** Recognizes the pools of one driver family by their shape; `null` for anything else. */
export type Recognizer = (value: unknown) => PoolAdapter | null;

/**
 * Stage 1, MEASURE: keeps the book of this thread's connections, from what the hook tells it of sockets: who they were
 * with, how each of them ended, every end once. It patches nothing, and knows no window and no threshold.
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

import { lastOf, look, newActivity, type Activity, type LastActivity } from './reset-activity.js';
import {
  listenerOf,
  newOrigins,
  originOf,
  type OriginCounts,
  type Origins,
  peerOf,
  strangerOf,
} from './reset-origins.js';
import { type ErrorWords, type Outcome, outcomeOf, wordsOf } from './reset-outcome.js';

/** One life of a socket, from `connect` or accept to `_destroy`. A socket that connects again gets another. */
export interface Connection {
  readonly origin: OriginCounts;
  /** `performance.now()`; `null` when it began before the hook was installed. */
  readonly beganAt: number | null;
  /** Who called us, as it can be read only while connected; `null` when outbound. */
  readonly remoteAddress: string | null;
  readonly activity: Activity;
  isOver: boolean;
  /** Who ended it in good order first; `null` where nobody did. */
  closedBy: 'peer' | 'us' | null;
  /** What was counted of this life; what comes later is an echo, unless the kernel corrects Node. */
  counted: Outcome | null;
}

/** How one connection ended, and what it was doing then. */
export interface ConnectionEnd extends ErrorWords {
  /** `performance.now()`. */
  readonly at: number;
  readonly outcome: Outcome;
  readonly connection: Connection;
  /** This record ends a connection that had been established: at most one record of each connection does. */
  readonly endsConnection: boolean;
  readonly isTls: boolean;
  /** An HTTP request was under way on a connection that had carried one before. */
  readonly isReused: boolean;
  /** `null` for a connection older than the hook. */
  readonly last: LastActivity | null;
}

export interface ResetLedger {
  readonly subscribers: Set<(end: ConnectionEnd) => void>;
  readonly origins: Origins;
  readonly connections: WeakMap<object, Connection>;
  /** The open ones, each with the lowest of its sockets, until they end: `_destroy` is sure to come. */
  readonly open: Map<Connection, Socket>;
  /** Where the round of looks goes on. */
  round: Iterator<[Connection, Socket]> | null;
  lookedAt: number;
  /** A proxy may pass one error object on to several sockets; only the first one was reset. */
  readonly seenErrors: WeakSet<object>;
  /** The last ends that were not plain closes, oldest first: a source that starts late still learns of them. */
  readonly recent: ConnectionEnd[];
  /** Kernel resets. */
  resets: number;
}

const MAX_RECENT = 1000;
/** So long is a survived silence held against a limit, ms. */
const SURVIVED_FOR_MS = 86_400_000;
/** Several sources share the looks: no sooner than this after the last one, ms. */
const MIN_LOOK_MS = 90;
/** Connections looked at in one go: some tenths of a millisecond. With more of them each is looked at less often. */
const MAX_LOOKS = 3000;
/** TLS over TLS over a tunnel is three deep. */
const MAX_LAYERS = 8;

export function newLedger(): ResetLedger {
  return {
    subscribers: new Set(),
    origins: newOrigins(),
    connections: new WeakMap(),
    open: new Map(),
    round: null,
    lookedAt: -Infinity,
    seenErrors: new WeakSet(),
    recent: [],
    resets: 0,
  };
}

/** `socket.connect(...args)` is about to run. `undefined` where it goes on with the connection it has. */
export function connecting(
  ledger: ResetLedger,
  socket: Socket,
  args: readonly unknown[],
): Connection | undefined {
  const known = ledger.connections.get(socket);
  if (known && !known.isOver) return undefined;
  return begun(ledger, socket, originOf(ledger.origins, 'outbound', peerOf(args)), null);
}

/** The connection came to nothing, or to its end: it is not open any more. */
export function over(ledger: ResetLedger, connection: Connection): void {
  if (connection.isOver) return;
  connection.isOver = true;
  connection.origin.open--;
  ledger.open.delete(connection);
}

/** `socket.end()` is about to run: whoever ends first decides what the end means. */
export function ending(ledger: ResetLedger, socket: Socket): void {
  const connection = connectionOf(ledger, socket);
  if (connection) connection.closedBy ??= socket.readableEnded ? 'peer' : 'us';
}

/** Looks at the byte counts of the open connections, or at the next {@link MAX_LOOKS} of them. */
export function lookAround(ledger: ResetLedger, now: number): void {
  if (now - ledger.lookedAt < MIN_LOOK_MS) return;
  ledger.lookedAt = now;
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    ledger.round ??= ledger.open.entries();
    const { done, value } = ledger.round.next();
    if (done) return void (ledger.round = null);
    const [{ activity, origin }, socket] = value;
    surviving(origin, look(activity, socket, now), now);
    // Names move: the address is that of the connection seen last.
    if (origin.direction === 'outbound') origin.address = socket.remoteAddress ?? origin.address;
  }
}

/** The longest lately: what was survived before a limit was lowered says nothing any more. */
function surviving(origin: OriginCounts, ms: number, now: number): void {
  if (ms === 0 || (ms < origin.survivedMs && now - origin.survivedAt < SURVIVED_FOR_MS)) return;
  origin.survivedMs = ms;
  origin.survivedAt = now;
}

/** A server of ours accepted a connection. */
export function accepted(ledger: ResetLedger, { socket }: { readonly socket: Socket }): void {
  // The host's own `connection` listener has run before us and may have thrown it out.
  if (socket.destroyed) return;
  // Asking makes Node remember the address, so that the host too can read it after a reset.
  begun(
    ledger,
    socket,
    originOf(ledger.origins, 'inbound', listenerOf(socket)),
    socket.remoteAddress ?? null,
  );
}

function begun(
  ledger: ResetLedger,
  socket: Socket,
  origin: OriginCounts,
  remoteAddress: string | null,
): Connection {
  const now = performance.now();
  const activity = newActivity(now);
  const connection: Connection = {
    origin,
    beganAt: now,
    remoteAddress,
    activity,
    isOver: false,
    closedBy: null,
    counted: null,
  };
  ledger.connections.set(socket, connection);
  ledger.open.set(connection, socket);
  origin.open++;
  return connection;
}

/** `socket._destroy(error)` is about to run. */
export function destroyed(ledger: ResetLedger, socket: Socket, error: unknown): void {
  const outcome = firstSeen(ledger, error) ? outcomeOf(error) : 'closed';
  const connection = connectionOf(ledger, socket) ?? (outcome === 'closed' ? null : stranger(ledger, socket));
  if (!connection) return;
  const endsConnection = !connection.isOver && !socket.connecting && outcome !== 'connect-failed';
  const before = stateOf(ledger, connection, socket, endsConnection);
  over(ledger, connection);
  if (isNews(connection, outcome)) tell(ledger, connection, outcome, wordsOf(error), before);
  else if (endsConnection) tell(ledger, connection, 'closed', wordsOf(null), before);
}

/** What is to be read off a connection before it is gone. */
type Before = Pick<ConnectionEnd, 'endsConnection' | 'isTls' | 'isReused' | 'last'>;

function stateOf(
  { open }: ResetLedger,
  connection: Connection,
  socket: Socket,
  endsConnection: boolean,
): Before {
  const { encrypted, _httpMessage: message } = socket as Socket & {
    encrypted?: boolean;
    _httpMessage?: { reusedSocket?: boolean } | null;
  };
  const isOutbound = connection.origin.direction === 'outbound';
  const lowest = open.get(connection);
  const last =
    lowest && endsConnection
      ? lastOf(connection.activity, lowest, performance.now(), {
          isOutbound,
          hasRequest: message !== null && message !== undefined,
        })
      : null;
  return {
    endsConnection,
    isTls: encrypted === true,
    isReused: message?.reusedSocket === true,
    last,
  };
}

/**
 * A request over `http` failed. Only a hang-up after a FIN is news: a reset has passed `_destroy` already, and a
 * request that the host itself destroyed says `socket hang up` too.
 */
export function requestFailed(
  ledger: ResetLedger,
  {
    request,
    error,
  }: { readonly request: { socket?: Socket | null; destroyed?: boolean }; readonly error: unknown },
): void {
  if (!request.socket || request.destroyed || outcomeOf(error) !== 'synthesized') return;
  const connection = connectionOf(ledger, request.socket) ?? stranger(ledger, request.socket);
  if (!connection || !isNews(connection, 'synthesized')) return;
  tell(ledger, connection, 'synthesized', wordsOf(error), stateOf(ledger, connection, request.socket, false));
}

/** Of TLS, only the lowest socket was connected or accepted, and only the uppermost is given the error. */
export function connectionOf(ledger: ResetLedger, socket: Socket): Connection | undefined {
  let root = socket as Socket & { _parent?: Socket | null };
  for (let layer = 0; layer < MAX_LAYERS && root._parent; layer++) root = root._parent;
  return ledger.connections.get(root);
}

function firstSeen({ seenErrors }: ResetLedger, error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return true;
  const isFirst = !seenErrors.has(error);
  seenErrors.add(error);
  return isFirst;
}

/** A connection older than the hook: whom it was with is known only as far as Node still remembers. */
function stranger(ledger: ResetLedger, socket: Socket): Connection | null {
  const found = strangerOf(socket);
  if (!found) return null;
  const origin = originOf(ledger.origins, found.direction, found.peer);
  origin.open++;
  return {
    origin,
    beganAt: null,
    remoteAddress: null,
    activity: newActivity(0),
    isOver: false,
    closedBy: null,
    counted: null,
  };
}

function isNews({ counted }: Connection, outcome: Outcome): boolean {
  if (outcome === 'closed') return false;
  return counted === null || (counted === 'synthesized' && outcome !== 'synthesized');
}

function tell(
  ledger: ResetLedger,
  connection: Connection,
  outcome: Outcome,
  words: ErrorWords,
  before: Before,
): void {
  const end: ConnectionEnd = { at: performance.now(), outcome, connection, ...before, ...words };
  if (outcome !== 'closed') {
    connection.counted = outcome;
    ledger.recent.push(end);
    if (ledger.recent.length > MAX_RECENT) ledger.recent.shift();
  }
  if (outcome === 'reset') {
    ledger.resets++;
    connection.origin.resets++;
    connection.origin.resetAt = end.at;
  }
  for (const subscriber of ledger.subscribers) {
    try {
      subscriber(end);
    } catch {
      // Another copy's, perhaps: the next one must still hear of it.
    }
  }
}

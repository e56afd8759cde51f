/**
 * Stage 1, MEASURE: looking at objects of drivers that we do not import. Every look survives a throwing getter.
 */

/** `value[key]`, or `undefined` where there is no such thing or the getter throws. */
export function peek(value: unknown, ...path: readonly PropertyKey[]): unknown {
  try {
    let at: unknown = value;
    for (const key of path) {
      if ((typeof at !== 'object' || at === null) && typeof at !== 'function') return undefined;
      at = (at as Record<PropertyKey, unknown>)[key];
    }
    return at;
  } catch {
    return undefined;
  }
}

/** Does `value` have a function under each of `names`? */
export function can(value: unknown, ...names: readonly string[]): boolean {
  return names.every((name) => typeof peek(value, name) === 'function');
}

/** The object under `path`, or `null`. */
export function peekObject(value: unknown, ...path: readonly PropertyKey[]): object | null {
  const found = peek(value, ...path);
  return typeof found === 'object' && found !== null ? found : null;
}

/** A number under `path`; `fallback` where there is none. */
export function peekNumber(value: unknown, path: readonly PropertyKey[], fallback: number): number {
  const found = peek(value, ...path);
  return typeof found === 'number' && Number.isFinite(found) ? found : fallback;
}

/** The objects in the array under `path`; empty where there is none. */
export function peekList(value: unknown, ...path: readonly PropertyKey[]): readonly object[] {
  const found = peek(value, ...path);
  if (Array.isArray(found)) return found;
  // Some drivers keep theirs in rings.
  return can(found, 'toArray', 'shift') ? (found as { toArray(): object[] }).toArray() : [];
}

const SOCKETS: readonly (readonly string[])[] = [
  ['connection', 'stream'], // pg
  ['stream'], // mysql2
  ['socket'], // tedious, mariadb, mongodb
  ['_impl', 'nscon', 'ntAdapter', 'stream'], // oracledb thin, as it is handed out
  ['nscon', 'ntAdapter', 'stream'],
];

/** The socket below a driver's connection, or `null`. */
export function socketOf(connection: object): object | null {
  for (const path of SOCKETS) {
    const socket = peekObject(connection, ...path);
    if (socket && can(socket, 'destroy')) return socket;
  }
  return null;
}

/**
 * Takes the connection away for good, the socket first: mysql2's own `destroy` only half-closes, and then never ends
 * the query under way.
 */
export function cut(connection: object): void {
  const socket = socketOf(connection) as { destroy?(): void } | null;
  if (socket) socket.destroy?.();
  else if (can(connection, 'destroy')) (connection as { destroy(): void }).destroy();
}

/** Bytes received on a connection so far; `null` where its socket cannot be seen. */
export function bytesReadOf(connection: object): number | null {
  const socket = socketOf(connection);
  return socket ? peekNumber(socket, ['bytesRead'], 0) : null;
}

/** Is the connection marked broken by its driver, or its socket gone? */
export function isDead(connection: object): boolean {
  if (peek(connection, '__knex__disposed') || peek(connection, '_queryable') === false) return true;
  // tedious and mongodb; then oracledb, which tells without asking.
  if (peek(connection, 'closed') === true || peek(connection, 'hasError') === true) return true;
  // On its way back it calls itself unhealthy, whatever it is; what lies below it tells.
  const told = peek(connection, '_closing') === true ? peek(connection, '_impl') : connection;
  if (can(told, 'isHealthy')) return !isHealthy(told as { isHealthy(): boolean });
  const socket = socketOf(connection);
  return socket !== null && peek(socket, 'destroyed') === true;
}

function isHealthy(connection: { isHealthy(): boolean }): boolean {
  try {
    return connection.isHealthy();
  } catch {
    return false;
  }
}

/** The `code` of an error, never its message: messages carry hosts, users and statements. */
export function codeOf(error: unknown): string {
  const code = peek(error, 'code');
  if (typeof code === 'string' && code !== '') return code.slice(0, 40);
  const name = peek(error, 'name');
  if (name === 'TimeoutError' || name === 'KnexTimeoutError') return 'TIMEOUT';
  return 'CONNECTION_FAILED';
}

// Node's own codes, PostgreSQL's connection and shutdown classes, and what the MySQL and Oracle drivers say: of the thick
// one those of "Error Messages" for a connection that is lost, or that no listener takes.
const NETWORK_CODES =
  /^(E(CONN|PIPE|TIMEDOUT|TIMEOUT|HOST|NET|AI_|NOTFOUND|SOCKET)|ER_SOCKET|08|57P0[123]|PROTOCOL_CONNECTION_LOST|NJS-5[0-2]|ORA-(03113|03114|03135|12(170|514|5[34][1357]|560))|DPI-10(10|80))/;
const NETWORK_WORDS = /connection (terminated|lost|ended|is closed)|closed state/i;

/** Does the error say that the way to the database is broken, rather than that the database refused something? */
export function isNetworkError(error: unknown): boolean {
  const code = peek(error, 'code');
  // tedious gives a request that took too long the code of a connection that did, cancels it, and goes on.
  if (code === 'ETIMEOUT' && peek(error, 'name') === 'RequestError') return false;
  if (typeof code === 'string' && NETWORK_CODES.test(code)) return true;
  const message = peek(error, 'message');
  return typeof message === 'string' && NETWORK_WORDS.test(message);
}

// pg has neither a code nor a name for it; the second is what it says when the limit ends a connect.
const TIMEOUT_WORDS =
  /^(timeout exceeded when trying to connect|connection terminated due to connection timeout)/i;
const TIMEOUT_CODES: readonly unknown[] = ['ER_GET_CONNECTION_TIMEOUT', 'NJS-040'];

/** Does the error say that a pool's own time limit ended the wait for a connection? */
export function isAcquireTimeout(error: unknown): boolean {
  // That of sequelize-pool does not carry its name.
  if ([peek(error, 'name'), peek(error, 'constructor', 'name')].includes('TimeoutError')) return true;
  return TIMEOUT_CODES.includes(peek(error, 'code')) || TIMEOUT_WORDS.test(String(peek(error, 'message')));
}

/** What pools say of themselves, in Oracle's and MariaDB's drivers; that of others has no code. */
const POOL_CODES = /^(NJS-0|ER_(GET_CONNECTION_TIMEOUT|POOL_|CLOSING_POOL|ADD_CONNECTION))/;

/** Does the error that a caller got for a connection say that none could be opened, for whatever reason? */
export function isOpeningFailure(error: unknown): boolean {
  // Sequelize has the driver's below its own.
  const cause = peek(error, 'parent') ?? error;
  const code = peek(cause, 'code');
  return isNetworkError(cause) || (typeof code === 'string' && !POOL_CODES.test(code));
}

/** What can be listened to; tarn's pool is no EventEmitter but has these. */
export interface Emitter {
  on(event: string | symbol, listener: (...args: unknown[]) => void): void;
  removeListener(event: string | symbol, listener: (...args: unknown[]) => void): void;
}

export type Listeners = Readonly<Record<string | symbol, (...args: unknown[]) => void>>;

/** Adds the listeners; the answer removes them. What they throw stays here: they run in the middle of the host's call. */
export function listen(emitter: Emitter | null, listeners: Listeners): () => void {
  const added = Reflect.ownKeys(listeners).map((event) => {
    const listener = listeners[event]!;
    const quiet = (...args: unknown[]): void => {
      try {
        listener(...args);
      } catch {
        // A figure is lost; the host's query is not.
      }
    };
    emitter?.on(event, quiet);
    return { event, quiet };
  });
  return () => added.forEach(({ event, quiet }) => emitter?.removeListener(event, quiet));
}

/**
 * Stage 1, MEASURE: one connection of a driver, met in a pool that keeps connections of any: what it speaks, and the
 * cheapest question on it.
 */
import { can, peek } from './duck.js';
import type { Target } from './reach.js';

type Done = (error: unknown) => void;

/** What makes the server of this connection speak. */
export function protocolOf(connection: object): Target['protocol'] {
  if (peek(connection, 'connection', 'stream')) return 'pg';
  return isMysql2(connection) || isMariadb(connection) ? 'mysql' : 'tcp';
}

/**
 * Asks; rejects with the driver's error. `tediousRequest` is tedious' class of a request. Where there is no way known
 * to ask, that the pool has granted the connection must do as an answer.
 */
export async function askConnection(connection: object, tediousRequest?: unknown): Promise<void> {
  if (peek(connection, 'connection', 'stream')) {
    await called((done) => (connection as { query(sql: string, done: Done): void }).query('select 1', done));
  } else if (isMysql2(connection)) {
    await called((done) => (connection as { ping(done: Done): void }).ping(done));
  } else if (typeof tediousRequest === 'function' && can(connection, 'execSqlBatch')) {
    const Request = tediousRequest as new (sql: string, done: Done) => object;
    await called((done) => {
      const request = new Request('select 1', done);
      (connection as { execSqlBatch(request: object): void }).execSqlBatch(request);
    });
  } else if (isMariadb(connection) || can(connection, 'ping', 'isHealthy')) {
    await (connection as { ping(): Promise<unknown> }).ping();
  }
}

function called(call: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => call((error) => (error ? reject(error as Error) : resolve())));
}

function isMysql2(connection: object): boolean {
  return can(connection, 'ping', 'query') && typeof peek(connection, 'authorized') === 'boolean';
}

function isMariadb(connection: object): boolean {
  return can(connection, 'ping', 'isValid', 'serverVersion');
}

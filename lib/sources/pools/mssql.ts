/**
 * Stage 1, MEASURE: mssql, whose `ConnectionPool` keeps tedious connections in a tarn pool, as Knex does.
 */
import type { PoolAdapter } from './adapter.js';
import { can, peek, peekObject } from './duck.js';
import { isTarn, KnexAdapter, type KnexClient } from './knex.js';
import { renamed } from './renamed.js';

interface ConnectionPool {
  /** Asks `SELECT 1`, past the queue of requests; resolves to whether that went well. */
  _poolValidate(this: object, connection: object): boolean | Promise<boolean>;
}

/** Recognizes an mssql ConnectionPool, connected or not. */
export function recognizeMssql(value: unknown): PoolAdapter | null {
  if (!can(value, '_poolValidate', '_poolCreate', 'request') || !peekObject(value, 'config')) return null;
  const pool = peek(value, 'pool');
  const isLive = isTarn(pool) && peek(pool, 'destroyed') !== true;
  return renamed(new MssqlAdapter(clientOf(value as ConnectionPool), isLive ? pool : null), 'mssql');
}

class MssqlAdapter extends KnexAdapter {
  override discard(connection: object, why: Error): void {
    // mssql's own mark of a connection that broke, which its validation looks at.
    (connection as { hasError?: boolean }).hasError = true;
    super.discard(connection, why);
  }
}

/** What there is of a Knex client in it: settings, and a way to ask. */
function clientOf(source: ConnectionPool): KnexClient {
  // Whatever the host has set `validateConnection` to.
  const asking = { config: { validateConnection: true } };
  const ask = async (connection: object): Promise<void> => {
    const isAnswered = await source._poolValidate.call(asking, connection);
    if (!isAnswered) throw Object.assign(new Error('no answer'), { code: 'ESOCKET' });
  };
  return {
    driverName: 'mssql',
    connectionSettings: peek(source, 'config'),
    _query: ask,
    on() {},
    removeListener() {},
  } as unknown as KnexClient;
}

/**
 * Stage 1, MEASURE: mssql, whose `ConnectionPool` keeps tedious connections in a tarn pool, and SQL Server as such.
 */
import type { PoolAdapter } from './adapter.js';
import { can, peek, peekObject } from './duck.js';
import { isTarn, TarnAdapter, type TarnPool } from './tarn.js';
import type { Target } from './reach.js';

/** TDS 7 PRELOGIN as any client sends it: version 0, no wish for encryption. The server answers before any login. */
const PRELOGIN = Buffer.from([
  0x12, 1, 0, 26, 0, 0, 0, 0, 0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, 2,
]);

interface ConnectionPool {
  /** Asks `SELECT 1`, past the queue of requests; resolves to whether that went well. */
  _poolValidate(this: object, connection: object): boolean | Promise<boolean>;
}

/** Adds what makes SQL Server speak. */
export function withPrelogin(target: Target | null): Target | null {
  return target && { ...target, hello: PRELOGIN };
}

/** Recognizes an mssql ConnectionPool, connected or not. */
export function recognizeMssql(value: unknown): PoolAdapter | null {
  if (!can(value, '_poolValidate', '_poolCreate', 'request') || !peekObject(value, 'config')) return null;
  const pool = peek(value, 'pool');
  const isLive = isTarn(pool) && peek(pool, 'destroyed') !== true;
  return new MssqlAdapter(value as ConnectionPool, isLive ? pool : null);
}

class MssqlAdapter extends TarnAdapter {
  readonly driver = 'mssql';
  protected readonly protocol = 'tcp';

  constructor(
    private readonly source: ConnectionPool,
    pool: TarnPool | null,
  ) {
    super(pool);
  }

  override target(): Target | null {
    return withPrelogin(super.target());
  }

  async ask(connection: object): Promise<void> {
    // Whatever the host has set `validateConnection` to.
    const asking = { config: { validateConnection: true } };
    const isAnswered = await this.source._poolValidate.call(asking, connection);
    if (!isAnswered) throw Object.assign(new Error('no answer'), { code: 'ESOCKET' });
  }

  protected settings(): unknown {
    return peek(this.source, 'config');
  }

  protected condemn(connection: object): void {
    // mssql's own mark of a connection that broke, which its validation looks at.
    (connection as { hasError?: boolean }).hasError = true;
  }
}

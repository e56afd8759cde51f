/**
 * Stage 1, MEASURE: a driver's pool reached through something else is reported as that, `knex/pg` or `typeorm/mysql2`.
 */
import type { PoolAdapter } from './adapter.js';

/** The same adapter under another name. */
export function renamed(adapter: PoolAdapter, driver: string): PoolAdapter {
  return Object.create(adapter, { driver: { value: driver, enumerable: true } }) as PoolAdapter;
}

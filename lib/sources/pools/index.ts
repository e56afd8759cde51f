/**
 * Stage 1, MEASURE: which pool is this? The list of driver families; nothing here imports a driver.
 */
import type { PoolAdapter, Recognizer } from './adapter.js';
import { recognizeKnex } from './knex.js';
import { recognizePg } from './pg.js';

/** What is accepted as a pool, for error messages. */
export const ACCEPTED_POOLS = 'a pg Pool or a Knex instance';

const RECOGNIZERS: readonly Recognizer[] = [recognizePg, (value) => recognizeKnex(value, recognizePg)];

/**
 * The adapter for `value`, or `null` when it is not a pool of a known driver. Safe on anything: it looks at
 * properties only, and a throwing getter means no. A Knex instance without a pool has an adapter whose `pool` is `null`.
 */
export function adapterFor(value: unknown): PoolAdapter | null {
  for (const recognize of RECOGNIZERS) {
    const adapter = recognize(value);
    if (adapter) return adapter;
  }
  return null;
}

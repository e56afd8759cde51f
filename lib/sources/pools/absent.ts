/**
 * Stage 1, MEASURE: stands for the pool of something that will have one: recognized, and not there yet.
 */
import type { PoolAdapter } from './adapter.js';

const NOTHING = { max: 0, used: 0, idle: 0, opening: 0, waiting: 0 };

function refuse(): never {
  throw new Error('there is no pool yet');
}

/** An adapter without a pool. */
export const ABSENT: PoolAdapter = {
  driver: 'unknown',
  pool: null,
  gauges: () => NOTHING,
  waiting: () => 0,
  used: () => [],
  waiters: () => [],
  dead: () => 0,
  target: () => null,
  attach: () => () => {},
  borrow: refuse,
  ask: refuse,
  giveBack: refuse,
  discard: refuse,
};

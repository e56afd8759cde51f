/**
 * Stage 6, ASK, the report: what to set, for what a log alone can tell: a period that is somebody's time-out, and
 * connections that oracledb lost. Pure.
 */
import { settingFor, UPGRADE_KNEX } from '../../indicators/reset-setting.js';
import type { Period } from './rhythm.js';
import { type Counts, sum } from './tally.js';

export interface Setting {
  /** Of `resets.origins`, or the codes it is about. */
  readonly origin: string;
  readonly setting: string;
}

const MOST_SETTINGS = 3;
/** So many lost connections and more are no single one. */
const LEAST_LOST = 3;
/** What oracledb says of a connection that it lost: thin, then thick. */
const LOST = /^(?:NJS-50[01]|DPI-10[18]0)$/;

/** Packages that are a part of a driver, by its name. */
const DRIVERS: Readonly<Record<string, string>> = {
  'pg-pool': 'pg',
  'pg-protocol': 'pg',
  '@redis/client': 'redis',
};
const HTTP = ['node:http', 'fetch', 'undici', 'axios'];

/** One line per origin, most resets first, where the period is known as a time-out; then what `codes` alone tell. */
export function settingsOf(
  period: Period | null,
  origins: readonly { readonly name: string }[],
  codes: Readonly<Counts>,
): readonly Setting[] {
  const isKnown = period !== null && period.known !== null;
  const byPeriod = isKnown
    ? origins.slice(0, MOST_SETTINGS).map(({ name }) => ({
        origin: name,
        setting: silenceBelow(period.periodMs, name),
      }))
    : [];
  const lost = Object.fromEntries(Object.entries(codes).filter(([code]) => LOST.test(code)));
  if (sum(lost) < LEAST_LOST) return byPeriod;
  const why = 'where an older one is above oracledb: it hands a lost connection out for ever';
  return [...byPeriod, { origin: Object.keys(lost).join(', '), setting: `${UPGRADE_KNEX} ${why}` }];
}

/** As against a device that forgets connections that were silent for so long. */
function silenceBelow(periodMs: number, origin: string): string {
  const limit = { fromMs: periodMs, toMs: periodMs, known: null, by: null, events: 0, share: 1 };
  const cause = { name: 'idle-drop', ...limit } as const;
  if (HTTP.includes(origin)) return settingFor(cause, null, ':443');
  return settingFor(cause, { driver: DRIVERS[origin] ?? origin }, '');
}

/**
 * Pairs each source with its indicator: what the scheduler calls a gauge. Wiring only; no thresholds, no judgment.
 */
import { judgeCheck } from './indicators/check.js';
import { judgeEventLoop } from './indicators/event-loop.js';
import { judgePool } from './indicators/pool.js';
import { judgeResets, tellOrigin, type Owner, type Owners } from './indicators/resets.js';
import { judgeSwallowed } from './indicators/swallowed.js';
import type {
  CheckOptions,
  EventLoopOptions,
  IndicatorOptions,
  PoolOptions,
  ResetOptions,
  SwallowedOptions,
} from './options.js';
import { CheckSource } from './sources/check.js';
import { EventLoopSource } from './sources/event-loop.js';
import { resolverOf } from './discovery.js';
import { PoolSource } from './sources/pools/source.js';
import { ResetSource } from './sources/resets.js';
import type { ResetOrigin } from './sources/resets-reading.js';
import { SwallowedSource } from './sources/swallowed.js';
import type { Gauge } from './verdict/scheduler.js';

export function eventLoopGauge(name: string, options: Required<EventLoopOptions>): Gauge {
  // Measured from the first reading on: that an application blocks its loop while it is put together is no fault.
  let source: EventLoopSource | null = null;
  return {
    ...common(name, options),
    read: (now, lateMs) => {
      source ??= new EventLoopSource(options.windowMs, now);
      return judgeEventLoop(source.sample(now, lateMs), options);
    },
    close: () => source?.close(),
  };
}

/**
 * `owners` says whose connections are reset, `advice` what is set amiss; both may be filled later. `made` is given the
 * source, and `tell` a line for each cause that is named of an origin, once.
 */
export function resetGauge(
  name: string,
  options: Required<ResetOptions>,
  owners: ReadonlyMap<string, Owner>,
  advice: readonly string[],
  made: (source: ResetSource) => void = () => {},
  tell: (line: string) => void = () => {},
): Gauge {
  const source = new ResetSource(options);
  const news = causeNews();
  made(source);
  return {
    ...common(name, options),
    read: (now, lateMs) => {
      const reading = source.sample(now, lateMs);
      for (const line of news(reading.origins, owners)) tell(line);
      return judgeResets(reading, options, { owners, advice });
    },
    close: () => source.close(),
  };
}

/** What is new of the causes: each of one origin once, and looked for only where a connection has ended since. */
function causeNews(): (origins: readonly ResetOrigin[], owners: Owners) => string[] {
  let known = new Map<string, { readonly at: number; readonly causes: Set<string> }>();
  return (origins, owners) => {
    const lines: string[] = [];
    const before = known;
    known = new Map();
    for (const origin of origins.filter(({ direction }) => direction === 'outbound')) {
      const at = origin.ends.at(-1)?.at ?? 0;
      const old = before.get(origin.peer);
      const causes = old?.causes ?? new Set();
      known.set(origin.peer, { at, causes });
      const told = old?.at === at ? null : tellOrigin(origin, owners);
      if (!told || causes.has(told.cause)) continue;
      causes.add(told.cause);
      lines.push(told.line);
    }
    return lines;
  };
}

export function swallowedGauge(name: string, options: Required<SwallowedOptions>): Gauge {
  const source = new SwallowedSource(options.windowMs);
  return {
    ...common(name, options),
    read: (now) => judgeSwallowed(source.sample(now), options),
    close: () => source.close(),
  };
}

/**
 * Enters the pool into `owners` under each peer as soon as it is known; `tell` gets a line each time hygiene has acted.
 * One that was only found is not waited for, be it that it connects when it is first used or that the host has closed it.
 */
export function poolGauge(
  name: string,
  options: Required<PoolOptions>,
  owners: Map<string, Owner>,
  tell: (line: string) => void = () => {},
  isFound = false,
): Gauge {
  const { pool, wedgedAfterMs, slowAfterMs, starvedAfterMs, leakAfterMs } = options;
  const thresholds = { wedgedAfterMs, slowAfterMs, starvedAfterMs, leakAfterMs };
  const source = new PoolSource(name, resolverOf(pool), options, (did) =>
    tell(`pool "${name}": hygiene ${did}`),
  );
  return {
    ...common(name, options),
    read: (now) => {
      const reading = source.sample(now);
      enter(owners, name, source.owned);
      return reading ? judgePool(name, reading, thresholds) : 'pending';
    },
    get holdsStart() {
      return !isFound || source.problem !== null;
    },
    pending: () =>
      source.problem ?? `pool "${name}": waits for the pool and for the first answer of its database`,
    close: () => source.close(),
  };
}

/** Under every peer that the pool is known by now, and under no other. */
function enter(owners: Map<string, Owner>, pool: string, owned: PoolSource['owned']): void {
  for (const [peer, owner] of owners)
    if (owner.pool === pool && !owned?.peers.includes(peer)) owners.delete(peer);
  if (!owned) return;
  const { peers, driver, evictsLost } = owned;
  for (const peer of peers) owners.set(peer, { pool, driver, evictsLost });
}

export function checkGauge(name: string, options: Required<CheckOptions>): Gauge {
  const source = new CheckSource(options.check, options);
  let serial = 0;
  return {
    ...common(name, options),
    read: (now) => {
      const reading = source.sample(now);
      const finding = reading.serial === serial ? null : judgeCheck(name, reading, options);
      serial = reading.serial;
      return finding ?? 'unchanged';
    },
    pending: () => `check "${name}": waits for the first answer`,
    close: () => source.close(),
  };
}

/** For a source that could not be set up: every reading fails with the reason. */
export function brokenGauge(name: string, options: Required<IndicatorOptions>, reason: unknown): Gauge {
  const read = (): never => {
    throw reason;
  };
  return { ...common(name, options), read, close: () => {} };
}

type Common = Pick<Gauge, 'name' | 'critical' | 'patience'>;

function common(name: string, { critical, failAfter, recoverAfter }: Required<IndicatorOptions>): Common {
  return { name, critical, patience: { failAfter, recoverAfter } };
}

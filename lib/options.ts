/**
 * The options: their types, their defaults and their validation, each in one place. Pure; no Nest, no clock.
 */
import type { IncomingMessage } from 'node:http';
import type { EventLoopThresholds } from './indicators/event-loop.js';
import type { Patience, Remedy } from './indicators/finding.js';
import type { PoolThresholds } from './indicators/pool.js';
import type { ResetThresholds } from './indicators/resets.js';
import { GUARDS, type Guards } from './recovery/incident.js';
import type { Endings } from './recovery/recovery.js';
import type { MetricsOptions } from './metrics/metrics.js';
import type { SwallowedThresholds } from './indicators/swallowed.js';
import type { CheckFunction, CheckTiming } from './sources/check.js';
import type { Transition } from './verdict/transition.js';
import { can } from './sources/pools/duck.js';
import { ACCEPTED_POOLS, adapterFor } from './sources/pools/index.js';
import { OWN_NAME, REMEDY_WORD } from './verdict/snapshot.js';
import {
  count,
  either,
  flag,
  fn,
  isPlainObject,
  ms,
  named,
  ratio,
  rule,
  shape,
  show,
  word,
} from './validation.js';

/**
 * How much of a snapshot an answer shows. `full`: everything, messages and host names included. `codes`: status,
 * code, remedy and numbers. `none`: the status alone. The HTTP status never depends on it.
 */
export type Details = 'full' | 'codes' | 'none';

/** What the settings of every indicator share. */
export interface IndicatorOptions extends Partial<Patience> {
  /** Whether `down` makes the verdict `error`; otherwise it degrades it. Default `true`. */
  critical?: boolean;
}

/** A pool with settings of its own. */
export interface PoolOptions extends IndicatorOptions, Partial<PoolThresholds> {
  /** The pool (pg `Pool`, Knex instance), or a function that returns it once it exists. */
  pool: unknown;
  /** How long the database may go unproved by traffic before it is pinged, ms. Default 10 000. */
  pingEveryMs?: number;
  /** How long a ping may take, ms. Default 2 000. */
  pingTimeoutMs?: number;
  /** The span that mean waits and mean queries cover, ms. Default 10 000. */
  windowMs?: number;
  /**
   * Whether idle connections are closed that are dead or, after a burst of resets from the database's address, born
   * before it. Never one in use. Default `false`.
   */
  hygiene?: boolean;
}

/** The event loop's thresholds and window. */
export interface EventLoopOptions extends IndicatorOptions, Partial<EventLoopThresholds> {
  /** The span a reading covers, ms. Default 5 000. */
  windowMs?: number;
}

/** The thresholds and the window of connection resets. */
export interface ResetOptions extends IndicatorOptions, Partial<ResetThresholds> {
  /** The span a reading covers, ms. Default 60 000. */
  windowMs?: number;
}

/** The threshold and the window of swallowed errors. */
export interface SwallowedOptions extends IndicatorOptions, Partial<SwallowedThresholds> {
  /** The span a reading covers, ms. Default 600 000. */
  windowMs?: number;
}

/** When a process that only a restart can cure is ended, and how. */
export interface RecoveryOptions extends Partial<Endings>, Partial<Pick<Guards, 'minUptimeMs' | 'perHour'>> {
  /** Whether it is ended at all. Whatever started the process must start it again. Default `false`. */
  exit?: boolean;
}

/** Where incidents and the ends of processes are kept, so that the next process knows of them. */
export interface IncidentOptions extends Partial<Pick<Guards, 'keep'>> {
  /** A folder of its own on a local disk that outlives the process; it is made when it is not there. */
  directory: string;
}

/** What the audit of the configuration compares with. */
export interface AuditOptions {
  /** How long the load balancer in front keeps an idle connection, ms. Default 60 000. */
  loadBalancerIdleMs?: number;
}

/** A check with settings of its own. */
export interface CheckOptions extends IndicatorOptions, Partial<CheckTiming> {
  /** Asks something: throws, answers `false` or a Terminus result that is down when it fails. */
  check: CheckFunction;
  /** What would cure a failure. Default `none`. */
  remedy?: Remedy;
  /** Every replica asks the same thing, so that a failure degrades and takes no replica out. Default `false`. */
  shared?: boolean;
}

/** Where the endpoint answers without an HTTP adapter: a server of its own. */
export type StandaloneOptions = { port: number; host?: string } | { socketPath: string };

/** The options of `VitalsModule.forRoot`. All have defaults; an unknown key is an error at boot. */
export interface VitalsOptions {
  /** Where the endpoint answers, absolute and exactly; `/live` and `/ready` are below it. Default `/api/v1/health`. */
  path?: string;
  /** The pools to watch, by the name they are reported under. Default none but those that are discovered. */
  pools?: Record<string, unknown>;
  /** Whether pools among the application's providers and in their fields are found and watched. Default `true`. */
  discover?: boolean;
  /** The event loop's settings, or `false` to leave it out. */
  eventLoop?: EventLoopOptions | false;
  /** The settings for connection resets, or `false` to leave them out and hook nothing. */
  resets?: ResetOptions | false;
  /** The settings for uncaught errors that a handler swallowed, or `false` to leave them out. */
  swallowed?: SwallowedOptions | false;
  /** The settings for the audit of the configuration at boot, or `false` to leave it out. It changes no status. */
  audit?: AuditOptions | false;
  /** Checks of your own, by the name they are reported under. Default none. */
  checks?: Record<string, CheckFunction | CheckOptions>;
  /** How much an answer shows, or a function of the request that decides. Default `codes`. */
  details?: Details | ((request: IncomingMessage) => Details);
  /** How long readiness says no before the server closes, ms; `false`: no drain. Default 3 000. */
  drain?: number | false;
  /** Called once per change of the verdict, with the old and the new one. The place for alerts. */
  onTransition?: (transition: Transition) => void;
  /**
   * Where the endpoint is mounted. `server`: ahead of the whole framework, so that no guard, filter, interceptor,
   * logger or limiter touches it. `router`: as a route behind the host's own middleware. `false`: nowhere, for those
   * who use the exported controller. Default `server`.
   */
  mount?: 'server' | 'router' | false;
  /** A server of its own for an application without an HTTP adapter; `false`: none. Default `false`. */
  standalone?: StandaloneOptions | false;
  /** How often readings are taken, ms. Default 1 000. */
  everyMs?: number;
  /** Whether a process that only a restart can cure is ended, and when; `false`: never. Default never. */
  recovery?: RecoveryOptions | false;
  /** Whether a thread watches the main one, names what blocks it and answers in its place meanwhile. Default `true`. */
  watchdog?: boolean;
  /** Where incidents are kept; `false`: in memory, as long as the process lives. Default `false`. */
  incidents?: IncidentOptions | false;
  /**
   * Whether figures are exported through the host's `prom-client` and `@opentelemetry/api`, whichever is installed; the
   * start fails when neither is. With a `registry` of `prom-client`, to that one only. Default `false`.
   */
  metrics?: boolean | MetricsOptions;
}

const PATIENCE: Patience = { failAfter: 2, recoverAfter: 2 };

/** Every default, once. */
export const DEFAULTS = {
  path: '/api/v1/health',
  discover: true,
  details: 'codes',
  drain: 3_000,
  mount: 'server',
  everyMs: 1_000,
  watchdog: true,
  metrics: false,
  pool: {
    ...PATIENCE,
    critical: true,
    wedgedAfterMs: 30_000,
    starvedAfterMs: 2_000,
    slowAfterMs: 1_000,
    leakAfterMs: 30_000,
    pingEveryMs: 10_000,
    pingTimeoutMs: 2_000,
    windowMs: 10_000,
    hygiene: false,
  },
  eventLoop: {
    ...PATIENCE,
    critical: true,
    windowMs: 5_000,
    p99DelayMs: 200,
    maxDelayMs: 1_000,
    utilizationRatio: 0.95,
    saturatedDelayMs: 50,
    restartAfterMs: 30_000,
  },
  resets: { ...PATIENCE, critical: true, windowMs: 60_000, degradedAt: 20, downAt: 200, ratio: 0.05 },
  swallowed: { ...PATIENCE, critical: true, windowMs: 600_000, degradedAt: 10, downAt: false as const },
  audit: { loadBalancerIdleMs: 60_000 },
  recovery: {
    exit: false,
    afterMs: 30_000,
    graceMs: 10_000,
    minUptimeMs: GUARDS.minUptimeMs,
    perHour: GUARDS.perHour,
  },
  incidents: { keep: GUARDS.keep },
  check: { ...PATIENCE, critical: true, everyMs: 10_000, timeoutMs: 2_000, remedy: 'none', shared: false },
} as const;

/** The options with every default filled in; frozen. */
export interface ResolvedOptions extends Required<
  Pick<VitalsOptions, 'path' | 'discover' | 'details' | 'mount' | 'everyMs' | 'watchdog'>
> {
  /** ms; 0: no drain. */
  readonly drain: number;
  readonly standalone: StandaloneOptions | false;
  readonly onTransition: ((transition: Transition) => void) | null;
  readonly pools: ReadonlyMap<string, Required<PoolOptions>>;
  readonly eventLoop: Required<EventLoopOptions> | null;
  readonly resets: Required<ResetOptions> | null;
  readonly swallowed: Required<SwallowedOptions> | null;
  readonly audit: Required<AuditOptions> | null;
  readonly recovery: Required<RecoveryOptions> | null;
  readonly incidents: Required<IncidentOptions> | null;
  readonly metrics: MetricsOptions | null;
  readonly checks: ReadonlyMap<string, Required<CheckOptions>>;
}

/** Thrown at boot when the options cannot be used: one error that lists every problem. */
export class VitalsOptionsError extends Error {
  override readonly name = 'VitalsOptionsError';

  constructor(readonly problems: readonly string[]) {
    const lines = problems.map((problem) => `  - ${problem}`).join('\n');
    super(
      `VitalsModule: ${problems.length === 1 ? 'a problem' : `${problems.length} problems`} in the options:\n${lines}`,
    );
  }
}

const REMEDIES: readonly Remedy[] = ['restart', 'drain', 'none'];
const INDICATOR = { critical: flag, failAfter: count(1), recoverAfter: count(1) };
const NAME = rule(
  'a letter followed by at most 62 letters, digits, dots, dashes or underscores',
  (v) => typeof v === 'string' && /^[A-Za-z][\w.-]{0,62}$/.test(v),
);
const PATH = rule(
  "an absolute path such as '/api/v1/health', without a query, a pattern, a dot segment or a slash at the end",
  (v) => typeof v === 'string' && /^(\/(?!\.{1,2}(\/|$))[\w.~-]+)+$/.test(v),
);
const OFF = rule('false', (v) => v === false);
const PORT = rule(
  'a port from 0 to 65535',
  (v) => Number.isInteger(v) && (v as number) >= 0 && (v as number) <= 65535,
);
const TEXT = rule('a text that is not empty', (v) => typeof v === 'string' && v !== '');
const POOL = rule(
  'a pool or a function that returns it',
  (v) => typeof v === 'object' || typeof v === 'function',
);

const POOL_SHAPE = shape({
  ...INDICATOR,
  pool: POOL,
  wedgedAfterMs: ms(1),
  starvedAfterMs: ms(0),
  slowAfterMs: ms(1),
  leakAfterMs: ms(1),
  pingEveryMs: ms(100),
  pingTimeoutMs: ms(10),
  windowMs: ms(1_000),
  hygiene: flag,
});

const CHECK_SHAPE = shape({
  ...INDICATOR,
  check: fn,
  everyMs: ms(100),
  timeoutMs: ms(10),
  remedy: word(...REMEDIES),
  shared: flag,
});

const SHAPE = shape({
  path: PATH,
  pools: named(NAME, POOL),
  discover: flag,
  eventLoop: either(
    OFF,
    shape({
      ...INDICATOR,
      windowMs: ms(1_000),
      p99DelayMs: ms(1),
      maxDelayMs: ms(1),
      utilizationRatio: ratio,
      saturatedDelayMs: ms(0),
      restartAfterMs: ms(0),
    }),
  ),
  resets: either(
    OFF,
    shape({ ...INDICATOR, windowMs: ms(1_000), degradedAt: count(1), downAt: count(1), ratio }),
  ),
  swallowed: either(
    OFF,
    shape({ ...INDICATOR, windowMs: ms(1_000), degradedAt: count(1), downAt: either(OFF, count(1)) }),
  ),
  audit: either(OFF, shape({ loadBalancerIdleMs: ms(0) })),
  checks: named(NAME, either(fn, CHECK_SHAPE)),
  details: either(word('full', 'codes', 'none'), fn),
  drain: either(OFF, ms(0)),
  onTransition: fn,
  mount: either(word('server', 'router'), OFF),
  standalone: either(OFF, rule('an object, { port, host? } or { socketPath }', isStandalone)),
  everyMs: ms(100),
  watchdog: flag,
  recovery: either(
    OFF,
    shape({ exit: flag, afterMs: ms(0), graceMs: ms(1), minUptimeMs: ms(0), perHour: count(1) }),
  ),
  incidents: either(OFF, shape({ directory: TEXT, keep: count(1) })),
  metrics: either(flag, shape({ registry: rule('a registry of prom-client', isRegistry) })),
});

/**
 * Fills in the defaults. Throws {@link VitalsOptionsError} with every problem: unknown keys, wrong types,
 * impossible values, names used twice.
 */
export function resolveOptions(options: VitalsOptions = {}): ResolvedOptions {
  const problems = [...SHAPE.check('options', options)];
  if (isPlainObject(options)) {
    problems.push(...poolProblems(options), ...checkProblems(options), ...clashes(options));
    if (isPlainObject(options.incidents) && options.incidents.directory === undefined)
      problems.push('options.incidents.directory must be a text that is not empty, got undefined');
    // Values that are impossible alone are not compared as well.
    if (!problems.some((one) => /^options\.(resets|eventLoop|everyMs|drain|recovery)\b/.test(one)))
      problems.push(...contradictions(options));
  }
  if (problems.length > 0) throw new VitalsOptionsError(problems);
  const { path, discover, details, mount, everyMs, drain, watchdog, metrics } = {
    ...DEFAULTS,
    ...defined(options),
  };
  return Object.freeze({
    path,
    discover,
    details,
    mount,
    everyMs,
    watchdog,
    metrics: metrics === true ? {} : metrics || null,
    drain: drain === false ? 0 : drain,
    standalone: options.standalone ? Object.freeze(defined(options.standalone)) : false,
    onTransition: options.onTransition ?? null,
    pools: new Map(Object.entries(options.pools ?? {}).map(([name, pool]) => [name, poolSettings(pool)])),
    eventLoop: settings(DEFAULTS.eventLoop, options.eventLoop),
    resets: settings(DEFAULTS.resets, options.resets),
    swallowed: settings(DEFAULTS.swallowed, options.swallowed),
    audit: settings(DEFAULTS.audit, options.audit),
    recovery: settings(DEFAULTS.recovery, options.recovery),
    incidents: options.incidents
      ? Object.freeze({ ...DEFAULTS.incidents, ...defined(options.incidents) })
      : null,
    checks: new Map(
      Object.entries(options.checks ?? {}).map(([name, check]) => [
        name,
        Object.freeze({ ...DEFAULTS.check, ...(typeof check === 'function' ? { check } : defined(check)) }),
      ]),
    ),
  });
}

/** A pool found among the providers, or given without settings, has the default ones. */
export function poolSettings(given: unknown): Required<PoolOptions> {
  return Object.freeze({ ...DEFAULTS.pool, ...(hasSettings(given) ? defined(given) : { pool: given }) });
}

/** `{ pool, ... }` as a literal. Some drivers' pools have a property `pool` as well, but those are instances. */
function hasSettings(given: unknown): given is PoolOptions {
  return isPlainObject(given) && 'pool' in given;
}

/** The entries of what may be anything: what is no object from names has been complained about already. */
function entries<T>(given: Record<string, T> | undefined): [string, T][] {
  return isPlainObject(given) ? (Object.entries(given) as [string, T][]) : [];
}

function poolProblems({ pools }: VitalsOptions): string[] {
  return entries(pools).flatMap(([name, given]) => {
    const where = `options.pools.${name}`;
    if (POOL.check(where, given).length > 0) return [];
    if (!hasSettings(given)) return unusable(where, given);
    return [...POOL_SHAPE.check(where, given), ...unusable(`${where}.pool`, given.pool)];
  });
}

/** A function may be a resolver, whose pool is seen later; what is given as the pool itself must be one. */
function unusable(where: string, pool: unknown): string[] {
  if (typeof pool === 'function' || adapterFor(pool)) return [];
  return [`${where} must be ${ACCEPTED_POOLS}, or a function that returns it, got ${show(pool)}`];
}

/** What is set and is no function has been complained about already. */
function checkProblems({ checks }: VitalsOptions): string[] {
  return entries(checks).flatMap(([name, given]) =>
    isPlainObject(given) && given.check === undefined
      ? [`options.checks.${name}.check must be a function, got undefined`]
      : [],
  );
}

/** Two indicators of one name would share a line of the report. */
function clashes({ pools, checks, eventLoop, resets, swallowed }: VitalsOptions): string[] {
  const own = [
    OWN_NAME,
    ...(eventLoop === false ? [] : ['eventLoop']),
    ...(resets === false ? [] : ['resets']),
    ...(swallowed === false ? [] : ['swallowed']),
  ];
  const taken = new Map(own.map((name) => [name, 'an indicator of the module']));
  taken.set(REMEDY_WORD, 'a word of X-Health-Status');
  const problems: string[] = [];
  for (const [kind, names] of [
    ['pools', entries(pools)],
    ['checks', entries<unknown>(checks)],
  ] as const) {
    for (const [name] of names) {
      const owner = taken.get(name);
      if (owner)
        problems.push(`options.${kind}.${name} must have a name of its own: "${name}" is ${owner} already`);
      taken.set(name, `in options.${kind}`);
    }
  }
  return problems;
}

/** Values that are possible alone and not together. */
function contradictions({ resets, eventLoop, everyMs, drain, recovery }: VitalsOptions): string[] {
  const { degradedAt, downAt } = settings(DEFAULTS.resets, isPlainObject(resets) ? resets : {})!;
  const { windowMs, failAfter } = settings(DEFAULTS.eventLoop, isPlainObject(eventLoop) ? eventLoop : {})!;
  const neededMs = 2 * failAfter * (everyMs ?? DEFAULTS.everyMs);
  const { exit, graceMs } = settings(DEFAULTS.recovery, isPlainObject(recovery) ? recovery : {})!;
  const drainMs = drain === false ? 0 : (drain ?? DEFAULTS.drain);
  return [
    ...(exit && graceMs <= drainMs
      ? [
          `options.recovery.graceMs must be more than drain (${drainMs} ms), which is part of it, got ${graceMs}`,
        ]
      : []),
    ...(degradedAt > downAt
      ? [`options.resets.downAt must be at least degradedAt (${degradedAt}), got ${downAt}`]
      : []),
    // A delay is in at least half a window's readings: in fewer than failAfter of them it would never be believed.
    ...(eventLoop !== false && windowMs < neededMs
      ? [
          `options.eventLoop.windowMs must be at least 2 x failAfter x everyMs (${neededMs} ms), got ${windowMs}`,
        ]
      : []),
  ];
}

function settings<T extends object>(defaults: T, given: object | false | undefined): T | null {
  return given === false ? null : Object.freeze({ ...defaults, ...defined(given ?? {}) });
}

/** A key set to `undefined` is a key left out. */
function defined<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

function isRegistry(value: unknown): boolean {
  return can(value, 'registerMetric', 'getSingleMetric', 'removeSingleMetric');
}

function isStandalone(value: unknown): boolean {
  if (!isPlainObject(value)) return false;
  const given = defined(value);
  const form = 'socketPath' in given ? shape({ socketPath: TEXT }) : shape({ port: PORT, host: TEXT });
  return form.check('', given).length === 0 && ('socketPath' in given || 'port' in given);
}

/**
 * Puts the stages together for one application: sources and indicators into gauges, gauges into the scheduler, the
 * scheduler's snapshots into answers. Knows no Nest beyond its logger.
 */
import type { Server } from 'node:http';
import { performance } from 'node:perf_hooks';
import type { History } from './endpoint/answer.js';
import { Auditor } from './auditor.js';
import { Answers } from './endpoint/answers.js';
import { Endpoint } from './endpoint/mount.js';
import { Pages, type PageSources } from './endpoint/pages.js';
import { questionOf, routeOf } from './endpoint/question.js';
import { brokenGauge, checkGauge, eventLoopGauge, poolGauge, resetGauge, swallowedGauge } from './gauges.js';
import type { Owner } from './indicators/resets.js';
import {
  DEFAULTS,
  poolSettings,
  type Details,
  type IndicatorOptions,
  type PoolOptions,
  type ResolvedOptions,
} from './options.js';
import { Drain } from './recovery/drain.js';
import { FlightDirectory } from './recovery/flight-directory.js';
import type { Incident } from './recovery/incident.js';
import { Recorder } from './recovery/recorder.js';
import { Recovery } from './recovery/recovery.js';
import type { View } from './metrics/instruments.js';
import { startMetrics } from './metrics/metrics.js';
import { processFacts } from './sources/configuration.js';
import type { ResetSource } from './sources/resets.js';
import { Scheduler, type Gauge } from './verdict/scheduler.js';
import { OWN_NAME, REMEDY_WORD, type Snapshot } from './verdict/snapshot.js';
import type { LogLine, Transition } from './verdict/transition.js';
import { armLastResort } from './watchdog/last-resort.js';
import { Doorway } from './watchdog/doorway.js';
import { Watchdog } from './watchdog/watchdog.js';

/** Where the module's lines go. Nest's `Logger` fits. */
export interface Log {
  log(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

/** Told of every change of the verdict. */
export interface Follower {
  next(transition: Transition): void;
  complete(): void;
}

/** A pool that was found and the name to report it under. */
export interface FoundPool {
  readonly name: string;
  /** The driver and, as far as known by now, where its database is and what it is called. No credentials, no URL. */
  readonly driver: string;
  /** Looks it up where it was found; `undefined` while there is none. */
  readonly pool: () => unknown;
}

/** Readiness counts as watched for this long after it was last asked for over the network, ms. */
const WATCHED_MS = 60_000;
/** No pause so short is worth a look from another thread, ms. */
const LEAST_BLOCKED_MS = 100;
/** The start of the application waits this long for the first readings, ms, so that the first answer is the truth. */
const FIRST_READING_MS = 500;
/** The readings at which pools are looked for again, and then no more: at first soon, as most come while it starts. */
const LOOKS = [10, 100, 1_000];

/** The running parts of one application. */
export class Runtime {
  readonly endpoint: Endpoint;
  private readonly answers: Answers;
  readonly drain: Drain;
  /** What is blocked is told to it, and what is kept is read from it. */
  readonly recorder: Recorder;
  private readonly scheduler: Scheduler;
  private readonly recovery: Recovery | null;
  private readonly watchdog: Watchdog | null;
  /** Ours, where the watchdog has none. */
  private doorway: Doorway | null = null;
  /** What it found is shown with the resets, which it explains. */
  private readonly auditor: Auditor;
  private readonly pools = new Set<string>();
  private look: (taken: readonly string[]) => readonly FoundPool[] = () => [];
  /** Since it runs. */
  private readings = 0;
  private readonly followers: Follower[] = [];
  /** Which peer belongs to which pool: the pools fill it, and the resets are explained by it. */
  private readonly owners = new Map<string, Owner>();
  /** Departures from `ok` since the start, by code. */
  private readonly departures = new Map<string, number>();
  private resetSource: ResetSource | null = null;
  private endMetrics = (): void => {};
  private server: Server | undefined;
  private isStopped = false;

  constructor(
    readonly options: ResolvedOptions,
    private readonly log: Log,
  ) {
    this.scheduler = new Scheduler(options.everyMs);
    this.watchdog = this.makeWatchdog();
    this.auditor = new Auditor(options.audit, (line) => log.log(line));
    this.addGauges();
    const usual = typeof options.details === 'function' ? null : options.details;
    const answers = (this.answers = new Answers(usual, options.everyMs, () => this.history));
    const pages = usual === 'none' ? null : new Pages(answers, this.pageSources());
    const failed = (error: unknown): void =>
      log.error(`the health endpoint failed and answers 503: ${textOf(error)}`);
    this.endpoint = new Endpoint(options.path, this.scheduler, answers, options.details, failed, pages);
    this.drain = this.makeDrain();
    const directory = new FlightDirectory(options.incidents?.directory ?? null, (text) => log.warn(text), {
      ...options.recovery,
      ...options.incidents,
    });
    this.recorder = new Recorder(directory, options.incidents?.keep ?? DEFAULTS.incidents.keep, log);
    this.recovery = this.makeRecovery(directory);
    // First: what the host does when it is told may be the last thing that happens.
    this.scheduler.listen({
      onSnapshot: (snapshot) => {
        this.recorder.see(snapshot);
        this.recovery?.see(snapshot);
        this.informWatchdog(snapshot);
      },
      onTransition: () => {},
      onLine: () => {},
    });
    this.scheduler.listen({
      onSnapshot: (snapshot) => {
        answers.prepare(snapshot);
        pages?.note(snapshot);
        this.lookAgain(snapshot);
        this.auditor.look(this.server, null);
      },
      onTransition: (transition) => {
        this.countDeparture(transition);
        this.announce(transition);
      },
      onLine: ({ level, text }: LogLine) => log[level](text),
    });
  }

  private pageSources(): PageSources {
    return {
      incidents: () => this.recorder.readIncidents(),
      ends: () => this.recorder.ends,
      cure: () => ({ isOn: this.recovery !== null, inMs: this.recovery?.dueInMs ?? null }),
    };
  }

  private makeDrain(): Drain {
    return new Drain({
      drainMs: this.options.drain,
      server: () => this.server,
      isWatched: () => performance.now() - this.endpoint.askedAt < WATCHED_MS,
      enter: () => this.scheduler.drain(),
    });
  }

  private makeRecovery(directory: FlightDirectory): Recovery | null {
    const { recovery } = this.options;
    if (!recovery?.exit) return null;
    return new Recovery(recovery, {
      drain: this.drain,
      mayRestart: () => directory.mayRestart(Date.now()),
      record: ({ code, message }) => this.recorder.end({ by: 'recovery', code: code ?? 'DOWN', message }),
      armLastResort,
      log: (level, text) => this.log[level](text),
    });
  }

  private makeWatchdog(): Watchdog | null {
    const { options } = this;
    if (!options.watchdog) return null;
    const { maxDelayMs, restartAfterMs, critical } = options.eventLoop ?? DEFAULTS.eventLoop;
    const { details, path, recovery, incidents } = options;
    return new Watchdog({
      terms: {
        blockedAfterMs: Math.max(LEAST_BLOCKED_MS, maxDelayMs),
        restartAfterMs,
        critical,
        freshness: this.scheduler.freshness,
        path,
        details: usualOf(details),
        retryAfterSeconds: Math.max(1, Math.ceil(options.everyMs / 1_000)),
        directory: incidents?.directory ?? null,
        guards: { ...recovery, ...incidents },
        endAfterMs: recovery?.exit ? recovery.afterMs : null,
      },
      over: ({ stack, incident }) => this.recorder.blocked(stack, incident),
      absent: () => this.openDoorway(),
      log: (level, text) => this.log[level](text),
    });
  }

  private informWatchdog(snapshot: Snapshot): void {
    this.watchdog?.hear({ snapshot, history: this.history, port: this.port });
    this.doorway?.serve(this.port);
  }

  private openDoorway(): void {
    if (this.isStopped) return;
    const details = usualOf(this.options.details);
    this.doorway = new Doorway((url, accept) => {
      const route = routeOf(url, this.options.path) ?? 'health';
      return this.answers.choose(this.snapshot, questionOf(route, url, accept), details);
    });
    this.doorway.serve(this.port);
  }

  /** Where the endpoint listens on TCP. */
  private get port(): number | null {
    const address = this.server?.address();
    return address && typeof address === 'object' ? address.port : null;
  }

  get snapshot(): Snapshot {
    return this.scheduler.snapshot;
  }

  /** How the process before this one ended, and why this one is not ended although that would cure it. */
  private get history(): History | null {
    const known = this.recorder.history;
    const refused = this.recovery?.refused;
    if (!refused) return known;
    return { previous: known?.previous ?? null, restarts: { ...known?.restarts, refused } };
  }

  /** Departures from `ok`, oldest first: of all processes that share the directory, or of this one. */
  get incidents(): readonly Incident[] {
    return this.recorder.incidents();
  }

  maintain(isOn: boolean): void {
    this.scheduler.maintain(isOn);
  }

  follow(follower: Follower): void {
    this.followers.push(follower);
  }

  /** The server whose requests the drain waits for. */
  serve(server: Server | undefined): void {
    this.server = server;
    // The first request may block the loop, before there is another snapshot that would carry the port.
    server?.once('listening', () => this.informWatchdog(this.snapshot));
  }

  /**
   * Watches the pools that `look` finds; it is given the names that a report can hold already. It looks now, and again at
   * a few readings: hosts make pools in the last hook of the start, or when they first need one.
   */
  discover(look: (taken: readonly string[]) => readonly FoundPool[]): void {
    this.look = look;
    this.addFound();
  }

  private addFound(): void {
    const { checks } = this.options;
    const taken = [
      OWN_NAME,
      REMEDY_WORD,
      'eventLoop',
      'resets',
      'swallowed',
      ...this.pools,
      ...checks.keys(),
    ];
    for (const { name, driver, pool } of this.look(taken)) {
      this.addPool(name, poolSettings({ pool }), true);
      this.log.log(`found pool "${name}" (${driver})`);
    }
  }

  private lookAgain({ phase }: Snapshot): void {
    if (phase === 'running' && LOOKS.includes(++this.readings)) this.addFound();
  }

  private async startMetrics(): Promise<void> {
    const { metrics } = this.options;
    if (!metrics) return;
    const view = (): View => ({
      snapshot: this.snapshot,
      resets: this.resetSource?.counts ?? [],
      incidents: this.departures,
      restartsLastDay: this.history?.restarts.lastDay ?? null,
    });
    this.endMetrics = await startMetrics(metrics, view, (text) => this.log.warn(text));
  }

  private countDeparture({ from, to }: Transition): void {
    if (from.status !== 'ok' || to.status === 'ok' || !to.cause) return;
    const { code } = to.cause;
    this.departures.set(code, (this.departures.get(code) ?? 0) + 1);
  }

  /** Takes the first readings, and waits a bounded time for those that take one. */
  async start(): Promise<void> {
    await this.startMetrics();
    this.auditor.look(undefined, processFacts());
    this.recorder.start();
    if (this.watchdog) this.watchdog.start();
    else this.openDoorway();
    this.scheduler.start();
    this.drain.arm();
    const deadline = performance.now() + FIRST_READING_MS;
    while (this.scheduler.phase === 'starting' && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (this.scheduler.phase !== 'starting') return;
    for (const { code, name, message } of this.snapshot.details) {
      if (code === 'STARTING' && name !== OWN_NAME) this.log.warn(message);
    }
  }

  /** Drains, then ends the readings. Resolves when the host may destroy what is measured. Idempotent. */
  async stop(): Promise<void> {
    await this.drain.done();
    if (this.isStopped) return;
    this.isStopped = true;
    this.endMetrics();
    this.scheduler.stop();
    this.watchdog?.stop();
    this.doorway?.close();
    this.recorder.stop();
    for (const follower of this.followers) follower.complete();
  }

  private addGauges(): void {
    const { eventLoop, resets, swallowed, pools, checks } = this.options;
    const { watchdog } = this;
    if (eventLoop)
      this.add('eventLoop', eventLoop, (name, o) => {
        const gauge = eventLoopGauge(name, o);
        return watchdog?.naming(gauge, o.windowMs) ?? gauge;
      });
    if (resets)
      this.add('resets', resets, (name, o, owners) =>
        resetGauge(
          name,
          o,
          owners,
          this.auditor.advice,
          (source) => (this.resetSource = source),
          (line) => this.log.warn(line),
        ),
      );
    if (swallowed) this.add('swallowed', swallowed, swallowedGauge);
    for (const [name, pool] of pools) this.addPool(name, pool, false);
    for (const [name, check] of checks) this.add(name, check, checkGauge);
  }

  private addPool(name: string, pool: Required<PoolOptions>, isFound: boolean): void {
    this.pools.add(name);
    this.auditor.expect(name, pool.pool);
    const tell = (line: string): void => this.log.log(line);
    this.add(name, pool, (_name, options, owners) => poolGauge(name, options, owners, tell, isFound));
  }

  private add<T extends Required<IndicatorOptions>>(
    name: string,
    options: T,
    make: (name: string, o: T, owners: Map<string, Owner>) => Gauge,
  ): void {
    try {
      this.scheduler.add(make(name, options, this.owners));
    } catch (error) {
      // A source that cannot be set up is reported like one that cannot be read: the host starts all the same.
      this.scheduler.add(brokenGauge(name, options, error));
    }
  }

  private announce(transition: Transition): void {
    const { onTransition } = this.options;
    // The host's own callback failed: its mistake is shown, and harms neither the readings nor the others told.
    const failed = (error: unknown): void => this.log.error(`onTransition failed: ${textOf(error)}`);
    for (const tell of [
      ...this.followers.map((f) => f.next.bind(f)),
      ...(onTransition ? [onTransition] : []),
    ]) {
      try {
        // It may be async, whatever its type says: nobody else would catch what it rejects with, and Node would exit.
        const told: unknown = tell(transition);
        if (told instanceof Promise) told.catch(failed);
      } catch (error) {
        failed(error);
      }
    }
  }
}

/** For those who come without a request, so that nobody can be asked about the audience. */
function usualOf(details: ResolvedOptions['details']): Details {
  return typeof details === 'function' ? DEFAULTS.details : details;
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

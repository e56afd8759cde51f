/**
 * Stage 5, ACT: the flight recorder. It makes an incident of every departure from `ok`, keeps it in the directory or,
 * where there is none, in memory, and finds at the start how the process before this one ended. It judges nothing.
 */
import { performance } from 'node:perf_hooks';
import type { History } from '../endpoint/answer.js';
import type { Ended } from '../endpoint/page/told.js';
import { worse } from '../verdict/hysteresis.js';
import type { Detail, Snapshot } from '../verdict/snapshot.js';
import { BEAT_MS, type FlightDirectory } from './flight-directory.js';
import { figuresOf, READINGS_BEFORE, topResets } from './figures.js';
import { isOurs, type EndedBy, type Incident, type PastRun } from './incident.js';
import { LastError } from './last-error.js';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** The same cause again so soon is the same incident: one that comes and goes must not push out all others, ms. */
const RETURNS_WITHIN_MS = 60_000;
const MAX_ENDS = 24;
/** What the main thread was in is told before the verdict on it falls, ms. */
const STACK_WITHIN_MS = 60_000;

/** Where its lines go. */
export interface RecorderLog {
  log(text: string): void;
  warn(text: string): void;
}

export class Recorder {
  private readonly kept: Incident[] = [];
  private readonly lastError = new LastError();
  private before: Snapshot[] = [];
  private open: Incident | null = null;
  private past: readonly PastRun[] = [];
  private story: History | null = null;
  private timer: NodeJS.Timeout | null = null;
  private stack: { readonly text: string; readonly at: number } | null = null;
  private made = 0;
  private readonly onExit = (code: number): void => {
    const error = code === 0 ? null : this.lastError.recent();
    if (error) this.end({ by: 'crash', ...error });
    else this.end({ by: 'exit', code: `EXIT_${code}`, message: `it ended with exit code ${code}` });
  };

  constructor(
    private readonly directory: FlightDirectory,
    private readonly keep: number,
    private readonly log: RecorderLog,
  ) {}

  /** Begins the run, and says how the one before ended. */
  start(): void {
    if (this.directory.directory === null) return;
    this.directory.begin();
    this.past = this.directory.past();
    this.look();
    this.recount();
    this.lastError.listen();
    process.on('exit', this.onExit);
    this.timer = setInterval(() => {
      this.directory.beat();
      this.look();
      this.recount();
    }, BEAT_MS);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.lastError.close();
    process.off('exit', this.onExit);
  }

  /** The next snapshot. */
  see(snapshot: Snapshot): void {
    if (snapshot.phase === 'draining')
      this.directory.noteEnd({ by: 'stop', code: 'STOP', message: 'it was told to stop' });
    // To start, to leave and to be maintained is no departure.
    if (snapshot.phase !== 'running' || snapshot.isMaintenance) return;
    const cause = causeOf(snapshot);
    if (!cause) this.close(snapshot.takenAt);
    else if (!this.open) this.begin(cause, snapshot);
    else if (isWorse(cause, this.open)) this.save({ ...this.open, ...headline(cause, snapshot) });
    this.before = [...this.before.slice(1 - READINGS_BEFORE), snapshot];
  }

  /**
   * What the main thread was in while it was blocked: part of the incident that is open, or of the next one. A long
   * block is an `incident` that was kept already, and what is now said of the loop goes on with it.
   */
  blocked(stack: string, incident: Incident | null = null): void {
    this.stack = { text: stack, at: performance.now() };
    if (incident) this.remember(incident);
    if (this.open) this.save({ ...this.open, stack });
  }

  /** This process is about to end: its open incident ends with it. */
  end(end: { by: EndedBy; code: string; message: string }): void {
    this.directory.noteEnd(end);
    if (this.open) this.save(ended(this.open, 'process ended', Date.now()));
    this.open = null;
  }

  /** Oldest first: of all processes that share the directory, or of this one where there is none. */
  incidents(): readonly Incident[] {
    return this.withKept(this.directory.incidents());
  }

  /** The same, without waiting for the disk. */
  async readIncidents(): Promise<readonly Incident[]> {
    return this.withKept(await this.directory.readIncidents());
  }

  /** How the processes before this one ended, oldest first; as many as a page shows. */
  get ends(): readonly Ended[] {
    return this.past.slice(-MAX_ENDS).map((run) => {
      const { by, code, message, at } = run.end;
      return { by, code, message, at, ranMs: ranMs(run), pid: run.pid };
    });
  }

  /** `null` where there is no directory to know it from. */
  get history(): History | null {
    return this.story;
  }

  private withKept(onDisk: readonly Incident[]): readonly Incident[] {
    const known = new Set(onDisk.map(({ id }) => id));
    return [...onDisk, ...this.kept.filter(({ id }) => !known.has(id))];
  }

  private look(): void {
    const claimed = this.directory.claim();
    if (claimed.length === 0) return;
    this.past = this.directory.past();
    const { lastDay } = this.recount().restarts;
    for (const run of claimed) {
      const level = run.end.by === 'stop' ? 'log' : 'warn';
      this.log[level](`${obituary(run)}; restarts in the last day: ${lastDay}`);
    }
  }

  private recount(): History {
    const now = Date.now();
    const within = (ms: number): PastRun[] =>
      this.past.filter((run) => this.directory.sinceEnd(run, now) < ms);
    const last = this.past.toSorted(
      (a, b) => this.directory.sinceEnd(a, now) - this.directory.sinceEnd(b, now),
    )[0];
    return (this.story = {
      previous: last ? { ...last.end, ranMs: ranMs(last) } : null,
      restarts: {
        lastDay: within(DAY_MS).filter(({ end }) => end.by !== 'stop').length,
        byVitalsLastHour: within(HOUR_MS).filter(({ end }) => isOurs(end)).length,
      },
    });
  }

  private begin(cause: Detail, snapshot: Snapshot): void {
    const last = this.kept.at(-1);
    const sinceMs = last?.ended ? snapshot.takenAt - Date.parse(last.ended.at) : Infinity;
    if (last && sinceMs < RETURNS_WITHIN_MS && last.indicator === cause.name && last.code === cause.code)
      return this.save({ ...last, returns: (last.returns ?? 0) + 1, ended: null });
    const isFresh = this.stack && performance.now() - this.stack.at < STACK_WITHIN_MS;
    this.save({
      id: `${process.pid}-${snapshot.takenAt.toString(36)}-${++this.made}`,
      at: new Date(snapshot.takenAt).toISOString(),
      ...headline(cause, snapshot),
      before: this.before.map(figuresOf),
      ...(isFresh && cause.name === 'eventLoop' ? { stack: this.stack!.text } : {}),
      ended: null,
    });
  }

  private close(at: number): void {
    if (this.open) this.save(ended(this.open, 'recovered', at));
    this.open = null;
  }

  private save(incident: Incident): void {
    this.open = incident;
    this.remember(incident);
    this.directory.write(incident);
  }

  private remember(incident: Incident): void {
    const at = this.kept.findIndex(({ id }) => id === incident.id);
    if (at >= 0) this.kept[at] = incident;
    else this.kept.push(incident);
    if (this.kept.length > this.keep) this.kept.shift();
  }
}

/** The worst detail, as the verdict has it. */
function causeOf({ status, cause, details }: Snapshot): Detail | null {
  if (status === 'ok') return null;
  return details.find(({ name }) => name === cause?.name) ?? details.find((d) => d.status !== 'up') ?? null;
}

/** Worse, or now so that a restart would cure it. */
function isWorse(cause: Detail, { status, remedy }: Incident): boolean {
  return (
    worse(cause.status, status) ||
    (cause.status === status && cause.remedy === 'restart' && remedy !== 'restart')
  );
}

function headline(
  { name, code, status, remedy, message, data }: Detail,
  snapshot: Snapshot,
): Pick<Incident, 'indicator' | 'code' | 'status' | 'remedy' | 'message' | 'data' | 'resets'> {
  const resets = topResets(snapshot);
  const found = { indicator: name, code: code ?? 'DOWN', status, remedy, message, data };
  return resets.length > 0 ? { ...found, resets } : found;
}

function ended(incident: Incident, how: 'recovered' | 'process ended', at: number): Incident {
  const lastedMs = Math.max(0, at - Date.parse(incident.at));
  return { ...incident, ended: { how, at: new Date(at).toISOString(), lastedMs } };
}

const ENDS: Record<EndedBy, string> = {
  watchdog: 'was ended by its watchdog',
  recovery: 'was ended by its recovery',
  crash: 'crashed',
  stop: 'was stopped',
  exit: 'ended itself',
  killed: 'was killed',
};

function obituary(run: PastRun): string {
  const { by, code, message } = run.end;
  return `the process before this one (pid ${run.pid}, it ran ${Math.round(ranMs(run) / 1000)} s) ${ENDS[by]}: ${code}: ${message}`;
}

function ranMs({ startedBootMs, end }: PastRun): number {
  return Math.max(0, Math.round(end.bootMs - startedBootMs));
}

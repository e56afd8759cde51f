/**
 * Stage 5, ACT: the words of the flight recorder. An incident is one departure from `ok`; a run is one life of one
 * process. Plain data, as it lies on the disk; no clock, no file.
 */
import type { DataValue, Remedy, Status } from '../indicators/finding.js';

/** Figures of one indicator. */
export type Figures = Readonly<Record<string, DataValue>>;

/** One departure from `ok`, with what led to it and how it ended. */
export interface Incident {
  /** The same each time it is written. Letters, digits and dashes. */
  readonly id: string;
  /** Which life of which process it belongs to: {@link Run.id}. Filled in when it is written. */
  readonly run?: string;
  /** ISO. */
  readonly at: string;
  readonly indicator: string;
  /** One of the public codes. */
  readonly code: string;
  readonly status: Status;
  readonly remedy: Remedy;
  readonly message: string;
  /** The figures that the finding rests on. */
  readonly data?: Figures;
  /** The readings before it, oldest first. */
  readonly before?: readonly { readonly at: string; readonly figures: Readonly<Record<string, Figures>> }[];
  /** What the main thread was in while it was blocked. */
  readonly stack?: string;
  /** Where most resets came from just then, and why. */
  readonly resets?: readonly {
    readonly origin: string;
    readonly inWindow: number;
    readonly cause: string | null;
    readonly setting: string | null;
  }[];
  /** How often it came back within a minute of its end. */
  readonly returns?: number;
  /** `null` while it lasts. */
  readonly ended: {
    readonly how: 'recovered' | 'process ended';
    readonly at: string;
    readonly lastedMs: number;
  } | null;
}

/** Who ended a process. `exit` is the host's own `process.exit`; `killed` is what leaves no word behind. */
export type EndedBy = 'watchdog' | 'recovery' | 'crash' | 'stop' | 'exit' | 'killed';

/** How a run ended. */
export interface End {
  readonly by: EndedBy;
  /** Why: the code of the finding, the error, the signal or the exit. */
  readonly code: string;
  readonly message: string;
  /** ISO; of one that was killed, when it was last seen. */
  readonly at: string;
  /** The same on the clock of the machine, which is never set, ms. */
  readonly bootMs: number;
}

/** One life of one process. */
export interface Run {
  readonly id: string;
  readonly pid: number;
  /** When it began, in ticks of the machine: pids are used again, in a container at once. 0: not known here. */
  readonly startTicks: number;
  /** The pid's namespace, empty where there is none; pids of another one say nothing here. */
  readonly namespace: string;
  readonly host: string;
  /** Which start of the machine `bootMs` counts from. */
  readonly boot: string;
  /** ISO. */
  readonly startedAt: string;
  readonly startedBootMs: number;
  readonly end: End | null;
}

/** A run that is over. */
export type PastRun = Run & { readonly end: End };

/** Was it one of ours that ended it? These are what the budget counts. */
export function isOurs({ by }: End): boolean {
  return by === 'watchdog' || by === 'recovery';
}

/** What a restart is held against, and how much is kept. */
export interface Guards {
  /** A process younger than this is not ended, ms. Default 60 000. */
  readonly minUptimeMs: number;
  /** Restarts in an hour, of all processes that share the directory. Default 3. */
  readonly perHour: number;
  /** Incidents that are kept. Default 100. */
  readonly keep: number;
}

export const GUARDS: Guards = { minUptimeMs: 60_000, perHour: 3, keep: 100 };

const MAX_BYTES = 16_384;
const MAX_MESSAGE = 500;
const MAX_STACK = 6_000;

/** The incident with no more in it than a file should hold: what is far back in time goes first. */
export function bounded(incident: Incident): Incident {
  const { stack, message, ...rest } = incident;
  const short = {
    ...rest,
    message: message.slice(0, MAX_MESSAGE),
    ...(stack === undefined ? {} : { stack: stack.slice(0, MAX_STACK) }),
  };
  const { before = [], ...without } = short;
  for (let from = 0; from < before.length; from++) {
    const kept = { ...without, before: before.slice(from) };
    if (fits(kept)) return kept;
  }
  if (fits(without)) return without;
  const { data: _, resets: __, ...bare } = without;
  return bare;
}

function fits(incident: Incident): boolean {
  return Buffer.byteLength(JSON.stringify(incident)) <= MAX_BYTES;
}

/** What was read from a file, if it is an incident. */
export function incidentIn(value: unknown): Incident | null {
  const { id, at, indicator, code, status, remedy, message, ended } = (value ?? {}) as Partial<Incident>;
  const areTexts = [id, indicator, code, status, remedy, message].every((one) => typeof one === 'string');
  const isEnd = ended === null || (isMoment(ended?.at) && Number.isFinite(ended?.lastedMs));
  return areTexts && isMoment(at) && isEnd ? (value as Incident) : null;
}

/** What was read from a file, if it is a run. */
export function runIn(value: unknown): Run | null {
  const run = (value ?? {}) as Partial<Run>;
  const areTexts = [run.id, run.namespace, run.host, run.boot].every((one) => typeof one === 'string');
  const areNumbers = [run.pid, run.startTicks, run.startedBootMs].every(Number.isFinite);
  const { end } = run;
  const isEnd =
    end === null ||
    (typeof end?.by === 'string' &&
      typeof end.code === 'string' &&
      typeof end.message === 'string' &&
      isMoment(end.at) &&
      Number.isFinite(end.bootMs));
  return areTexts && areNumbers && isMoment(run.startedAt) && isEnd ? (run as Run) : null;
}

function isMoment(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

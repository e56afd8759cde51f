/**
 * Stage 4, TELL: from a snapshot to the bytes of an answer. Pure. The body is a superset of what Terminus answers.
 */
import type { DataValue, Remedy } from '../indicators/finding.js';
import type { Details } from '../options.js';
import { excluding, REMEDY_WORD, wantsRestart, type Detail, type Snapshot } from '../verdict/snapshot.js';
import type { Format, Question, Route } from './question.js';

/** An answer, ready to be written. */
export interface Answer {
  readonly status: 200 | 503;
  /** Includes `Content-Length`; excludes what depends on the connection. */
  readonly headers: Readonly<Record<string, string>>;
  /** The same as `writeHead` takes them without looking at each: name, value, name, value... */
  readonly flatHeaders: readonly string[];
  readonly body: Buffer;
}

/** What an answer depends on besides the snapshot and the question. */
export interface AnswerTerms {
  readonly details: Details;
  /** How soon it is worth asking again after a 503, whole seconds. */
  readonly retryAfterSeconds: number;
  /** Absent where nothing is known of it. */
  readonly history?: History | null;
  /** Where the loop is blocked right now: only the watchdog, which answers on this machine alone, says so. */
  readonly blocked?: string;
}

/** How the process before this one ended, and how often that happens. What is not known is absent. */
export interface History {
  readonly previous: {
    /** Who ended it. */
    readonly by: string;
    readonly code: string;
    readonly message: string;
    /** ISO. */
    readonly at: string;
    readonly ranMs: number;
  } | null;
  readonly restarts: {
    /** Ends in the last 24 hours but those that somebody asked for. */
    readonly lastDay?: number;
    /** Those by the recovery or the watchdog in the last hour. */
    readonly byVitalsLastHour?: number;
    /** Why a restart that is due is not done. */
    readonly refused?: string;
  };
}

const TYPES: Record<Format, string> = {
  json: 'application/json; charset=utf-8',
  'health+json': 'application/health+json',
  text: 'text/plain; charset=utf-8',
  // The page is made of the JSON, elsewhere; where there is none, this is what a browser gets.
  html: 'application/json; charset=utf-8',
};

/** Answers `question` from `snapshot`. Everything about the caller's connection is left to the one who writes it. */
export function answerOf(whole: Snapshot, question: Question, terms: AnswerTerms): Answer {
  const unknown = question.exclude.filter((name) => !whole.details.some((detail) => detail.name === name));
  const snapshot = excluding(whole, question.exclude);
  const status = httpStatus(snapshot, question.route);
  const body = Buffer.from(write(snapshot, question, terms, unknown));
  const headers = {
    'Content-Type': TYPES[question.format],
    'Content-Length': String(body.length),
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    'X-Content-Type-Options': 'nosniff',
    'X-Health-Status': statusHeader(snapshot, question.route, terms),
    Vary: 'Accept',
    ...(status === 503 ? { 'Retry-After': String(terms.retryAfterSeconds) } : {}),
  };
  return { status, headers, flatHeaders: Object.entries(headers).flat(), body };
}

/**
 * Liveness asks one thing: would a restart cure it? A process that starts or leaves is not cured by starting over.
 * Readiness asks whether traffic should come here.
 */
export function httpStatus(snapshot: Snapshot, route: Route): 200 | 503 {
  if (route === 'live')
    return snapshot.phase === 'running' && snapshot.details.some(wantsRestart) ? 503 : 200;
  return snapshot.status === 'error' ? 503 : 200;
}

/** The word in the body: Terminus' own, so that what reads Terminus reads this. */
function wordOf(snapshot: Snapshot, route: Route): string {
  if (route === 'live') return httpStatus(snapshot, route) === 200 ? 'ok' : 'error';
  if (snapshot.phase === 'draining') return 'shutting_down';
  return snapshot.status;
}

/** Liveness shows only what it is about. */
function shown({ details }: Snapshot, route: Route): readonly Detail[] {
  return route === 'live' ? details.filter(wantsRestart) : details;
}

/** Proxies and clients refuse a long header, and with it the whole answer: nginx from 4 KiB on, Node from 16 KiB on. */
const MAX_NAMED = 8;

function statusHeader(snapshot: Snapshot, route: Route, { details, blocked, history }: AnswerTerms): string {
  const faults = shown(snapshot, route).filter(({ status }) => status !== 'up');
  const named = details === 'none' ? [] : faults.map(({ name, code }) => `${name}=${code ?? 'DOWN'}`);
  const more = named.length > MAX_NAMED ? [`and ${named.length - MAX_NAMED} more`] : [];
  const remedy = named.length === 0 ? 'none' : remedyOf(snapshot, route);
  const cure = remedy === 'none' ? [] : [`${REMEDY_WORD}=${remedy}`];
  // For whoever would restart from outside: what forbids it to us forbids it to them.
  const refused = remedy === 'restart' && history?.restarts.refused ? ['refused'] : [];
  const place = blocked && details !== 'none' ? [headerSafe(blocked)] : [];
  return [wordOf(snapshot, route), ...named.slice(0, MAX_NAMED), ...more, ...cure, ...refused, ...place].join(
    '; ',
  );
}

/** A function may have any name, and a header only some characters. */
function headerSafe(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').replaceAll(';', ',');
}

/** Liveness knows one remedy, and only while something it shows asks for it. */
function remedyOf(snapshot: Snapshot, route: Route): Remedy {
  return route === 'live' && !snapshot.details.some(wantsRestart) ? 'none' : snapshot.remedy;
}

function write(
  snapshot: Snapshot,
  question: Question,
  { details, history, blocked }: AnswerTerms,
  unknown: readonly string[],
): string {
  if (question.format === 'text') return writeText(snapshot, question, details, unknown);
  const body =
    question.format === 'health+json'
      ? draftBody(snapshot, question.route, details)
      : { ...terminusBody(snapshot, question.route, details), ...historyBody(history, details) };
  const warning =
    unknown.length > 0 && details !== 'none'
      ? { warning: `exclude names no indicator: ${unknown.join(', ').slice(0, 200)}` }
      : {};
  return JSON.stringify({ ...body, ...(blocked && details !== 'none' ? { blocked } : {}), ...warning });
}

function terminusBody(snapshot: Snapshot, route: Route, details: Details): object {
  if (details === 'none') return { status: wordOf(snapshot, route), info: {}, error: {}, details: {} };
  const all = shown(snapshot, route).map((detail) => [detail.name, detailBody(detail, details)] as const);
  const isDown = ([, { status }]: (typeof all)[number]): boolean => status === 'down';
  const { phase, takenAt, uptimeMs } = snapshot;
  return {
    status: wordOf(snapshot, route),
    info: Object.fromEntries(all.filter((one) => !isDown(one))),
    error: Object.fromEntries(all.filter(isDown)),
    details: Object.fromEntries(all),
    phase,
    cause: causeOf(snapshot, route),
    remedy: remedyOf(snapshot, route),
    checkedAt: iso(takenAt),
    uptimeSeconds: Math.round(uptimeMs / 1000),
    ...(snapshot.isStale ? { stale: true } : {}),
  };
}

function historyBody(history: History | null | undefined, details: Details): object {
  if (!history || details === 'none') return {};
  const isFull = details === 'full';
  const { previous, restarts } = history;
  const { refused } = restarts;
  return {
    previous: previous && {
      by: previous.by,
      code: previous.code,
      ...(isFull ? { message: previous.message } : {}),
      at: previous.at,
      ranSeconds: Math.round(previous.ranMs / 1000),
    },
    restarts: { ...restarts, ...(refused === undefined ? {} : { refused: isFull ? refused : true }) },
  };
}

/** On `/live` the cause is the first detail that a restart would cure, which need not be the worst of all. */
function causeOf(snapshot: Snapshot, route: Route): Snapshot['cause'] {
  if (route !== 'live') return snapshot.cause;
  const first = snapshot.details.find(wantsRestart);
  return first?.code ? { name: first.name, code: first.code } : null;
}

function detailBody(detail: Detail, details: Details): Pick<Detail, 'status'> & Record<string, unknown> {
  const { status, code, remedy, since, checkedAt, critical } = detail;
  return {
    status,
    ...(code ? { code } : {}),
    remedy,
    since: iso(since),
    checkedAt: iso(checkedAt),
    critical,
    ...(details === 'full' ? { message: detail.message } : {}),
    data: details === 'full' ? finite(detail.data) : publicData(detail.data),
  };
}

/** Only numbers and truth values go to the public: a text may hold a host name, a user or a driver's message. */
function publicData(data: Detail['data']): Detail['data'] {
  return Object.fromEntries(
    Object.entries(data).filter(
      ([, v]) => v === null || typeof v === 'boolean' || (typeof v === 'number' && Number.isFinite(v)),
    ),
  );
}

/** JSON has no NaN and no infinity; a key that sometimes holds a number holds `null` then. */
function finite(value: Detail['data']): Detail['data'] {
  const fit = (v: DataValue): DataValue => (typeof v === 'number' && !Number.isFinite(v) ? null : v);
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, fit(v)]));
}

const PASS: Record<string, string> = { ok: 'pass', up: 'pass', degraded: 'warn' };

/** draft-inadarei-api-health-check-06, sections 3 and 4: one array of one measurement for each indicator. */
function draftBody(snapshot: Snapshot, route: Route, details: Details): object {
  const word = wordOf(snapshot, route);
  const status = PASS[word] ?? 'fail';
  if (details === 'none') return { status };
  const checks = shown(snapshot, route).map((detail) => [detail.name, [draftCheck(detail, details)]]);
  const cause = causeOf(snapshot, route);
  return {
    status,
    ...(status === 'pass' || !cause ? {} : { output: `${cause.name}: ${cause.code}` }),
    notes: [`phase ${snapshot.phase}`, `remedy ${snapshot.remedy}`],
    checks: Object.fromEntries(checks),
  };
}

function draftCheck(detail: Detail, details: Details): object {
  const status = PASS[detail.status] ?? 'fail';
  const output = details === 'full' ? detail.message : detail.code;
  return {
    // First, so that no number of a check can take the place of one of the draft's own keys.
    ...(details === 'full' ? finite(detail.data) : publicData(detail.data)),
    componentId: detail.name,
    status,
    time: iso(detail.checkedAt),
    ...(status === 'pass' ? {} : { output }),
  };
}

/** One word, and with `?verbose` one line for each indicator in kube-apiserver's form. */
function writeText(
  snapshot: Snapshot,
  { route, verbose }: Question,
  details: Details,
  unknown: readonly string[],
): string {
  const lines = [wordOf(snapshot, route)];
  if (verbose && details !== 'none') {
    for (const detail of shown(snapshot, route)) lines.push(textLine(detail, details));
    for (const name of unknown)
      lines.push(
        `[?]${name.slice(0, 64).replace(/\s+/g, ' ')} excluded, but there is no indicator of that name`,
      );
  }
  return `${lines.join('\n')}\n`;
}

const MARKS = { up: '[+]', degraded: '[~]', down: '[-]' } as const;

function textLine({ name, status, code, remedy, message }: Detail, details: Details): string {
  const words = status === 'up' ? 'ok' : `${status} ${code ?? ''} remedy=${remedy}`;
  return `${MARKS[status]}${name} ${words}${details === 'full' && status !== 'up' ? ` (${message})` : ''}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

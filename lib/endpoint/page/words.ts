/**
 * Stage 4, TELL: the sentences and numbers of the page. Pure.
 */
import type { Remedy, Status } from '../../indicators/finding.js';
import type { Cause, Cure, Detail, Told } from './told.js';

/** A state as people see it: a class for its color, and for those who see no color a sign and a word. */
export interface Face {
  readonly look: 'well' | 'warn' | 'bad' | 'calm';
  readonly sign: string;
  readonly word: string;
}

export const FACES = {
  up: { look: 'well', sign: '✓', word: 'Up' },
  degraded: { look: 'warn', sign: '!', word: 'Degraded' },
  down: { look: 'bad', sign: '✕', word: 'Down' },
  ok: { look: 'well', sign: '✓', word: 'OK' },
  starting: { look: 'calm', sign: '↑', word: 'Starting' },
  draining: { look: 'calm', sign: '↓', word: 'Draining' },
  maintenance: { look: 'calm', sign: '=', word: 'Maintenance' },
} as const satisfies Record<string, Face>;

/** The whole process' face: of its phase, which says more than "down", or of its status. */
export function faceOf({ status, phase, cause }: Told): Face {
  if (phase === 'starting' || phase === 'draining') return FACES[phase];
  if (cause?.code === 'MAINTENANCE') return FACES.maintenance;
  return status === 'ok' ? FACES.ok : status === 'degraded' ? FACES.degraded : FACES.down;
}

export function statusFace(status: Status): Face {
  return FACES[status] ?? FACES.down;
}

/** What is wrong, by code; `%` is the indicator's name. The page's script has them too, for answers from elsewhere. */
export const HEADLINES: Readonly<Record<string, string>> = {
  LOOP_BLOCKED: 'The event loop is blocked',
  LOOP_STARVED: 'The event loop gets too little CPU',
  LOOP_SATURATED: 'The event loop is saturated',
  POOL_STARVED: 'Pool % is starved',
  POOL_WEDGED: 'Pool % is wedged',
  POOL_LEAK: 'Pool % is leaking connections',
  POOL_POISONED: 'Pool % hands out a dead connection',
  DB_UNREACHABLE: 'The database behind % is unreachable',
  DB_SLOW: 'The database behind % is slow',
  RESET_RATE_HIGH: 'Connections are being reset',
  PEER_UNREACHABLE: 'A peer no longer acknowledges what is sent to it',
  ERRORS_SWALLOWED: 'Uncaught errors are being swallowed',
  CHECK_FAILED: '% fails',
  CHECK_TIMED_OUT: '% does not answer in time',
  STALE: 'The readings are stale',
  STARTING: 'The service is starting',
  DRAINING: 'The service is draining',
  MAINTENANCE: 'The service is in maintenance',
};

const PHASE_ENDINGS: Readonly<Record<string, string>> = {
  STARTING: 'traffic comes after the first readings',
  DRAINING: 'it finishes what it has and leaves',
  MAINTENANCE: 'somebody switched it on',
};

/** What a finding means for whoever is on call, as the end of a sentence. */
export const REMEDIES: Readonly<Record<Remedy, string>> = {
  restart: 'a restart cures it',
  drain: 'less traffic cures it',
  none: 'a restart would not help',
};

/** Of a block that has not lasted long enough for a restart. */
export const PENDING = 'no restart is due yet';

/** The first thing to do about each code: docs/codes.md has the rest. */
export const STEPS: Readonly<Record<string, string>> = {
  LOOP_BLOCKED:
    'Read the place in the log or the incident: function, file, line. Page that work, or give it to a worker.',
  LOOP_STARVED: "Raise the container's CPU quota, or move its neighbors.",
  LOOP_SATURATED: 'Add a replica, or profile what is new.',
  POOL_STARVED:
    'Slow queries: look at the database. Fast ones: allow more connections, or use fewer at once per request.',
  POOL_WEDGED:
    'After the restart, find the code that takes a connection and does not give it back on an error.',
  POOL_LEAK: 'Find the code that does not give a connection back, while there are some left.',
  POOL_POISONED: 'Have connections validated at checkout, or set hygiene: true for this pool.',
  DB_UNREACHABLE:
    'Look at the database, its address, its firewall and its connection limit. The service comes back by itself.',
  DB_SLOW: "Look at locks, plans and load with the database's own tools.",
  RESET_RATE_HIGH: 'Set what is named for the origin that resets most.',
  PEER_UNREACHABLE: 'The peer is gone, or a firewall drops: set a request timeout.',
  ERRORS_SWALLOWED: 'Let the process end on an uncaught error, and fix the most frequent one.',
  CHECK_FAILED: 'Look at what the check asks.',
  CHECK_TIMED_OUT: 'Look at what the check asks.',
  STALE: "Look at the container's CPU limit: the process is starved or paused.",
  STARTING: 'Wait. If it lasts: a pool given as a function may never return one.',
  DRAINING: 'Nothing.',
  MAINTENANCE: 'Switch it off with VitalsService.maintenance(false).',
};

/** What is wrong, in a few words. */
export function headline({ code, name }: Cause): string {
  return (HEADLINES[code] ?? `%: ${code}`).replace('%', () => name);
}

/** The verdict as one sentence with its remedy. */
export function sentence({ cause, remedy, status, details }: Told): string {
  if (!cause) return status === 'ok' ? 'All is well; there is nothing to do.' : 'Something is wrong.';
  const own = details[cause.name];
  const isPending = cause.code === 'LOOP_BLOCKED' && remedy === 'none';
  const ending = PHASE_ENDINGS[cause.code] ?? (isPending ? PENDING : REMEDIES[remedy]);
  const isOthers = remedy !== 'none' && own && own.remedy !== remedy;
  return `${headline(cause)}; ${isOthers ? `${ending}, for what else is wrong` : ending}.`;
}

/** Who does the restart that is the remedy, and when; or why nobody does. Empty where none is. */
export function whoRestarts({ remedy, phase, restarts }: Told, { isOn, inMs }: Cure): string {
  if (remedy !== 'restart' || phase !== 'running') return '';
  const refused = restarts?.refused;
  if (refused) {
    const why = typeof refused === 'string' ? `: ${refused}` : ', because a guard speaks against it';
    return `Vitals does not restart it${why}. Restart it by hand.`;
  }
  if (!isOn)
    return 'Vitals does not restart it: recovery.exit is off. Restart it by hand, or leave it to what watches /live.';
  const when = inMs === null ? 'if this lasts' : inMs > 0 ? `in ${span(inMs)} if this lasts` : 'now';
  return `Vitals ends this process ${when}; its restart policy starts it again.`;
}

/** What else is wrong besides the cause. */
export function others({ cause, details }: Told): readonly (readonly [string, Detail])[] {
  return Object.entries(details).filter(
    ([name, { status, code }]) => status !== 'up' && name !== cause?.name && code !== undefined,
  );
}

/** A span as people say it. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Number(ms.toFixed(ms < 10 ? 1 : 0))} ms`;
  if (ms < 120_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`;
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** The bounds of a limit: near each other, so that minutes would say nothing. */
export function between(fromMs: number, toMs: number): string {
  return toMs < 10_000
    ? `${fromMs} to ${toMs} ms`
    : `${Math.round(fromMs / 1000)} to ${Math.round(toMs / 1000)} s`;
}

/** A message of an indicator, without the subject that stands above it and with spans as people say them. */
export function plain(message: string): string {
  const text = message
    .replace(/^[\w ]*("[^"]*")?: /, '')
    .replace(/(\d+) to (\d+) ms\b/g, (_, a: string, b: string) => between(Number(a), Number(b)))
    .replace(/(\d+(?:\.\d+)?) ms\b/g, (_, ms: string) => span(Number(ms)));
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `oldestWaiterMs` as people say it. */
export function spelled(key: string): string {
  return key
    .replace(/(?:Ms|Ratio)$/, '')
    .replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
}

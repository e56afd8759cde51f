/**
 * Stage 2, JUDGE: what a user's check answered, Terminus indicators included. Pure; imports nothing of Terminus.
 */
import type { CheckReading } from '../sources/check.js';
import type { Code, DataValue, Finding, Remedy, Status } from './finding.js';

/** How a failing check is to be taken. */
export interface CheckTerms {
  readonly remedy: Remedy;
  /**
   * Every replica asks the same thing: its failure degrades instead of taking the whole fleet out of the load
   * balancer at once.
   */
  readonly shared: boolean;
}

interface Answer {
  readonly status: Status;
  readonly why: string;
  readonly data: { readonly [key: string]: DataValue };
}

/** Judges the last outcome of the check called `name`; `null` while there is none. */
export function judgeCheck(name: string, reading: CheckReading, terms: CheckTerms): Finding | null {
  const { outcome, timeoutMs } = reading;
  if (!outcome) return null;
  const numbers = { responseMs: Math.round(outcome.ms), timeoutMs, inFlightMs: reading.inFlightMs };
  if (outcome.kind === 'timedOut') {
    const hangs = reading.inFlightMs === null ? '' : ` and is still in flight after ${reading.inFlightMs} ms`;
    const message = `check "${name}": no answer in ${timeoutMs} ms${hangs} (timeout ${timeoutMs} ms)`;
    const finding = failed('CHECK_TIMED_OUT', 'down', message, numbers, terms);
    return reading.isInconclusive ? { ...finding, inconclusive: true } : finding;
  }
  const answer = outcome.kind === 'rejected' ? readError(outcome.error) : readAnswer(outcome.value);
  const data = { ...answer.data, ...numbers };
  if (answer.status === 'up') {
    const message = `check "${name}": answered in ${numbers.responseMs} ms (timeout ${timeoutMs} ms)`;
    return { status: 'up', remedy: 'none', message, data };
  }
  const message = `check "${name}": ${answer.why} after ${numbers.responseMs} ms (timeout ${timeoutMs} ms)`;
  return failed('CHECK_FAILED', answer.status, message, data, terms);
}

function failed(
  code: Code,
  status: Status,
  message: string,
  data: Finding['data'],
  terms: CheckTerms,
): Finding {
  const taken = terms.shared && status === 'down' ? 'degraded' : status;
  return { status: taken, code, remedy: terms.remedy, message, data };
}

/**
 * A Terminus indicator of version 10 or 11 throws an error whose `causes` hold its result; the class is gone in 12,
 * so the property decides. Anything else that is thrown is a plain failure.
 */
function readError(error: unknown): Answer {
  const causes = property(error, 'causes');
  const result = isObject(causes) ? readResult(causes) : null;
  if (result && result.status !== 'up') return result;
  const code = property(error, 'code');
  const text = error instanceof Error ? error.message : String(property(error, 'message') ?? error);
  // An AggregateError, which is what a refused connection to a host of two addresses is, has no message.
  const said = text === '' ? String(code ?? (error as Error).name) : text;
  return {
    status: 'down',
    why: `failed (${said.split('\n', 1)[0]!.slice(0, 200)})`,
    data: typeof code === 'string' ? { errorCode: code } : {},
  };
}

function readAnswer(value: unknown): Answer {
  if (value === false) return { status: 'down', why: 'answered false', data: {} };
  if (!isObject(value)) return { status: 'up', why: '', data: {} };
  // What fetch answers: it does not throw for a 500.
  if (typeof Response === 'function' && value instanceof Response && !value.ok)
    return { status: 'down', why: `answered ${value.status}`, data: { httpStatus: value.status } };
  // Only our own three words: an answer of some API, such as `{ status: 'OK' }`, is not a verdict.
  const status = property(value, 'status');
  if (status === 'up' || status === 'degraded' || status === 'down') return readPart('answer', value);
  return readResult(value) ?? { status: 'up', why: '', data: {} };
}

/** `{ name: { status, ...data } }`, one or several of them: the worst one speaks. `null`: not a Terminus result. */
function readResult(result: object): Answer | null {
  const parts = Object.entries(result).filter(
    ([, part]) => isObject(part) && property(part, 'status') !== undefined,
  );
  if (parts.length === 0 || parts.length !== Object.keys(result).length) return null;
  const answers = parts.map(([key, part]) => readPart(key, part as object));
  return (
    answers.find((a) => a.status === 'down') ?? answers.find((a) => a.status === 'degraded') ?? answers[0]!
  );
}

/** A status that is neither up, degraded nor down counts as down: dropping it in silence would report `ok`. */
function readPart(key: string, part: object): Answer {
  const { status, ...rest } = part as Record<string, unknown>;
  const data = Object.fromEntries(Object.entries(rest).filter(([, v]) => isScalar(v))) as Answer['data'];
  if (status === 'up')
    return { status: rest['degraded'] === true ? 'degraded' : 'up', why: `"${key}" is degraded`, data };
  if (status === 'degraded' || status === 'down') return { status, why: `"${key}" is ${status}`, data };
  return { status: 'down', why: `"${key}" has the unknown status ${JSON.stringify(status)}`, data };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isScalar(value: unknown): boolean {
  return (
    typeof value === 'string' ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value))
  );
}

function property(value: unknown, key: string): unknown {
  return isObject(value) ? (value as Record<string, unknown>)[key] : undefined;
}

/**
 * Stage 6, ASK, the doctor: what can be wrong with what a health check asks and how long. Each rule takes a subject and
 * gives what it finds. Pure.
 */
import { askedBy, commandsOf, durationMs, isProbe, patienceMs } from './command-line.js';
import { COMPOSE, HEALTHCHECK, INSTALL, ours, withFlags } from './correction.js';
import type { Finding, RuleName, Severity } from './finding.js';
import { has } from './image.js';
import type { HealthCheck, Place, Subject } from './subject.js';

export type Rule = (subject: Subject) => readonly Finding[];

const DEFAULT_TIMEOUT = '30s';
const LEAST_START_MS = 10_000;
/** The interval that makes up for a start_interval: as quick as is cheap. */
const QUICK_MS = 10_000;

export function found(
  severity: Severity,
  rule: RuleName,
  { file, line }: Place,
  message: string,
  ...fix: string[]
): Finding[] {
  return [{ severity, rule, file, line, message, fix }];
}

/** Ours with what is asked for behind it: `/live`, a query. */
export const isOurPath = (path: string): boolean =>
  /^\/api\/v1\/health(\/(live|ready))?\/?([?#].*)?$/.test(path);

export const over =
  (rule: (check: HealthCheck, subject: Subject) => readonly Finding[]): Rule =>
  (subject) =>
    typeof subject.check === 'object' ? rule(subject.check, subject) : [];

const patience = over((check, subject) => {
  const field = check.fields.get('timeout');
  const given = field?.text ?? DEFAULT_TIMEOUT;
  const [limitMs, waitsMs] = [durationMs(given), patienceMs(check)];
  if (limitMs === undefined || waitsMs === undefined || waitsMs < limitMs) return [];
  const place = field ?? check;
  const lost = `Docker ends it after ${given}: its output, the reason, is lost`;
  if (waitsMs >= UNLIMITED_MS)
    return subject.isNode ? unlimited(check, subject, place, { lost, limitMs }) : [];
  const isProbes = commandsOf(check).some(isProbe);
  const least = `${Math.ceil(waitsMs / 1000) + 1}s`;
  return found(
    'warning',
    'timeout',
    place,
    `the check of ${subject.name} waits ${waitsMs} ms and ${lost}`,
    field?.file === subject.image?.file ? `--timeout=${least}` : `timeout: ${least}`,
    ...(isProbes && limitMs > 1000 ? [`or --timeout-ms ${limitMs - 500} in the check`] : []),
  );
});

/** Nobody gives a check as long as curl and wget take where nothing is said. */
const UNLIMITED_MS = 900_000;

function unlimited(
  check: HealthCheck,
  subject: Subject,
  place: Place,
  { lost, limitMs }: { readonly lost: string; readonly limitMs: number },
): readonly Finding[] {
  const tool = commandsOf(check).some(([name = '']) => /(^|\/)curl$/.test(name)) ? 'curl' : 'wget';
  const flag = tool === 'curl' ? '-m' : '-T';
  const waits = tool === 'curl' ? 'for ever' : '900 s';
  const seconds = String(Math.max(1, Math.floor(limitMs / 1000) - 1));
  return found(
    'warning',
    'timeout',
    place,
    `${tool} without ${flag} waits ${waits} for a service that hangs, and ${lost}`,
    ...(subject.image && has(subject.image, tool) === false
      ? ours(check, subject)
      : [withFlags(check, subject, tool, flag, seconds)]),
  );
}

const curlWithoutFail = over((check, subject) => {
  const curl = commandsOf(check).find(([tool = '']) => /(^|\/)curl$/.test(tool));
  if (!curl || curl.some((word) => /^(-[a-zA-Z]*f[a-zA-Z]*|--fail(-with-body)?)$/.test(word))) return [];
  return found(
    'error',
    'curl-fail',
    check,
    'curl without -f ends with 0 on a 503 as well: always healthy',
    withFlags(check, subject, 'curl', '-f'),
  );
});

const path = over((check, subject) => {
  const asked = subject.isNode ? askedBy(check) : undefined;
  if (!asked || isOurPath(asked.path)) return [];
  return found(
    'warning',
    'path',
    check,
    `${asked.path} is not the path of nestjs-vitals (/api/v1/health, or your option "path"): it says that something answers, not that the service is well`,
    ...ours(check, subject),
  );
});

const startPeriod = over((check, subject) => {
  const field = check.fields.get('start_period');
  const ms = field ? durationMs(field.text) : 0;
  if (!subject.isNode || ms === undefined || ms >= LEAST_START_MS) return [];
  if (!field && subject.isPart) return [];
  const why = ms === 0 ? 'there is no start period' : `a start period of ${field?.text} is short`;
  const isImages = check.file === subject.image?.file;
  return found(
    'warning',
    'start-period',
    field ?? check,
    `${why}: failures while ${subject.name} starts count as sick`,
    isImages ? '--start-period=40s' : 'start_period: 40s',
  );
});

const startInterval = over((check, subject) => {
  const field = check.fields.get('start_interval');
  if (!field) return [];
  const [intervalMs, retries] = [
    durationMs(textOf(check, 'interval', '30s')),
    Number(textOf(check, 'retries', '3')),
  ];
  const quickMs = Math.min(intervalMs ?? QUICK_MS, QUICK_MS);
  const times = Math.ceil(((intervalMs ?? QUICK_MS) * retries) / quickMs);
  const lines = [`interval: ${quickMs / 1000}s`, ...(times > 0 ? [`retries: ${times}`] : [])];
  const isImages = field.file === subject.image?.file;
  return found(
    'info',
    'start-interval',
    field,
    'start_interval needs Docker Engine 25 and Compose 2.20.2; with an older engine the first check comes after one whole interval, unless that is short',
    isImages ? lines.map((one) => `--${one.replace(': ', '=')}`).join(' ') : (lines[0] ?? ''),
    ...(isImages ? [] : lines.slice(1)),
  );
});

function textOf({ fields }: HealthCheck, name: string, otherwise: string): string {
  return fields.get(name)?.text ?? otherwise;
}

const noCheck: Rule = ({ check, isNode, isPart, image, node, name, file, line }) => {
  if (!isNode || typeof check === 'object' || (isPart && !check)) return [];
  if (check === 'none') {
    const at = node?.get('healthcheck');
    const place = at
      ? { file, line: at.line }
      : { file: image?.file ?? file, line: lineOfNone(image) ?? line };
    return found(
      'error',
      'check-off',
      place,
      `the health check of ${name} is switched off`,
      ...(node ? COMPOSE : [HEALTHCHECK]),
    );
  }
  // An image from elsewhere may have one; without compose, Kubernetes may ask by itself.
  const isSure = node !== undefined && image?.file !== undefined;
  return found(
    isSure ? 'error' : 'warning',
    'no-check',
    { file, line },
    `${name} has no health check${isSure ? '' : ' here'}: nobody notices when it hangs`,
    ...(node ? COMPOSE : [INSTALL, HEALTHCHECK]),
  );
};

function lineOfNone(image: Subject['image']): number | undefined {
  return image?.instructions.findLast(({ name }) => name === 'HEALTHCHECK')?.line;
}

export const CHECK_RULES: readonly Rule[] = [
  patience,
  curlWithoutFail,
  path,
  startPeriod,
  startInterval,
  noCheck,
];

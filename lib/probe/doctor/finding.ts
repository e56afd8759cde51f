/**
 * Stage 6, ASK, the doctor: what it finds, and how that is printed. Pure.
 */
import type { Place } from './subject.js';

/**
 * error: the check or the restart cannot do what the file says. warning: it can, and will disappoint. info: depends on what
 * cannot be seen from here.
 */
export type Severity = 'error' | 'warning' | 'info';

export interface Finding extends Place {
  readonly severity: Severity;
  /** Stable, for those who read `--json`. */
  readonly rule: string;
  readonly message: string;
  /** The corrected lines. */
  readonly fix: readonly string[];
}

export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info'];

/** One block per finding, in the order of the lines, and the sums. */
export function text(findings: readonly Finding[], files: readonly string[]): string {
  const blocks = findings.map(({ file, line, severity, rule, message, fix }) => {
    const lines = fix.map((one) => `    ${one}\n`).join('');
    return `${file}:${line}: ${severity} ${rule}: ${message}\n${lines}`;
  });
  const sums = SEVERITIES.map((severity) => {
    const count = findings.filter((one) => one.severity === severity).length;
    return `${count} ${severity}${count === 1 || severity === 'info' ? '' : 's'}`;
  });
  return `${blocks.join('\n')}${blocks.length > 0 ? '\n' : ''}${files.join(', ')}: ${sums.join(', ')}\n`;
}

/** The same finding for ten services that share an anchor is one; sorted by file, line and severity. */
export function tidy(findings: readonly Finding[]): Finding[] {
  const keyOf = ({ file, line, rule, message }: Finding): string => [file, line, rule, message].join('\n');
  const once = [...new Map(findings.map((one) => [keyOf(one), one])).values()];
  return once.toSorted(
    (a, b) =>
      a.file.localeCompare(b.file) ||
      a.line - b.line ||
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  );
}

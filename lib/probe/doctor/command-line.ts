/**
 * Stage 6, ASK, the doctor: what the command of a health check does: the programs it starts, the URL it asks, and how long
 * it waits. Pure.
 */
import { expand, split } from './dockerfile.js';
import type { HealthCheck } from './subject.js';

export interface Asked {
  /** `http://localhost:3000/`, or for our probe a path. */
  readonly url: string;
  readonly port: string | undefined;
  readonly path: string;
}

const OPERATORS = /^(?:\|\||&&|\||;)$/;
/** Our own limit without --timeout-ms. */
const PROBE_MS = 2500;

/** Each command with its words: one, or those between `||`, `&&`, `|` and `;`. */
export function commandsOf({ words, isShell }: HealthCheck): string[][] {
  const inner = shellText(words);
  if (!isShell && inner === undefined) return [[...words]];
  const commands: string[][] = [[]];
  for (const word of split((inner ?? words.join(' ')).replace(/(\|\||&&|;|(?<!\|)\|(?!\|))/g, ' $1 '))) {
    if (OPERATORS.test(word)) commands.push([]);
    else if (commands.at(-1)?.length !== 0 || !/^(exec|[A-Z_]+=.*)$/.test(word)) commands.at(-1)?.push(word);
  }
  return commands.filter(({ length }) => length > 0);
}

/** Of `["sh", "-c", "..."]`, the text. */
export function shellText(words: readonly string[]): string | undefined {
  return /^(\S*\/)?(ba|a|da)?sh$/.test(words[0] ?? '') && words[1] === '-c' ? words[2] : undefined;
}

/** What the first command that asks something asks. */
export function askedBy(check: HealthCheck): Asked | undefined {
  for (const command of commandsOf(check)) {
    const isOurs = isProbe(command);
    const given = command
      .slice(1)
      .find((word) => /^https?:\/\//.test(word) || (isOurs && word.startsWith('/')));
    if (given === undefined) {
      if (isOurs && !command.some((word) => word.startsWith('unix:')))
        return { url: '', port: undefined, path: '/api/v1/health' };
      continue;
    }
    const url = expand(given.split(/\s/, 1)[0] ?? '');
    if (url === undefined) return undefined;
    const [, protocol, , port, path] =
      /^(https?):\/\/([^/:]*|\[[^\]]*\])(?::(\d+|\$[^/]*))?([/?].*)?$/.exec(url) ?? [];
    if (protocol === undefined) return { url, port: undefined, path: url };
    // A variable that the shell of the container puts in.
    if (port?.startsWith('$')) return { url, port: undefined, path: path ?? '/' };
    return { url, port: port ?? (protocol === 'http' ? '80' : '443'), path: path ?? '/' };
  }
  return undefined;
}

/** A program that is not ours, and its limit: the flags, short ones behind the letters that take no value, and what holds without. */
interface Asker {
  readonly is: RegExp;
  readonly long: readonly string[];
  readonly short: RegExp;
  readonly unlimitedMs: number;
}

const ASKERS: readonly Asker[] = [
  {
    is: /(^|\/)curl$/,
    long: ['--max-time'],
    short: /^-[#0-6BGIJLMNOSRafgijklnpqsvZ]*m(.*)$/,
    unlimitedMs: Infinity,
  },
  // 900 s without a byte, in GNU's and in busybox's.
  { is: /(^|\/)wget$/, long: ['--timeout'], short: /^-[vqcSNxrkKpEHL]*T(.*)$/, unlimitedMs: 900_000 },
];

/** How long the command waits before it gives up by itself, in ms; undefined where that is not known. */
export function patienceMs(check: HealthCheck): number | undefined {
  for (const command of commandsOf(check)) {
    if (isProbe(command)) return Number(after(command, ['--timeout-ms']) ?? PROBE_MS);
    const asker = ASKERS.find(({ is }) => is.test(command[0] ?? ''));
    if (!asker) continue;
    const seconds = after(command, asker.long, asker.short);
    if (seconds === undefined) return asker.unlimitedMs;
    return Number.isNaN(Number(seconds)) ? undefined : Number(seconds) * 1000;
  }
  return undefined;
}

/** `vitals-probe` wherever it lies, and `npx --no vitals probe`. */
export function isProbe(command: readonly string[]): boolean {
  const [first = '', ...rest] = command;
  return /(^|\/)vitals-probe$/.test(first) || (rest.includes('probe') && command.includes('vitals'));
}

/** Our binary with --restart-after; the one in JavaScript does not take it, and of a socket or another machine nobody is ended. */
export function restartsByProbe(command: readonly string[]): boolean {
  const isElsewhere = command.some(
    (word) => word.startsWith('unix:') || /^https?:\/\/(?!127\.|localhost(?![^:/])|\[::1\])/.test(word),
  );
  const times = Number(after(command, ['--restart-after']));
  return /(^|\/)vitals-probe$/.test(command[0] ?? '') && times >= 1 && times <= 1000 && !isElsewhere;
}

/** `1m30s`, `10s`, `500ms` in ms; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  if (/^0+$/.test(text)) return 0;
  if (!/^(\d+(\.\d+)?(us|ms|s|m|h))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/([\d.]+)(us|ms|s|m|h)/g)];
  return parts.reduce((sum, [, value, unit]) => sum + Number(value) * (UNITS[unit ?? ''] ?? 0), 0);
}

/** The value of a flag: the next word, or behind `=`; of a short one, which `short` matches, right behind it too. */
function after(command: readonly string[], long: readonly string[], short?: RegExp): string | undefined {
  for (const [index, word] of command.entries()) {
    const [all, value = ''] = short?.exec(word) ?? [];
    if (long.includes(word) || (all !== undefined && value === '')) return command[index + 1];
    if (all !== undefined) return value;
    for (const flag of long) if (word.startsWith(`${flag}=`)) return word.slice(flag.length + 1);
  }
  return undefined;
}

/**
 * Stage 6, ASK, the doctor: what the command of a health check does: the programs it starts, the URL it asks, and how long
 * it waits. Pure.
 */
import { expand } from './dockerfile.js';
import { type HealthCheck, split } from './subject.js';

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
      /^(https?):\/\/([^/:]*|\[[^\]]*\])(?::(\d+))?([/?].*)?$/.exec(url) ?? [];
    if (protocol === undefined) return { url, port: undefined, path: url };
    return { url, port: port ?? (protocol === 'http' ? '80' : '443'), path: path ?? '/' };
  }
  return undefined;
}

/** How long the command waits before it gives up by itself, in ms; undefined for one that waits for ever. */
export function patienceMs(check: HealthCheck): number | undefined {
  for (const command of commandsOf(check)) {
    const name = command[0]?.split('/').at(-1);
    if (isProbe(command)) return Number(after(command, ['--timeout-ms']) ?? PROBE_MS);
    const seconds =
      name === 'curl'
        ? after(command, ['--max-time', '-m'])
        : name === 'wget'
          ? after(command, ['--timeout', '-T'])
          : undefined;
    if (seconds !== undefined && !Number.isNaN(Number(seconds))) return Number(seconds) * 1000;
  }
  return undefined;
}

/** `vitals-probe` wherever it lies, and `npx vitals probe`. */
export function isProbe(command: readonly string[]): boolean {
  const [first = '', ...rest] = command;
  return /(^|\/)vitals-probe$/.test(first) || (rest.includes('probe') && command.includes('vitals'));
}

/** `1m30s`, `10s`, `500ms` in ms; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  if (/^0+$/.test(text)) return 0;
  if (!/^(\d+(\.\d+)?(us|ms|s|m|h))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/([\d.]+)(us|ms|s|m|h)/g)];
  return parts.reduce((sum, [, value, unit]) => sum + Number(value) * (UNITS[unit ?? ''] ?? 0), 0);
}

/** The value of a flag: the next word, behind `=`, or right behind a short one. */
function after(command: readonly string[], flags: readonly string[]): string | undefined {
  for (const [index, word] of command.entries()) {
    if (flags.includes(word)) return command[index + 1];
    for (const flag of flags.map((one) => (one.startsWith('--') ? `${one}=` : one)))
      if (word.startsWith(flag)) return word.slice(flag.length);
  }
  return undefined;
}

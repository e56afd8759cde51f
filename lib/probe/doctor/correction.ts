/**
 * Stage 6, ASK, the doctor: the corrected lines, in the language of the file that they belong to: compose or a Dockerfile.
 * Pure.
 */
import { shellText } from './command-line.js';
import { has } from './image.js';
import type { HealthCheck, Subject } from './subject.js';

/** What `vitals install` puts there; the flags are those of the examples. */
export const HEALTHCHECK =
  'HEALTHCHECK --interval=30s --timeout=10s --retries=3 --start-period=40s CMD ["vitals-probe"]';
export const INSTALL = 'RUN npx --no vitals install /usr/local/bin/vitals-probe';
export const COMPOSE = [
  'healthcheck:',
  "  test: ['CMD', 'vitals-probe']",
  '  interval: 30s',
  '  timeout: 10s',
  '  retries: 3',
  '  start_period: 40s',
];

/** Where the part of a word begins that only a shell understands: an operator, a redirection, `exit 1`. */
const SHELL_TEXT = /\s*(?:\|\||&&)|(?:^|\s)(?:\||;|[\d&]?>>?(?=&\d|\s|\/|$))|(?:^|\s)exit \d/;

/** What a shell would have to understand in a check that is a list, and the words without it. */
export interface Misplaced {
  readonly text: string;
  /** It stands in a word of its own, and not behind something. */
  readonly isApart: boolean;
  readonly kept: readonly string[];
}

/** The first operator of a shell's in a list, and undefined where there is none, or a shell. */
export function misplacedIn({ words, isShell }: HealthCheck): Misplaced | undefined {
  if (isShell || shellText(words) !== undefined) return undefined;
  const at = words.findIndex((word, index) => !isCode(words, index) && SHELL_TEXT.test(word));
  const word = words[at];
  if (word === undefined) return undefined;
  const from = word.search(SHELL_TEXT);
  const text = from === 0 ? words.slice(at).join(' ') : word.slice(from);
  const kept = [...words.slice(0, at), word.slice(0, from).trim()].filter((one) => one !== '');
  return { text: text.trim(), isApart: from === 0, kept };
}

/** The first variable in a list. In compose `$$` is a dollar for the container; in a Dockerfile every dollar is. */
export function variableIn(check: HealthCheck, { image }: Subject): string | undefined {
  const { words, isShell, file } = check;
  if (isShell || shellText(words) !== undefined) return undefined;
  const pattern = file === image?.file ? /\$(\w+|[{(].*[})])/ : /\$\$(\w+|[{(].*[})])/;
  const read = words.filter((_, index) => !isCode(words, index));
  const found = read.map((word) => pattern.exec(word)).find((one) => one !== null);
  return found ? `$${found[1]}` : undefined;
}

/** A program in another language, which may have any of that in it: `node -e "..."`. */
function isCode(words: readonly string[], index: number): boolean {
  const flag = words[index - 1] ?? '';
  if (/^(-e|-c|--eval|--execute|--command)$/.test(flag)) return true;
  return /^(-p|-pe|--print)$/.test(flag) && /(^|\/)node$/.test(words[0] ?? '');
}

/** The same check without what only a shell understands, and handed to one where a variable stands in it. */
export function repaired(check: HealthCheck, subject: Subject): HealthCheck {
  const words = misplacedIn(check)?.kept ?? check.words;
  if (variableIn(check, subject) === undefined) return { ...check, words };
  const text = words.map((word) => (/\s/.test(word) ? `'${word}'` : word)).join(' ');
  return { ...check, words: [text], isShell: true };
}

/** The line of a check, with the flags that it has in a Dockerfile. */
export function lineOf({ file, isShell, fields, words }: HealthCheck, { image }: Subject): string {
  if (file !== image?.file) return `test: ${quoted([isShell ? 'CMD-SHELL' : 'CMD', ...words])}`;
  const flags = [...fields]
    .filter(([, field]) => field.file === file)
    .map(([name, { text }]) => `--${name.replace('_', '-')}=${text} `);
  return `HEALTHCHECK ${flags.join('')}CMD ${isShell ? words.join(' ') : quoted(words)}`;
}

/** The line of our probe's check, and what brings the probe. */
export function ours({ file }: HealthCheck, { image }: Subject): string[] {
  const isInstalled = image?.file !== undefined && has(image, 'vitals-probe') !== false;
  const install = isInstalled ? [] : [`${INSTALL}   # in the Dockerfile`];
  return file === image?.file
    ? [...(isInstalled ? [] : [INSTALL]), HEALTHCHECK]
    : ["test: ['CMD', 'vitals-probe']", ...install];
}

/** The line with more flags right behind the name of a tool. */
export function withFlags(check: HealthCheck, subject: Subject, tool: string, ...flags: string[]): string {
  const right = repaired(check, subject);
  const name = new RegExp(`(^|[\\s;&|(/])${tool}(?=\\s)`);
  const isText = right.isShell || shellText(right.words) !== undefined;
  const words = right.words.flatMap((word, index) => {
    if (isText) return [word.replace(name, (all) => [all, ...flags].join(' '))];
    return index === 0 ? [word, ...flags] : [word];
  });
  return lineOf({ ...right, words }, subject);
}

/** The line with another port in its URL. */
export function withPort(check: HealthCheck, subject: Subject, port: string): string {
  const right = repaired(check, subject);
  const words = right.words.map((word) =>
    word.replace(/(https?:\/\/(?:\[[^\]]*\]|[^\s/:"'?#]*))(?::[^\s/"']*)?/, `$1:${port}`),
  );
  return lineOf({ ...right, words }, subject);
}

export function quoted(words: readonly string[]): string {
  return JSON.stringify(words).replaceAll(',"', ', "');
}

/**
 * Stage 6, ASK, the report: the names of a command line to the files they mean. Every name must mean something; a `*`
 * that no shell expanded is expanded here.
 */
import { closeSync, openSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/** What is read: a file, or the standard input as `-`. */
export interface Input {
  readonly path: string;
  /** Of what is read; undefined for pipes and the standard input, which are read to their end. */
  readonly sizeBytes: number | undefined;
  /** `2026-11-23` from the file's name, for entries without a time. */
  readonly day: string | undefined;
}

export const STDIN = '-';

/** In a folder: `app.log`, `app.log.2`, `app.log.1.gz`. */
const LOG = /\.log(?:\.\d+)?(?:\.gz)?$/;
const DAY = /(?<!\d)(\d{4})-?(\d\d)-?(\d\d)(?!\d)/;
const ACCEPTED = 'report takes log files, folders with *.log files, or - for the standard input';

/** Each file once, those of one day together and in their order. Throws when a name means no file. */
export function inputsOf(names: readonly string[]): readonly Input[] {
  if (names.length === 0) throw new Error(`${ACCEPTED}, got none; try vitals report logs`);
  const found = new Map<string, Input>();
  for (const path of names.flatMap(filesOf)) {
    const real = path === STDIN ? STDIN : realpathSync(path);
    if (!found.has(real)) found.set(real, inputOf(path));
  }
  return [...found.values()].toSorted(byDay);
}

function filesOf(name: string): readonly string[] {
  if (name === STDIN) return [STDIN];
  const kind = kindOf(name);
  if (kind === 'folder') return inFolder(name);
  if (kind === 'file') return [readable(name)];
  if (!/[*?]/.test(name)) throw new Error(`there is no file "${name}": ${ACCEPTED}`);
  const matches = expand(name).filter((path) => kindOf(path) === 'file');
  if (matches.length === 0) throw new Error(`no file matches "${name}": ${ACCEPTED}`);
  return matches.map(readable);
}

function inFolder(folder: string): readonly string[] {
  const logs = names(folder).filter((name) => LOG.test(name) && kindOf(join(folder, name)) === 'file');
  if (logs.length === 0) throw new Error(`the folder "${folder}" has no *.log files: ${ACCEPTED}`);
  return logs.map((name) => readable(join(folder, name)));
}

/** `*` and `?` as a shell has them, in each part of the path; names with a dot in front are not meant. */
function expand(pattern: string): readonly string[] {
  const [first = '', ...parts] = pattern.split(/[\\/]/);
  const root = pattern.startsWith('/') ? '/' : '';
  return (root ? parts : [first, ...parts]).reduce<readonly string[]>(
    (folders, part) => folders.flatMap((folder) => matchesIn(folder, part)),
    [root],
  );
}

function matchesIn(folder: string, part: string): readonly string[] {
  if (!/[*?]/.test(part)) return [join(folder, part)];
  const escaped = part.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const form = new RegExp(`^(?!\\.)${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  if (kindOf(folder === '' ? '.' : folder) !== 'folder') return [];
  return names(folder === '' ? '.' : folder)
    .filter((name) => form.test(name))
    .map((name) => join(folder, name));
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch (error) {
    throw unreadable('folder', folder, error);
  }
}

function kindOf(path: string): 'file' | 'folder' | undefined {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw unreadable('file', path, error);
  }
}

/** Nothing is read before all can be. */
function readable(path: string): string {
  try {
    if (statSync(path).isFile()) closeSync(openSync(path, 'r'));
    return path;
  } catch (error) {
    throw unreadable('file', path, error);
  }
}

function unreadable(what: string, path: string, error: unknown): Error {
  const { code } = error as NodeJS.ErrnoException;
  const wayOut = code === 'EACCES' || code === 'EPERM' ? '; read it as its owner' : '';
  return new Error(`cannot read the ${what} "${path}": ${code ?? String(error)}${wayOut}`, { cause: error });
}

function inputOf(path: string): Input {
  if (path === STDIN) return { path, sizeBytes: undefined, day: undefined };
  const [, year, month, day] = DAY.exec(basename(path)) ?? [];
  const named = `${year}-${month}-${day}`;
  const file = statSync(path);
  return {
    path,
    sizeBytes: file.isFile() ? file.size : undefined,
    day: isDay(named) ? named : undefined,
  };
}

function isDay(text: string): boolean {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

/** What is written twice is found twice soon: the exceptions of a day beside what the application logged on it. */
function byDay(a: Input, b: Input): number {
  const [left, right] = [a, b].map(({ day, path }) => `${day ?? '9999'} ${path}`);
  return String(left).localeCompare(String(right), 'en', { numeric: true });
}

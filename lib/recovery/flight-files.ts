/**
 * Stage 5, ACT: numbered JSON files in one folder, for several processes at once. A file is there whole or not at all;
 * what is no JSON is passed over. Throws what the file system throws, but for a folder that is not there yet.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimes,
  writeFileSync,
} from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';

/** `run`: of a process that may live; `past`: of one that is over. */
export type Kind = 'run' | 'past' | 'incident';

export interface FlightFile {
  readonly name: string;
  /** Later ones have higher numbers, whatever the clock did between. */
  readonly number: number;
  readonly id: string;
}

const FORM = /^(run|past|incident)-(\d{10})-([\w-]{1,80})\.json$/;
const TEMPORARY = '.writing-';
/** Each that starts clears up once, and between our two steps is little time. */
const MAX_TRIES = 10;
const LAST_NUMBER = 9_999_999_999;
/** Ours are far smaller: more than this is somebody else's. */
const MAX_READ_BYTES = 65_536;

export class FlightFiles {
  private readonly temporary: string;

  /** `owner` sets this process apart from all that write there. */
  constructor(
    readonly folder: string,
    owner: string,
  ) {
    this.temporary = `${TEMPORARY}${owner}-${threadId}`;
  }

  /** Makes the folder, and clears away what a crash in the middle of a write has left there. */
  prepare(): void {
    makeFolder(this.folder);
    for (const name of readdirSync(this.folder)) {
      // That of a live process may be among them: it writes again.
      if (name.startsWith(TEMPORARY)) rmSync(join(this.folder, name), { force: true });
    }
  }

  /** In the order they were made. */
  list(kind: Kind): readonly FlightFile[] {
    return ordered(this.all(), kind);
  }

  /**
   * What all of that kind hold, in the order they were made; `null` for what is garbage or gone. Not in this turn, and
   * one after the other: a disk that hangs then holds one of Node's four threads for files, and nothing else.
   */
  async readAll(kind: Kind): Promise<readonly unknown[]> {
    const names = await readdir(this.folder).catch(noneIfMissing);
    const values: unknown[] = [];
    for (const { name } of ordered(filesOf(names), kind)) {
      try {
        const path = join(this.folder, name);
        const { size } = await stat(path);
        values.push(size > MAX_READ_BYTES ? null : JSON.parse(await readFile(path, 'utf8')));
      } catch {
        values.push(null);
      }
    }
    return values;
  }

  /** `null` for what is garbage or gone. */
  read({ name }: Pick<FlightFile, 'name'>): unknown {
    try {
      const path = join(this.folder, name);
      return statSync(path).size > MAX_READ_BYTES ? null : JSON.parse(readFileSync(path, 'utf8'));
    } catch {
      return null;
    }
  }

  /** The file of this kind and id, or the name that it is to have. */
  nameFor(kind: Kind, id: string): string {
    const all = this.all();
    const safe = id.replace(/[^\w-]/g, '_').slice(0, 80);
    const known = all.find((file) => file.id === safe && file.name.startsWith(`${kind}-`));
    if (known) return known.name;
    const next = all.reduce((last, { number }) => Math.max(last, number), 0) + 1;
    return `${kind}-${String(Math.min(next, LAST_NUMBER)).padStart(10, '0')}-${safe}.json`;
  }

  /**
   * All of it or nothing. It is not flushed to the disk, which takes seconds on a busy one: the end of a process loses
   * nothing that was written, and what the end of the machine leaves is whole or garbage.
   */
  write(name: string, value: unknown): void {
    const temporary = join(this.folder, this.temporary);
    for (let tries = 1; ; tries++) {
      try {
        writeFileSync(temporary, `${JSON.stringify(value)}\n`, { mode: 0o600 });
        return renameSync(temporary, join(this.folder, name));
      } catch (error) {
        rmSync(temporary, { force: true });
        // Somebody cleared up between our two steps, or removed the folder.
        if (tries >= MAX_TRIES || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        makeFolder(this.folder);
      }
    }
  }

  /** False when another process was faster. */
  rename(from: string, to: string): boolean {
    try {
      renameSync(join(this.folder, from), join(this.folder, to));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  /** The oldest go first. What cannot be removed, such as a folder of such a name, stays. */
  keepLast(kind: Kind, count: number): void {
    for (const { name } of this.list(kind).slice(0, -count)) {
      try {
        rmSync(join(this.folder, name), { force: true });
      } catch {
        // It is no file of ours.
      }
    }
  }

  /** When it was last written or touched, epoch ms; `null` when it is gone. */
  touchedAt({ name }: Pick<FlightFile, 'name'>): number | null {
    return statSync(join(this.folder, name), { throwIfNoEntry: false })?.mtimeMs ?? null;
  }

  /** Not in this turn: a disk may hang, and this is done again and again. */
  touch(name: string, failed: () => void): void {
    const now = new Date();
    utimes(join(this.folder, name), now, now, (error) => error && failed());
  }

  private all(): FlightFile[] {
    return filesOf(namesIn(this.folder));
  }
}

function filesOf(names: readonly string[]): FlightFile[] {
  return names.flatMap((name) => {
    const [, kind, digits, id] = FORM.exec(name) ?? [];
    return kind ? [{ name, number: Number(digits), id: id! }] : [];
  });
}

function ordered(files: readonly FlightFile[], kind: Kind): readonly FlightFile[] {
  return files
    .filter(({ name }) => name.startsWith(`${kind}-`))
    .toSorted((a, b) => a.number - b.number || (a.id < b.id ? -1 : 1));
}

/** Node's own `recursive` goes round for ever where the system says ENOENT below a folder that exists, as in /proc. */
function makeFolder(folder: string): void {
  const parent = dirname(folder);
  if (parent !== folder && !existsSync(parent)) makeFolder(parent);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    return noneIfMissing(error);
  }
}

function noneIfMissing(error: unknown): readonly string[] {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
  throw error;
}

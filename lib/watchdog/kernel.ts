/**
 * Stage 5, ACT: what the kernel knows of the main thread, and nobody else while it is blocked. Linux only; elsewhere, and
 * where it may not be read, nothing is known.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { Schedule, type Times } from '../sources/schedule.js';

/** System calls in which a thread waits, by their numbers; all but the last two begin with a file descriptor. */
const WAITS: Partial<Record<string, Record<number, string>>> = {
  x64: { 0: 'read', 1: 'write', 17: 'pread', 42: 'connect', 45: 'recv', 73: 'flock', 74: 'fsync', 202: 'futex', 232: 'epoll', 281: 'epoll' }, // prettier-ignore
  arm64: { 63: 'read', 64: 'write', 67: 'pread', 203: 'connect', 207: 'recv', 32: 'flock', 82: 'fsync', 98: 'futex', 22: 'epoll' }, // prettier-ignore
};
const MAX_COMMAND = 80;

/** The main thread of this process. */
export class MainThread {
  // Its number where /proc was mounted, which need not be the one that the process knows itself by.
  private readonly folder = `/proc/self/task/${told(() => readlinkSync('/proc/self'))}`;
  private readonly schedule = new Schedule(this.folder);

  /** Can it be told from one that waits for a CPU? */
  get isKnown(): boolean {
    return this.schedule.times() !== null;
  }

  /** Zeros where that is not known. */
  times(): Times {
    return this.schedule.times() ?? { ranMs: 0, queuedMs: 0 };
  }

  /** Does it run, or would it, had it a CPU? */
  get isRunnable(): boolean {
    return statOf(text(`${this.folder}/stat`))[0] === 'R';
  }

  /** Does a debugger such as gdb or strace hold the process? */
  get isTraced(): boolean {
    return /^TracerPid:\s*[1-9]/m.test(text('/proc/self/status'));
  }

  /** What it is in, where no JavaScript can be seen. */
  doing(): string {
    const state = statOf(text(`${this.folder}/stat`))[0];
    if (state === undefined) return 'native code';
    if (state === 'R') return 'native code, which computes';
    const [number, first] = text(`${this.folder}/syscall`).split(' ');
    const call = WAITS[process.arch]?.[Number(number)];
    const child = call === undefined || call === 'epoll' ? this.child() : null;
    if (child) return `native code, which waits for a child process: ${child}`;
    if (call === 'futex') return 'native code, which waits for another thread';
    if (call !== undefined && call !== 'epoll') {
      const file = told(() => readlinkSync(`/proc/self/fd/${Number(first)}`));
      return `native code, which waits for ${call}(${file || `file descriptor ${Number(first)}`})`;
    }
    const kernel = text(`${this.folder}/wchan`);
    return `native code, which waits in the kernel${/^\w{2,}$/.test(kernel) ? ` (${kernel})` : ''}`;
  }

  /** The command of the child that was started last. */
  private child(): string | null {
    const pids = text(`${this.folder}/children`).split(' ').filter(Boolean);
    const bornAt = (pid: string): number => Number(statOf(text(`/proc/${pid}/stat`))[19] ?? 0);
    const youngest = pids.toSorted((a, b) => bornAt(b) - bornAt(a))[0];
    if (youngest === undefined) return null;
    const command = text(`/proc/${youngest}/cmdline`).replaceAll('\0', ' ').trim();
    // A connection string must not put its password into the log.
    const safe = command.replace(/:\/\/[^@/\s]*@/g, '://***@').slice(0, MAX_COMMAND);
    return `${safe || 'of unknown name'} (pid ${youngest})`;
  }
}

/** The fields from the state on: the command before them may hold blanks and brackets itself. */
function statOf(stat: string): readonly string[] {
  return stat === '' ? [] : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function text(path: string): string {
  return told(() => readFileSync(path, 'latin1').trim());
}

function told(ask: () => string): string {
  try {
    return ask();
  } catch {
    return '';
  }
}

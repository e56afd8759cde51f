/**
 * Stage 1, MEASURE: how long a thread has run, and how long it stood in line for a CPU. Linux only; elsewhere, and where
 * it may not be read, nothing is known.
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** A thread's own times since it began. */
export interface Times {
  readonly ranMs: number;
  /** Time under a CPU quota that is used up counts as well; the kernel adds a wait only when it is over. */
  readonly queuedMs: number;
}

/** One thread of this process: the one that makes this, or the one whose folder below `/proc` is given. */
export class Schedule {
  private file: number | null;
  private readonly bytes = Buffer.alloc(128);

  constructor(folder = '/proc/thread-self') {
    this.file = descriptor(`${folder}/schedstat`);
  }

  /** `null` where the kernel does not tell. */
  times(): Times | null {
    if (this.file === null) return null;
    const length = readSync(this.file, this.bytes, 0, this.bytes.length, 0);
    const [ran, queued] = this.bytes.toString('latin1', 0, length).split(' ');
    return { ranMs: Number(ran) / 1e6, queuedMs: Number(queued) / 1e6 };
  }

  close(): void {
    if (this.file !== null) closeSync(this.file);
    // Its number may soon be another file's.
    this.file = null;
  }
}

function descriptor(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch {
    return null;
  }
}

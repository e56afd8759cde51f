/**
 * Stage 5, ACT: ends a process that only a new one can replace. It follows liveness and nothing else, asks the guards
 * first, and ends as a SIGTERM would: drained, by the host's own handlers, and if need be without them.
 */
import { performance } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';
import { wantsRestart, type Detail, type Snapshot } from '../verdict/snapshot.js';
import type { Drain } from './drain.js';
import { EXIT_CODE, JITTER } from './endings.js';
import type { MayRestart } from './flight-directory.js';

/** When and how a process is ended. */
export interface Endings {
  /** How long a restart must have been the remedy, ms. */
  readonly afterMs: number;
  /** How long the drain and the host's teardown may take, ms. */
  readonly graceMs: number;
}

/** What it acts on. */
export interface Patient {
  readonly drain: Drain;
  mayRestart(): MayRestart;
  /** The record of it, before anything is done. */
  record(cause: Detail): void;
  /** Ends the process by force after so many ms, from beside the main thread. */
  armLastResort(ms: number): void;
  log(level: 'warn' | 'error', text: string): void;
}

const SIGNAL = 'SIGTERM';
/** A refused restart is asked for again so often, ms. */
const ASK_EVERY_MS = 5_000;
/** Past the deadline a native exit handler may still hang: then nothing is left but the kernel, ms. */
const KILL_AFTER_MS = 2_000;

export class Recovery {
  private readonly since = new Map<string, number>();
  private readonly afterMs: number;
  private askedAt = -Infinity;
  private why: string | null = null;
  private isActing = false;

  constructor(
    private readonly endings: Endings,
    private readonly patient: Patient,
  ) {
    this.afterMs = endings.afterMs * (1 + Math.random() * JITTER);
  }

  /** Why a restart that is due is not done; `null` where none is due. */
  get refused(): string | null {
    return this.why;
  }

  /** In how long this process is ended unless it recovers, ms; `null` where no restart is the remedy. */
  get dueInMs(): number | null {
    const first = Math.min(...this.since.values());
    return this.since.size > 0 ? Math.max(0, first + this.afterMs - performance.now()) : null;
  }

  /** The next snapshot. */
  see(snapshot: Snapshot): void {
    if (this.isActing) return;
    const now = performance.now();
    const ill = snapshot.phase === 'running' ? snapshot.details.filter(wantsRestart) : [];
    for (const name of this.since.keys()) if (!ill.some((one) => one.name === name)) this.since.delete(name);
    for (const { name } of ill) if (!this.since.has(name)) this.since.set(name, now);
    const due = ill.find(({ name }) => now - this.since.get(name)! >= this.afterMs);
    if (!due) this.why = null;
    else if (this.why === null || now - this.askedAt >= ASK_EVERY_MS) void this.treat(due, now);
  }

  private async treat(cause: Detail, now: number): Promise<void> {
    this.askedAt = now;
    const may = await this.ask();
    if (this.isActing) return;
    if (!may.may) return this.refuse(cause, may.why);
    this.isActing = true;
    this.why = null;
    this.patient.record(cause);
    this.patient.log(
      'error',
      `ending this process with exit code ${EXIT_CODE}, because a restart cures it: ${cause.message}`,
    );
    this.end();
  }

  private async ask(): Promise<MayRestart> {
    if (!isMainThread) return { may: false, why: 'it runs in a worker thread, which ends no process' };
    // Whoever stops at a breakpoint looks blocked.
    const isDebugged = await import('node:inspector').then(
      (inspector) => inspector.url() !== undefined,
      () => false,
    );
    return isDebugged ? { may: false, why: 'a debugger may be attached' } : this.patient.mayRestart();
  }

  /** Once for each reason, not for each number in it. */
  private refuse({ name, code }: Detail, why: string): void {
    const isNews = this.why === null || kind(this.why) !== kind(why);
    this.why = why;
    if (isNews) this.patient.log('warn', `a restart would cure ${name} (${code}), but none is done: ${why}`);
  }

  private end(): void {
    const { drain } = this.patient;
    const { graceMs } = this.endings;
    // The last word on the exit code, whoever exits and with what.
    process.on('exit', () => void (process.exitCode = EXIT_CODE));
    setTimeout(exitHard, graceMs).unref();
    this.patient.armLastResort(graceMs + KILL_AFTER_MS);
    if (process.platform === 'win32' || !drain.hasCompany(SIGNAL)) return void drain.leave().then(exit, exit);
    // Nest ends by sending itself the signal again, which without a listener would be the exit code; and the kernel
    // drops it where we are process 1.
    process.on(SIGNAL, () => drain.isOver && exit());
    process.kill(process.pid, SIGNAL);
  }
}

function exit(): void {
  process.exit(EXIT_CODE);
}

/** Without exit handlers, which may be what hangs. */
function exitHard(): void {
  const { reallyExit } = process as unknown as { reallyExit?: (code: number) => void };
  reallyExit?.call(process, EXIT_CODE);
  exit();
}

function kind(why: string): string {
  return why.replace(/\d+/g, '');
}

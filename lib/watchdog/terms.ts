/**
 * Stage 5, ACT: what the two halves of the watchdog say to each other. Plain data, as it crosses from thread to thread.
 */
import type { History } from '../endpoint/answer.js';
import type { Details } from '../options.js';
import type { Guards, Incident } from '../recovery/incident.js';
import type { Freshness, Snapshot } from '../verdict/snapshot.js';

/** What the thread is told at its start. */
export interface Terms {
  /** {@link BEAT} counts the main thread's beats; {@link DEBUGGED} is not 0 while a debugger may be attached to it. */
  readonly beats: Int32Array;
  readonly beatMs: number;
  /** The loop counts as blocked from here on, ms of its own time. */
  readonly blockedAfterMs: number;
  /** A restart is the remedy from here on, ms of its own time. */
  readonly restartAfterMs: number;
  /** Whether a blocked loop makes the verdict `error`. */
  readonly critical: boolean;
  readonly freshness: Freshness;
  readonly path: string;
  readonly details: Details;
  readonly retryAfterSeconds: number;
  /** The flight directory. */
  readonly directory: string | null;
  readonly guards: Partial<Guards>;
  /** The process is ended after so long, ms of its own time; `null`: never. */
  readonly endAfterMs: number | null;
  readonly cwd: string;
}

export const BEAT = 0;
export const DEBUGGED = 1;

/** From the main thread: how things are. */
export interface News {
  readonly snapshot: Snapshot;
  readonly history: History | null;
  /** Where the health endpoint listens; `null` while it does not. */
  readonly port: number | null;
}

/** To the main thread, which hears it when it runs again. */
export interface Over {
  readonly forMs: number;
  /** Function, file and line, or what the kernel knows. */
  readonly where: string;
  readonly stack: string;
  /** Already in the flight directory, when it lasted that long. */
  readonly incident: Incident | null;
}

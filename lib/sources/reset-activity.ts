/**
 * Stage 1, MEASURE: what each open connection did lately, from a look at its byte counts at every sample. Reads and
 * writes are not hooked: that would cost every one of them, and the read that fails would refresh the very idle time
 * it ends. Knows no window and no cause.
 */
import type { Socket } from 'node:net';

/** What a connection was doing when it ended. `idle` also when the last thing seen was a whole exchange. */
export type Phase = 'connect' | 'handshake' | 'idle' | 'first-write-after-idle' | 'mid-request';

/** What the looks saw of one connection. Times are on the clock of `performance.now()`. */
export interface Activity {
  bytesRead: number;
  bytesWritten: number;
  lookedAt: number;
  /** The look that saw the last change, or the beginning. The change was up to `changeErrorMs` before it. */
  changedAt: number;
  changeErrorMs: number;
  /** Something was written since anything was last read. */
  isAwaiting: boolean;
  /** The silence that went before what is being awaited; at least so long, ms. */
  gapMs: number;
  /** Changes that brought something to read. */
  answers: number;
  /**
   * The silence, ms, that was ended by something nobody had asked for: a push, if the connection lives on, or else the
   * server's goodbye. `null`: there was none since the look before.
   */
  unaskedMs: number | null;
}

/** What is known of the end of one connection. */
export interface LastActivity {
  readonly phase: Phase;
  /** From the last change that a look saw to the end: too short by at most `idleErrorMs`. */
  readonly idleMs: number;
  readonly idleErrorMs: number;
  readonly answers: number;
  /** The silence before what is being awaited, ms; 0 where nothing is. */
  readonly gapMs: number;
}

export function newActivity(now: number): Activity {
  return {
    bytesRead: 0,
    bytesWritten: 0,
    lookedAt: now,
    changedAt: now,
    changeErrorMs: 0,
    isAwaiting: false,
    gapMs: 0,
    answers: 0,
    unaskedMs: null,
  };
}

/** Looks at one socket. Answers how long a silence its connection has just survived, at least, ms; mostly 0. */
export function look(activity: Activity, socket: Socket, now: number): number {
  const { bytesRead, bytesWritten } = socket;
  const hasRead = bytesRead > activity.bytesRead;
  const hasWritten = bytesWritten > activity.bytesWritten;
  // It lived on after that.
  let survivedMs = activity.unaskedMs ?? 0;
  if (activity.unaskedMs !== null) activity.answers++;
  activity.unaskedMs = null;
  if (hasRead || hasWritten) {
    const isAsked = hasWritten || activity.isAwaiting;
    // Waiting for an answer is no silence: only what went before the question is.
    if (!activity.isAwaiting) activity.gapMs = activity.lookedAt - activity.changedAt;
    if (hasRead) {
      if (isAsked) {
        survivedMs = Math.max(survivedMs, activity.gapMs);
        activity.answers++;
      } else activity.unaskedMs = activity.gapMs;
      activity.gapMs = 0;
    }
    activity.isAwaiting = !hasRead;
    activity.changeErrorMs = now - activity.lookedAt;
    activity.changedAt = now;
    activity.bytesRead = bytesRead;
    activity.bytesWritten = bytesWritten;
  }
  activity.lookedAt = now;
  return survivedMs;
}

/** What an established connection was doing when `socket`, the lowest of its layers, ended. The first rule that fits. */
export function lastOf(
  activity: Activity,
  socket: Socket,
  now: number,
  { isOutbound, hasRequest }: { readonly isOutbound: boolean; readonly hasRequest: boolean },
): LastActivity {
  const { bytesRead, bytesWritten } = socket;
  const isFirstWrite = bytesWritten > activity.bytesWritten && bytesRead <= activity.bytesRead;
  const phase: Phase =
    isOutbound && bytesRead === 0
      ? 'handshake'
      : hasRequest
        ? 'mid-request'
        : isFirstWrite && !activity.isAwaiting
          ? 'first-write-after-idle'
          : activity.isAwaiting
            ? 'mid-request'
            : 'idle';
  const { answers, isAwaiting } = activity;
  const common = { phase, gapMs: isAwaiting ? activity.gapMs : 0 };
  if (bytesWritten <= activity.bytesWritten && !isAwaiting) {
    const farewell = farewellOf(activity, bytesRead, now);
    if (farewell) return { ...common, ...farewell, answers };
  }
  // What was read since the last look ended the silence that the looks know of.
  const isFresh = bytesRead > activity.bytesRead;
  return {
    ...common,
    idleMs: isFresh ? 0 : now - activity.changedAt,
    idleErrorMs: isFresh ? now - activity.lookedAt : activity.changeErrorMs,
    answers: answers + (isFresh ? 1 : 0),
  };
}

/** Many a server says why before it hangs up, with an idle limit first of all: that ends no silence. */
function farewellOf(
  { bytesRead, unaskedMs, changedAt, changeErrorMs, lookedAt }: Activity,
  readNow: number,
  now: number,
): Pick<LastActivity, 'idleMs' | 'idleErrorMs'> | null {
  if (readNow > bytesRead)
    return { idleMs: lookedAt - changedAt, idleErrorMs: now - lookedAt + changeErrorMs };
  return unaskedMs === null ? null : { idleMs: unaskedMs, idleErrorMs: changeErrorMs };
}

/**
 * Stage 1, MEASURE: connection resets of the last window. Immutable numbers.
 */

import type { Phase } from './reset-activity.js';

export type { Phase } from './reset-activity.js';

/** Who we were connected to (outbound), or which of our listeners was called (inbound). */
export type Direction = 'outbound' | 'inbound';

/** Resets of one origin. */
export interface ResetOrigin {
  readonly direction: Direction;
  /**
   * `host:port` as the caller asked for it when outbound, `unix:/path` for a Unix socket, an address or `unknown` for a
   * connection older than the hook; our own `:port` when inbound; `other` past the cap of 200 origins.
   */
  readonly peer: string;
  /** The IP address that an outbound peer was last seen at; `null` before that, and for inbound ones. */
  readonly address: string | null;
  /** Resets that the kernel reported (errno and syscall) in the window. */
  readonly inWindow: number;
  /** Since the hook was installed. */
  readonly total: number;
  /**
   * Connections to this origin that existed at any time in the window: those open or opening now, and those that
   * ended in it. A reset ends a connection, so `inWindow / connectionsInWindow` is a share between 0 and 1, for a
   * pool that keeps ten connections for a week as for a client that opens one per request.
   */
  readonly connectionsInWindow: number;
  /**
   * Ends of outbound connections that were not ours, oldest first, at most 64; none for inbound ones. Those in the window,
   * or, where these are fewer than five, those of the last day.
   */
  readonly ends: readonly EndedConnection[];
  /** The longest silence of the last day after which one of its connections was still good, ms. */
  readonly survivedMs: number;
}

/** Resets of one origin in one phase, since the source was made. */
export interface ResetCount {
  readonly direction: Direction;
  readonly peer: string;
  /** `unknown` for a connection older than the hook. */
  readonly phase: Phase | 'unknown';
  readonly total: number;
}

/** One end that was not our doing. */
export interface EndedConnection {
  /** `performance.now()`. */
  readonly at: number;
  /**
   * Reset by the kernel's word, closed by the peer in good order, given up by the kernel because nobody answered what was
   * written, or never established.
   */
  readonly kind: 'reset' | 'fin' | 'timed-out' | 'connect-failed';
  readonly phase: Phase | null;
  /** The silence before it, too short by at most `idleErrorMs`; `null` for a connection older than the hook. */
  readonly idleMs: number | null;
  readonly idleErrorMs: number;
  readonly ageMs: number | null;
  readonly isTls: boolean;
  /** An HTTP request was under way on a connection that had carried one before. */
  readonly isReused: boolean;
  /** How often something came back on it, as far as the looks could tell apart. */
  readonly answers: number;
  /** The longest that our own event loop was late in the ten seconds before. */
  readonly loopDelayMs: number;
}

/** One peer that has not acknowledged yet what was sent to it more than once. */
export interface StalledPeer {
  readonly peer: string;
  /** Established outbound connections to it that wait for an acknowledgment. */
  readonly connections: number;
  /** How often the data of the worst of them was sent again; the wait doubles each time, from 0.2 s on. */
  readonly retransmits: number;
}

/** What the kernel said at the last look, up to 30 s ago. */
export interface KernelReading {
  /** Resets of the whole network namespace since the first look: other processes in it, and our own aborts, included. */
  readonly resets: number;
  /** Those of them that Node did not see. */
  readonly outsideNode: number;
  /** Most connections first. */
  readonly stalled: readonly StalledPeer[];
}

export interface ResetReading {
  readonly windowMs: number;
  /** Sorted: most resets in the window first. Only origins with at least one reset ever. */
  readonly origins: readonly ResetOrigin[];
  readonly outboundInWindow: number;
  readonly inboundInWindow: number;
  /** Kernel resets since the hook was installed. */
  readonly total: number;
  /** `code: 'ECONNRESET'` made up by Node or a library after a FIN (socket hang up): not resets, counted apart. */
  readonly synthesizedInWindow: number;
  /** Connections the kernel gave up (`read ETIMEDOUT`: nobody answered our data or our keepalive). Not resets. */
  readonly timeoutsInWindow: number;
  /** Attempts to connect that failed (refused, reset or timed out before there was a connection). Not resets. */
  readonly connectFailuresInWindow: number;
  /** `null` before the first look, and where there is no Linux kernel to ask. */
  readonly kernel: KernelReading | null;
}

/**
 * Stage 1, MEASURE: connection resets of the last window. Immutable numbers.
 */

/** Resets of one origin: who we were connected to (outbound) or which of our listeners was called (inbound). */
export interface ResetOrigin {
  readonly direction: 'outbound' | 'inbound';
  /** `host:port` as the caller asked for it when outbound; our own `:port` when inbound; `other` past the cap. */
  readonly peer: string;
  /** Resets that the kernel reported (errno and syscall) in the window. */
  readonly inWindow: number;
  /** Since the hook was installed. */
  readonly total: number;
  /** Connections to this origin that were opened in the window. */
  readonly connectionsInWindow: number;
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
}

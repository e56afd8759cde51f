/**
 * Stage 1, MEASURE: what a socket's last error says about how the connection ended. Pure; knows errors, not sockets.
 */

/**
 * How a connection ended: `reset` by the kernel's word while it was established, `timed-out` by the kernel after
 * that, `connect-failed` before it, `synthesized` by Node or a library that calls a FIN `ECONNRESET`, or `closed`
 * in any other way, the application's own errors included.
 */
export type Outcome = 'reset' | 'timed-out' | 'connect-failed' | 'synthesized' | 'closed';

/** The words of the kernel (or of whoever speaks in its name), as far as there are any. */
export interface ErrorWords {
  readonly code: string | null;
  readonly errno: number | null;
  readonly syscall: string | null;
}

/** `code`, `errno` and `syscall` of any value; `null` where it has none of that type. */
export function wordsOf(error: unknown): ErrorWords {
  const { code, errno, syscall } = (error ?? {}) as { code?: unknown; errno?: unknown; syscall?: unknown };
  return {
    code: typeof code === 'string' ? code : null,
    errno: typeof errno === 'number' ? errno : null,
    syscall: typeof syscall === 'string' ? syscall : null,
  };
}

/**
 * The outcome that an error given to a socket's `_destroy` stands for. Only a numeric `errno` with a `syscall` is
 * the kernel's word: Node's own `socket hang up` and `aborted` carry `code: 'ECONNRESET'` and neither of them.
 * `EPIPE` is the write side of a reset: the peer answered earlier data with RST, and this write came after it.
 */
export function outcomeOf(error: unknown): Outcome {
  const { code, errno, syscall } = wordsOf(error);
  if (errno === null || syscall === null) {
    if (failedToConnect(error)) return 'connect-failed';
    return code === 'ECONNRESET' ? 'synthesized' : 'closed';
  }
  if (syscall === 'connect') return 'connect-failed';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'reset';
  return code === 'ETIMEDOUT' ? 'timed-out' : 'closed';
}

/** Happy eyeballs: an AggregateError copies the `code` of its first member and nothing else of it. */
function failedToConnect(error: unknown): boolean {
  const members = (error as { errors?: unknown } | null | undefined)?.errors;
  return Array.isArray(members) && members.some((member) => wordsOf(member).syscall === 'connect');
}

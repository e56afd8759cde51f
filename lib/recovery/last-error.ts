/**
 * Stage 5, ACT: the error a process died of, if it did. It listens where listening changes nothing.
 */
import { performance } from 'node:perf_hooks';

/** Whoever logs an error before exiting does so in less, ms. */
const RECENT_MS = 10_000;

export class LastError {
  private last: { readonly code: string; readonly message: string; readonly at: number } | null = null;
  private readonly note = (error: unknown): void => {
    this.last = { ...wordsOf(error), at: performance.now() };
  };

  listen(): void {
    process.on('uncaughtExceptionMonitor', this.note);
  }

  close(): void {
    process.off('uncaughtExceptionMonitor', this.note);
  }

  /** The last uncaught error, if it is no older than what leads to an end. */
  recent(): { readonly code: string; readonly message: string } | null {
    if (!this.last || performance.now() - this.last.at > RECENT_MS) return null;
    const { code, message } = this.last;
    return { code, message };
  }
}

function wordsOf(error: unknown): { code: string; message: string } {
  try {
    const { code, name, message } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
    const word = [code, name].find((one) => typeof one === 'string' && /^[\w.-]{1,40}$/.test(one));
    return {
      code: word ?? 'ERROR',
      message: String(message ?? error)
        .split('\n', 1)[0]!
        .slice(0, 300),
    };
  } catch {
    // A hostile error object.
    return { code: 'ERROR', message: 'an error that cannot be read' };
  }
}

/**
 * Stage 5, ACT: leave the load balancer before leaving the network. Readiness says no at once, traffic goes on being
 * served for a while, then the server closes, and only then may the host destroy anything.
 */
import type { Server } from 'node:http';

/** What draining acts on. */
export interface Drained {
  /** ms; 0: none of the waiting, but readiness still says no. */
  readonly drainMs: number;
  /** The host's HTTP server, if it has one. */
  server(): Server | undefined;
  /** Did anybody ask for readiness over the network lately? If not, nobody is there to see it turn. */
  isWatched(): boolean;
  /** Readiness says no from here. */
  enter(): void;
}

/** Signals that begin a drain. Ctrl-C does not: whoever presses it does not want to wait. */
const SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM'];
/** What 128 + the signal's number is for a shell: the exit code when the kernel will not end PID 1 for us. */
const EXIT_CODES: Partial<Record<NodeJS.Signals, number>> = { SIGTERM: 143 };
/** Requests in flight when the server closes have this long to end, ms. Longer ones are cut off by the host's teardown. */
const IN_FLIGHT_MS = 2_000;

/** One drain of one application. */
export class Drain {
  private signaled: NodeJS.Signals | null = null;
  private waiting: Promise<void> | null = null;
  private closing: Promise<void> | null = null;
  private hasClosed = false;
  private readonly listeners = SIGNALS.map((signal) => [signal, () => this.begin(signal)] as const);

  constructor(private readonly drained: Drained) {}

  /** Listens for the signals, ahead of the host's own handlers. */
  arm(): void {
    if (this.drained.drainMs === 0) return;
    for (const [signal, listener] of this.listeners) process.prependListener(signal, listener);
  }

  disarm(): void {
    for (const [signal, listener] of this.listeners) process.removeListener(signal, listener);
  }

  /**
   * Resolves when the application may be torn down. Idempotent: with `enableShutdownHooks()` and a handler of the
   * host's own, Nest 10 and 11 tear down twice at the same time.
   */
  done(): Promise<void> {
    this.drained.enter();
    return (this.closing ??= this.close());
  }

  /** Is the server closed, and may everything else be destroyed? */
  get isOver(): boolean {
    return this.hasClosed;
  }

  /** Does anybody but us listen for `signal`? */
  hasCompany(signal: NodeJS.Signals): boolean {
    const own = this.listeners.map(([, listener]) => listener as unknown);
    return process.listeners(signal).some((listener) => !own.includes(listener));
  }

  /** Drains as a signal would, without one. Resolves when the server is closed. */
  async leave(): Promise<void> {
    this.drained.enter();
    await this.wait();
    await closeServer(this.drained.server());
  }

  private begin(signal: NodeJS.Signals): void {
    if (this.signaled) return;
    this.signaled = signal;
    // Asked now and not later: a handler added with `once` is gone as soon as it has been called.
    const isAlone = process.listenerCount(signal) <= 1;
    this.drained.enter();
    const waited = this.wait();
    if (isAlone) void waited.then(() => this.end(signal));
  }

  private wait(): Promise<void> {
    return (this.waiting ??= sleep(this.drained.drainMs));
  }

  private async close(): Promise<void> {
    // Without a signal it is the host that closes, a test perhaps: wait only where somebody watches.
    const isDue =
      this.signaled !== null || (this.drained.server()?.listening === true && this.drained.isWatched());
    if (this.drained.drainMs > 0 && isDue) {
      await this.wait();
      await closeServer(this.drained.server());
    }
    this.hasClosed = true;
    // Nest ends by sending itself the signal again: a listener left behind would swallow it.
    this.disarm();
  }

  /** Nobody else listened for the signal: without us it would have ended the process, so now it does. */
  private async end(signal: NodeJS.Signals): Promise<void> {
    await closeServer(this.drained.server());
    this.disarm();
    process.kill(process.pid, signal);
    // The kernel drops a signal without a handler that PID 1 sends itself.
    setTimeout(() => process.exit(EXIT_CODES[signal]), 100).unref();
  }
}

/** Stops accepting, ends idle connections and waits for the requests in flight, for a bounded time. */
function closeServer(server: Server | undefined): Promise<void> {
  if (!server?.listening) return Promise.resolve();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections?.();
  return Promise.race([closed, sleep(IN_FLIGHT_MS)]);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

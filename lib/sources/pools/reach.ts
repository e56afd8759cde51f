/**
 * Stage 1, MEASURE: is a database there at all? A connect of our own, outside every pool and without credentials.
 *
 * The kernel accepts connections for a server that is stopped, so an accepted one proves nothing: the server must
 * have said something. PostgreSQL answers an SSLRequest with one byte before any login; MySQL greets first.
 */
import { connect, type Socket } from 'node:net';
import { isOwnFault, limit } from '../deadline.js';
import { codeOf } from './duck.js';

/** Where a database listens, and what makes it speak. `tcp` without a `hello`: an accepted connection has to do. */
export interface Target {
  readonly protocol: 'pg' | 'mysql' | 'tcp';
  /** A question that any server of this kind answers before a login. */
  readonly hello?: Uint8Array;
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string };
}

/** What a question put to the database came to, whichever way it was put. */
export type Answer =
  | { readonly kind: 'answered'; readonly ms: number }
  | { readonly kind: 'failed'; readonly code: string }
  /** The connection that carried the question is lost; the database may be well. */
  | { readonly kind: 'lost'; readonly code: string }
  /** No answer, but our own loop was late: it proves nothing, for a while. */
  | { readonly kind: 'inconclusive'; readonly code: string }
  /** No answer, but what the host asked before on the same connection may not be answered yet. */
  | { readonly kind: 'behind' }
  /** The question was never put: the host wanted the connection first. */
  | { readonly kind: 'unasked' };

/** The eight bytes of PostgreSQL's SSLRequest: length 8, code 80877103. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** Connects, waits for the first sign of life, disconnects. Never rejects. */
export function reach(target: Target, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    let socket: Socket | undefined;
    const life = new Promise<void>((alive, dead) => {
      socket = connect({ ...target.address });
      socket.unref();
      socket.once('error', dead);
      socket.once('close', () => dead(Object.assign(new Error('closed'), { code: 'CLOSED_SILENTLY' })));
      const hello = target.protocol === 'pg' ? SSL_REQUEST : target.hello;
      const mustSpeak = hello || target.protocol === 'mysql';
      socket.once(mustSpeak ? 'data' : 'connect', () => alive());
      if (hello) socket.once('connect', () => socket?.write(hello));
    });
    limit(life, timeoutMs, (outcome) => {
      socket?.destroy();
      if (outcome.kind === 'fulfilled') resolve({ kind: 'answered', ms: outcome.ms });
      else if (outcome.kind === 'rejected') resolve({ kind: 'failed', code: codeOf(outcome.error) });
      else resolve({ kind: isOwnFault(outcome, timeoutMs) ? 'inconclusive' : 'failed', code: 'TIMEOUT' });
    });
  });
}

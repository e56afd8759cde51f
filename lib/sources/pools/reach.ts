/**
 * Stage 1, MEASURE: is a database there at all? A connect of our own, outside every pool and without credentials.
 *
 * The kernel accepts connections for a server that is stopped, so an accepted one proves nothing: the server must
 * have said something. PostgreSQL answers an SSLRequest with one byte before any login; MySQL greets first;
 * Oracle's listener answers what `tnsping` sends or, where it wants TLS, hangs up on it, which no stopped one does;
 * others come with a question of their own, and any that takes TLS only answers a ClientHello, be it with an alert.
 */
import { connect, type Socket } from 'node:net';
import { isOwnFault, limit } from '../deadline.js';
import { codeOf } from './duck.js';

/** Where a database listens, and what makes it speak. `tcp` without a `hello`: an accepted connection has to do. */
export interface Target {
  readonly protocol: 'pg' | 'mysql' | 'tns' | 'tcp';
  /** A question that this server answers before a login, where it is another than that of the protocol. */
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

const HELLOS: Partial<Record<Target['protocol'], Uint8Array>> = { pg: SSL_REQUEST, tns: tnsPing() };

/** Connects, waits for the first sign of life, disconnects. Never rejects. */
export function reach(target: Target, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    let socket: Socket | undefined;
    const life = new Promise<void>((alive, dead) => {
      socket = connect({ ...target.address });
      socket.unref();
      socket.once('error', dead);
      const hungUp = Object.assign(new Error('closed'), { code: 'CLOSED_SILENTLY' });
      socket.once('close', () => (target.protocol === 'tns' ? alive() : dead(hungUp)));
      const hello = target.hello ?? HELLOS[target.protocol];
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

/** A CONNECT packet of Oracle's protocol that asks the listener for an answer and for no database. */
function tnsPing(): Buffer {
  const asked = Buffer.from('(CONNECT_DATA=(COMMAND=ping))');
  const head = Buffer.alloc(58);
  head.writeUInt16BE(head.length + asked.length, 0);
  head[4] = 1; // CONNECT
  // Version 310, compatible with 300; options; SDU, TDU; the transport; a 1 in our byte order; where the data is.
  [0x0136, 0x012c, 0, 2048, 32767, 0x7f08, 0, 1, asked.length, head.length].forEach((word, i) =>
    head.writeUInt16BE(word, 8 + 2 * i),
  );
  return Buffer.concat([head, asked]);
}

/**
 * Stage 4, TELL: a small server of its own for an application without an HTTP adapter.
 */
import { unlink } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import type { StandaloneOptions } from '../options.js';
import type { Endpoint } from './mount.js';

/**
 * Starts to listen and reports how that went: on which address, or why not. A port in use is reported and not thrown:
 * the host must not fail because its health server did. Never keeps the process alive.
 */
export function serveStandalone(
  options: StandaloneOptions,
  endpoint: Endpoint,
  report: (address: string | null, error: Error | null) => void,
): Server {
  const server = createServer((request, response) => {
    const route = endpoint.routeOf(request);
    if (route) return endpoint.answer(route, request, response);
    response.statusCode = 404;
    response.end(`not found: the health endpoint answers at ${endpoint.path}\n`);
  });
  const where = 'port' in options ? { port: options.port, host: options.host } : { path: options.socketPath };
  server.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE' || !('socketPath' in options)) return report(null, error);
    ifAbandoned(options.socketPath, (isGone) => (isGone ? server.listen(where) : report(null, error)));
  });
  server.on('listening', () => {
    const address = server.address();
    report(typeof address === 'string' ? address : `${address?.address ?? ''}:${address?.port ?? ''}`, null);
  });
  // Unref'd as well: a caller that holds its connection open must not hold the process.
  server.on('connection', (socket) => socket.unref());
  return server.listen(where).unref();
}

/** A process that is killed leaves its socket behind, and nobody listens on it: it is removed. */
function ifAbandoned(path: string, report: (isGone: boolean) => void): void {
  const caller = connect(path);
  caller.once('connect', () => (caller.destroy(), report(false)));
  caller.once('error', ({ code }: NodeJS.ErrnoException) => {
    if (code !== 'ECONNREFUSED') return report(false);
    unlink(path, () => report(true));
  });
}

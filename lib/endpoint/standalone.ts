/**
 * Stage 4, TELL: a small server of its own for an application without an HTTP adapter.
 */
import { createServer, type Server } from 'node:http';
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
  server.on('error', (error) => report(null, error));
  server.listen(
    'port' in options ? { port: options.port, host: options.host } : { path: options.socketPath },
    () => {
      const address = server.address();
      report(
        typeof address === 'string' ? address : `${address?.address ?? ''}:${address?.port ?? ''}`,
        null,
      );
    },
  );
  return server.unref();
}

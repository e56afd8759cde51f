/**
 * Stage 4, TELL: puts the endpoint where it answers at exactly its path, whatever the host does. Knows HTTP and the
 * outside of Nest's adapters; what is answered comes from elsewhere.
 */
import { ServerResponse, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Details } from '../options.js';
import type { Phase, Snapshot } from '../verdict/snapshot.js';
import type { Answer } from './answer.js';
import type { Answers } from './answers.js';
import type { Pages } from './pages.js';
import { questionOf, routeOf, type Route } from './question.js';

/** What the endpoint needs of the rest: the present snapshot, and who may see how much. */
export interface Told {
  readonly snapshot: Snapshot;
  readonly phase: Phase;
}

/** The outside of a Nest HTTP adapter, as far as it is needed: Express, Fastify and whatever comes next have it. */
export interface Adapter {
  getType?(): string;
  getHttpServer(): Server | undefined;
  get(path: string, handler: (request: unknown, response: unknown) => unknown): unknown;
  options?(path: string, handler: (request: unknown, response: unknown) => unknown): unknown;
}

const METHODS = 'GET, HEAD, OPTIONS';

/** Answers requests to one path. */
export class Endpoint {
  /** When readiness was last asked for over the network, on the clock of `performance.now()`; never: -Infinity. */
  askedAt = -Infinity;
  private hasFailed = false;

  constructor(
    readonly path: string,
    private readonly told: Told,
    private readonly answers: Answers,
    private readonly details: Details | ((request: IncomingMessage) => Details),
    /** Told of the first failure of our own, once: a load balancer would repeat it every second. */
    private readonly onFailure: (error: unknown) => void = () => {},
    private readonly pages: Pages | null = null,
  ) {}

  /** The route that a request names, or `null` when it is the host's. */
  routeOf(request: IncomingMessage): Route | null {
    return routeOf(request.url ?? '', this.path);
  }

  /** Writes the whole answer. Never throws: at worst it says 503. */
  answer(route: Route, request: IncomingMessage, response: ServerResponse): void {
    const { method } = request;
    // An answer injected in a test crosses no network: its socket is none.
    if (route !== 'live' && request.socket instanceof Socket) this.askedAt = performance.now();
    if (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS') {
      this.partIfDraining(request, response);
      return refuse(response);
    }
    const failed = (error: unknown): void => this.failed(error, route, request, response);
    try {
      const answer = this.choose(route, request);
      if (answer instanceof Promise) answer.then((one) => this.send(one, request, response)).catch(failed);
      else this.send(answer, request, response);
    } catch (error) {
      failed(error);
    }
  }

  private failed(error: unknown, route: Route, request: IncomingMessage, response: ServerResponse): void {
    this.partIfDraining(request, response);
    fail(route, response);
    if (!this.hasFailed) this.onFailure(error);
    this.hasFailed = true;
  }

  /** While draining, every response asks its caller to come back on a new connection, which will be another server's. */
  partIfDraining(request: IncomingMessage, response: ServerResponse): void {
    if (this.told.phase !== 'draining' || request.httpVersionMajor !== 1 || response.headersSent) return;
    response.setHeader('Connection', 'close');
  }

  /** Later only for the page: it is not there before somebody looks. */
  private choose(route: Route, request: IncomingMessage): Answer | Promise<Answer> {
    const question = questionOf(route, request.url ?? '', request.headers.accept);
    const details = typeof this.details === 'function' ? audience(this.details, request) : this.details;
    const isPage = question.format === 'html' || question.page !== undefined;
    if (isPage && this.pages && details !== 'none')
      return this.pages.answer(this.told.snapshot, question, details);
    return this.answers.choose(this.told.snapshot, question, details);
  }

  private send(
    { status, headers, flatHeaders, body }: Answer,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    this.partIfDraining(request, response);
    if (request.method === 'OPTIONS') response.setHeader('Allow', METHODS);
    if (this.isPlain(request, response)) {
      response.writeHead(status, flatHeaders as string[]);
    } else {
      response.statusCode = status;
      for (const name in headers) response.setHeader(name, headers[name]!);
    }
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  /** Nothing is set yet on a response of Node's own: its headers may be written as they lie ready. */
  private isPlain(request: IncomingMessage, response: ServerResponse): boolean {
    return (
      request.httpVersionMajor === 1 &&
      response.constructor === ServerResponse &&
      response.getHeaderNames().length === 0
    );
  }
}

/** What a function of the host's says about the audience; if it throws or answers something else, show the least. */
function audience(decide: (request: IncomingMessage) => Details, request: IncomingMessage): Details {
  try {
    const details = decide(request);
    return details === 'full' || details === 'codes' ? details : 'none';
  } catch {
    return 'none';
  }
}

function refuse(response: ServerResponse): void {
  const body = '{"status":"error","message":"the health endpoint answers GET, HEAD and OPTIONS"}';
  response.statusCode = 405;
  response.setHeader('Allow', METHODS);
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Content-Length', body.length);
  response.end(body);
}

/** Our own engine failed: 503 and a body, never a 500 and never silence. For liveness 200: a restart is not known to help. */
function fail(route: Route, response: ServerResponse): void {
  if (response.headersSent) return void response.end();
  const body =
    '{"status":"error","info":{},"error":{"vitals":{"status":"down"}},"details":{"vitals":{"status":"down"}}}';
  response.statusCode = route === 'live' ? 200 : 503;
  if (route !== 'live') response.setHeader('Retry-After', '1');
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Cache-Control', 'no-cache, no-store, must-revalidate');
  response.setHeader('X-Health-Status', 'error; vitals=CHECK_FAILED');
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body);
}

/**
 * Answers ahead of the framework: the server's `request` listeners are replaced by one that answers our path and
 * hands every other request to them. No middleware, guard, filter or logger of the host sees a health request.
 * Returns what puts the listeners back.
 */
export function mountOnServer(server: Server, endpoint: Endpoint): () => void {
  // Raw: a listener added with `once` comes in its wrapper, which lets it be called but once.
  const originals = server.rawListeners('request') as RequestListener[];
  const only = originals.length === 1 ? originals[0]! : null;
  const listener: RequestListener = function (this: Server, request, response) {
    const route = endpoint.routeOf(request);
    if (route) return endpoint.answer(route, request, response);
    endpoint.partIfDraining(request, response);
    if (only) return only.call(this, request, response);
    for (const original of originals) original.call(this, request, response);
  };
  for (const original of originals) server.removeListener('request', original);
  server.prependListener('request', listener);
  return () => {
    if (!server.listeners('request').includes(listener)) return;
    server.removeListener('request', listener);
    for (const original of originals) server.on('request', original);
  };
}

/**
 * Registers the path on the adapter's router as well: for `app.inject()`, for an Express instance mounted in another
 * one, and for a middleware that strips a prefix, none of which pass our listener with our path in the URL.
 */
export function mountOnRouter(adapter: Adapter, endpoint: Endpoint): void {
  const routes: readonly [string, Route][] = [
    ['', 'health'],
    ['/live', 'live'],
    ['/ready', 'ready'],
  ];
  for (const [suffix, route] of routes) {
    const handler = (request: unknown, response: unknown): void => {
      endpoint.answer(route, rawRequest(request), rawResponse(response));
    };
    register(adapter, endpoint.path + suffix, handler);
    // Express matches a slash at the end by itself; Fastify does if it was told to, and then refuses a second route.
    if (adapter.getType?.() === 'express') continue;
    try {
      register(adapter, `${endpoint.path}${suffix}/`, handler);
    } catch {
      // The route above answers with the slash as well.
    }
  }
}

function register(
  adapter: Adapter,
  path: string,
  handler: (request: unknown, response: unknown) => void,
): void {
  adapter.get(path, handler);
  adapter.options?.(path, handler);
}

/** Fastify wraps both; writing to what lies below keeps every serializer and hook of the host out of the answer. */
export function rawRequest(request: unknown): IncomingMessage {
  return (request as { raw?: IncomingMessage }).raw ?? (request as IncomingMessage);
}

export function rawResponse(response: unknown): ServerResponse {
  const wrapped = response as { raw?: ServerResponse; hijack?: () => void };
  wrapped.hijack?.();
  return wrapped.raw ?? (response as ServerResponse);
}

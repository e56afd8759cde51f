/**
 * The shapes of hosts: what real applications do to every request, and what has broken health endpoints elsewhere.
 * One table for every Nest and both adapters.
 */
import { join } from 'node:path';
import { controller, everyRoute, injectable, moduleOf } from './build.mjs';

/**
 * A host. `first`: modules before ours; `providers`, `middleware(consumer)`, `configure(app, adapterName)`: as Nest
 * calls them; `fastify`, `express`: options of the adapter; `through`: what a proxy puts before the path; `own`: a route of the
 * host's that answers 200 unless `denied`, with `headers`; `only`: the one adapter that has such a host.
 */
export function hosts(nest, { folder, adapter, log }) {
  const { common, core } = nest;
  const versioned = (type, more) => (app) =>
    app.enableVersioning({ type: common.VersioningType[type], defaultVersion: '1', ...more });
  const prefixed = (prefix, options) => (app) => app.setGlobalPrefix(prefix, options);
  const all =
    (...steps) =>
    (...args) =>
      steps.reduce((last, step) => last.then(() => step(...args)), Promise.resolve());
  const guard = { provide: core.APP_GUARD, useClass: denyingGuard(nest) };
  const filter = { provide: core.APP_FILTER, useClass: rewritingFilter(nest) };
  const wrap = { provide: core.APP_INTERCEPTOR, useClass: wrappingInterceptor(nest) };
  const logger = (consumer) => consumer.apply(logging(log)).forRoutes(everyRoute(nest));
  const cors = (app) => app.enableCors({ origin: 'https://shop.example', credentials: true });

  return [
    { name: 'nothing', own: '/thing' },
    {
      name: 'prefix api and URI version 1',
      configure: all(prefixed('api'), versioned('URI')),
      own: '/api/v1/thing',
    },
    { name: 'prefix api/v1', configure: prefixed('api/v1'), own: '/api/v1/thing' },
    {
      name: 'prefix api/v1 and URI version 1',
      configure: all(prefixed('api/v1'), versioned('URI')),
      own: '/api/v1/v1/thing',
    },
    { name: 'another prefix', configure: prefixed('backend'), own: '/backend/thing' },
    { name: 'prefix with an exclude', configure: prefixed('api', { exclude: ['thing'] }), own: '/thing' },
    {
      name: 'header versioning',
      configure: versioned('HEADER', { header: 'X-Version' }),
      own: '/thing',
      headers: { 'x-version': '1' },
    },
    {
      name: 'media type versioning',
      configure: versioned('MEDIA_TYPE', { key: 'v=' }),
      own: '/thing',
      headers: { accept: 'application/json;v=1' },
    },
    { name: 'a guard that denies everything', providers: [guard], own: '/thing', denied: true },
    { name: 'a filter that rewrites every error', providers: [filter], own: '/thing' },
    { name: 'an interceptor that wraps every body', providers: [wrap], own: '/thing' },
    {
      name: 'a throttler',
      first: [nest.throttler.ThrottlerModule.forRoot([{ ttl: 60_000, limit: 8 }])],
      providers: [{ provide: core.APP_GUARD, useClass: nest.throttler.ThrottlerGuard }],
      own: '/thing',
    },
    { name: 'a logger of every request', middleware: logger, own: '/thing' },
    { name: 'a logger by app.use', configure: (app) => app.use(logging(log)), own: '/thing' },
    {
      name: 'validation that forbids unknown values',
      configure: (app) =>
        app.useGlobalPipes(
          new common.ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true }),
        ),
      own: '/thing',
    },
    { name: 'CORS', configure: cors, own: '/thing' },
    { name: 'helmet', configure: helmet(nest), own: '/thing' },
    { name: 'a catch-all controller first', first: [catchAll(nest, adapter)], own: '/anything' },
    {
      name: 'a catch-all controller first, below prefix api',
      first: [catchAll(nest, adapter)],
      configure: prefixed('api'),
      own: '/api/anything',
    },
    {
      name: 'api/v1/:id first',
      first: [
        moduleOf(nest, { controllers: [controller(nest, 'api/v1/:id', { '': () => ({ id: true }) })] }),
      ],
      own: '/api/v1/7',
    },
    {
      name: 'a single page application',
      first: [nest.serveStatic.ServeStaticModule.forRoot({ rootPath: join(folder, 'www') })],
      own: '/thing',
    },
    { name: 'authentication by app.use', configure: (app) => app.use(refusing), own: '/thing', denied: true },
    {
      name: 'a prefix stripped before routing',
      configure: (app, adapter) => (adapter === 'express' ? app.use(stripping) : null),
      fastify: { rewriteUrl: (request) => strip(request.url) },
      through: '/service',
      own: '/thing',
    },
    {
      name: 'slashes at the end ignored',
      only: 'fastify',
      fastify:
        nest.major === 10 ? { ignoreTrailingSlash: true } : { routerOptions: { ignoreTrailingSlash: true } },
      own: '/thing',
    },
    { name: 'no HEAD of its own', only: 'fastify', fastify: { exposeHeadRoutes: false }, own: '/thing' },
    {
      name: 'strict routing',
      only: 'express',
      configure: (app) => app.set('strict routing', true),
      own: '/thing',
    },
    {
      name: 'module behind the host’s middleware',
      options: { mount: 'router' },
      configure: prefixed('api'),
      own: '/api/thing',
      behind: true,
    },
    {
      name: 'the sum of a real service',
      providers: [guard, filter, wrap],
      middleware: logger,
      configure: all(prefixed('api'), versioned('URI'), cors),
      own: '/api/v1/thing',
      denied: true,
    },
  ];
}

/** The application of a host: our module among its others, or, to compare with, without it. */
export function appModuleOf(nest, host, vitals) {
  const own = [
    controller(nest, 'thing', { '': () => ({ thing: true }) }),
    controller(
      nest,
      { path: 'healthy', version: nest.common.VERSION_NEUTRAL },
      { '': () => ({ healthy: true }) },
    ),
    controller(
      nest,
      { path: 'api/v1/healthy', version: nest.common.VERSION_NEUTRAL },
      { '': () => ({ healthy: true }) },
    ),
  ];
  const metadata = {
    imports: [...(host.first ?? []), ...(vitals ? [vitals] : [])],
    providers: host.providers ?? [],
    controllers: own,
  };
  return moduleOf(nest, metadata, host.middleware);
}

function denyingGuard(nest) {
  class DenyingGuard {
    canActivate() {
      throw new nest.common.UnauthorizedException();
    }
  }
  return injectable(nest, DenyingGuard);
}

function rewritingFilter(nest) {
  class RewritingFilter {
    constructor(host) {
      this.host = host;
    }
    catch(error, where) {
      this.host.httpAdapter.reply(
        where.switchToHttp().getResponse(),
        { rewritten: true },
        error.getStatus?.() ?? 500,
      );
    }
  }
  nest.common.Catch()(RewritingFilter);
  return injectable(nest, RewritingFilter, nest.core.HttpAdapterHost);
}

function wrappingInterceptor(nest) {
  class WrappingInterceptor {
    intercept(_context, next) {
      return next.handle().pipe((source) => mapped(source, (data) => ({ wrapped: data })));
    }
  }
  return injectable(nest, WrappingInterceptor);
}

/** What `map` of rxjs does, by the observable's own constructor: no import, no second copy. */
function mapped(source, change) {
  const Observable = source.constructor;
  return new Observable((subscriber) =>
    source.subscribe({
      next: (value) => subscriber.next(change(value)),
      error: (error) => subscriber.error(error),
      complete: () => subscriber.complete(),
    }),
  );
}

function catchAll(nest, adapter) {
  // From Nest 11 on each router has its own word for it.
  const path = nest.major === 10 || adapter === 'fastify' ? '*' : '*all';
  return moduleOf(nest, { controllers: [controller(nest, '', { [path]: () => ({ caught: true }) })] });
}

function helmet(nest) {
  const plain = nest.helmet.default?.default ?? nest.helmet.default ?? nest.helmet;
  const plugin = nest.fastifyHelmet.default?.default ?? nest.fastifyHelmet.default ?? nest.fastifyHelmet;
  return (app, adapter) => (adapter === 'express' ? app.use(plain()) : app.register(plugin));
}

function logging(log) {
  return (request, _response, next) => {
    log.push(request.originalUrl ?? request.url);
    next();
  };
}

function refusing(_request, response) {
  response.statusCode = 401;
  response.end('who are you?');
}

function stripping(request, _response, next) {
  request.url = strip(request.url);
  next();
}

function strip(url) {
  return url.startsWith('/service/') ? url.slice('/service'.length) : url;
}

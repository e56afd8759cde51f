/**
 * Builds Nest classes and applications without decorator syntax, from whichever Nest it is given.
 */

/** A controller at `where` whose GET routes answer with what the given functions return. */
export function controller({ common }, where, routes) {
  class Routes {}
  for (const [path, answer] of Object.entries(routes)) {
    const name = `get_${path || 'root'}`;
    Object.defineProperty(Routes.prototype, name, { value: answer, writable: true, configurable: true });
    decorate(Routes.prototype, name, common.Get(path));
  }
  common.Controller(where)(Routes);
  return Routes;
}

/** A class with decorators on it and, in order, the tokens that its constructor is given. */
export function injectable({ common }, Class, ...tokens) {
  tokens.forEach((token, index) => common.Inject(token)(Class, undefined, index));
  common.Injectable()(Class);
  return Class;
}

/** A module class of these metadata. `configure` gets the middleware consumer. */
export function moduleOf({ common }, metadata, configure) {
  class Part {}
  if (configure) Part.prototype.configure = configure;
  common.Module(metadata)(Part);
  return Part;
}

export function decorate(prototype, name, ...decorators) {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
  for (const one of decorators) one(prototype, name, descriptor);
}

/** An HTTP adapter by its name. */
export function adapterOf({ express, fastify }, name, options) {
  return name === 'express' ? new express.ExpressAdapter() : new fastify.FastifyAdapter(options);
}

/** Every path, in the words of this Nest's middleware. */
export function everyRoute({ major }) {
  return major === 10 ? '*' : '{*all}';
}

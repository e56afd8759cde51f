/**
 * Stage 1, MEASURE: hearing the calls of a pool whose events do not tell, or tell wrongly, what happens in it. One
 * method of one instance is covered, for as long as somebody listens; arguments, result and errors pass unchanged.
 */
import { peek } from './duck.js';

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Told of a call: `call` makes it, once, with the arguments given or others. Must return what the caller is to get. */
export type Around = (call: (args: unknown[]) => unknown, args: unknown[]) => unknown;

/** Covers `pool[name]`; the answer uncovers it. If somebody has covered it after us, ours stays below and does nothing. */
export function shadow(pool: object, name: string, around: Around): () => void {
  const before = Object.getOwnPropertyDescriptor(pool, name);
  const original = peek(pool, name) as Method;
  let isOn = true;
  function covering(this: unknown, ...args: unknown[]): unknown {
    const call = (given: unknown[]): unknown => original.apply(this, given);
    return isOn ? around(call, args) : call(args);
  }
  Object.defineProperty(pool, name, {
    value: covering,
    writable: true,
    configurable: true,
    enumerable: false,
  });
  return () => {
    isOn = false;
    if (peek(pool, name) !== covering) return;
    if (before) Object.defineProperty(pool, name, before);
    else Reflect.deleteProperty(pool, name);
  };
}

/** Runs what is ours inside a call of the host: what it throws stays here. */
export function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

/**
 * Hears how a call ended that answers with a promise or, when its last argument is a function, calls that back.
 * A promise is passed on from, not branched off: a rejection that the host does not handle stays unhandled.
 */
export function ended(
  call: (args: unknown[]) => unknown,
  args: unknown[],
  hear: (error: unknown, value: unknown) => void,
): unknown {
  const last = args.at(-1);
  if (typeof last === 'function') {
    const callback = function (this: unknown, ...answer: unknown[]): unknown {
      quietly(() => hear(answer[0], answer[1]));
      return (last as Method).apply(this, answer);
    };
    return call([...args.slice(0, -1), callback]);
  }
  const promise = call(args) as { then?(...hearers: unknown[]): unknown } | undefined;
  if (typeof promise?.then !== 'function') return promise;
  return promise.then(
    (value: unknown) => {
      quietly(() => hear(null, value));
      return value;
    },
    (error: unknown) => {
      quietly(() => hear(error, undefined));
      throw error;
    },
  );
}

/**
 * Looks at objects of the application's without running a line of its code: no getter, no trap of a Proxy.
 */
import { types } from 'node:util';

/**
 * The keys of what an instance of a class has of its own. None of a Proxy, a list or a literal: what those are keyed by is
 * data, of any number, and may be a tenant or a host.
 */
export function fieldsOf(owner: object): readonly PropertyKey[] {
  if (typeof owner !== 'object' || types.isProxy(owner)) return [];
  if (Array.isArray(owner) || ArrayBuffer.isView(owner)) return [];
  const base: unknown = Object.getPrototypeOf(owner);
  // A literal's is the last of its chain, in whatever realm it was made.
  const isClass = base !== null && !types.isProxy(base) && Object.getPrototypeOf(base) !== null;
  return isClass ? Reflect.ownKeys(owner) : [];
}

/** What `owner` itself has under `key`; `undefined` where that is a getter, or leads to a Proxy. */
export function fieldOf(owner: object, key: PropertyKey): unknown {
  const value: unknown = Object.getOwnPropertyDescriptor(owner, key)?.value;
  for (let at = value; isObject(at); at = Object.getPrototypeOf(at)) if (types.isProxy(at)) return undefined;
  return value;
}

/** Is it something that can have properties? */
export function isObject(value: unknown): value is object {
  return typeof value === 'function' || (typeof value === 'object' && value !== null);
}

const shown = new WeakMap<object, object>();

/**
 * `value` as it looks without its getters, which may connect to something; always the same for the same value. The
 * counters of drivers are getters too: all pools that have such are event emitters, and those are left as they are.
 */
export function bare(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return value;
  if (typeof dataOf(value, 'on') === 'function' && typeof dataOf(value, 'removeListener') === 'function')
    return value;
  const known = shown.get(value) ?? new Proxy(value, { get: dataOf });
  shown.set(value, known);
  return known;
}

function dataOf(value: object, key: PropertyKey): unknown {
  for (let at: object | null = value; at && !types.isProxy(at); at = Object.getPrototypeOf(at)) {
    const property = Object.getOwnPropertyDescriptor(at, key);
    if (property) return property.value;
  }
  return undefined;
}

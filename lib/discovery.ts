/**
 * Finds the pools among an application's providers and in their fields. Touches none of them, and runs no getter of the
 * host's on the way and no trap of a Proxy, but for those of event emitters and of a provider that is a Proxy itself.
 */
import { types } from 'node:util';
import type { ModulesContainer } from '@nestjs/core';
import type { PoolOptions } from './options.js';
import type { FoundPool } from './runtime.js';
import type { PoolAdapter } from './sources/pools/adapter.js';
import { peek } from './sources/pools/duck.js';
import { adapterFor, partsOf, Replica, type Part } from './sources/pools/index.js';
import type { Target } from './sources/pools/reach.js';
import { databaseOf } from './sources/pools/target.js';
import { peerOf } from './sources/reset-origins.js';

/** Where there may be a pool: a provider, or a field of one. */
interface Place {
  readonly token: unknown;
  readonly instance: object;
  readonly field?: PropertyKey;
}

/** Finds the pools of one application that its options do not name. */
export class Discovery {
  /** The pools that are reported, and what they were reached through. */
  private readonly known = new WeakSet<object>();
  /** All that was looked at, and whether it is a pool or has some. */
  private readonly judged = new WeakMap<object, boolean>();

  constructor(
    private readonly modules: ModulesContainer,
    private readonly named: ReadonlyMap<string, Required<PoolOptions>>,
  ) {}

  /**
   * Every recognized pool that has come since the last look, each once, without those that the options name, be it
   * directly or through an ORM; `taken` names are not used.
   */
  look(taken: readonly string[]): FoundPool[] {
    for (const { pool } of this.named.values()) {
      const given = resolved(pool);
      this.isNew(given, adapterFor(given));
    }
    const found: FoundPool[] = [];
    for (const place of this.places()) {
      for (const part of this.newPartsAt(place)) {
        const name = nameOf(textOf(place), part, [...taken, ...found.map((one) => one.name)]);
        const driver = labelOf(bare(valueAt(place)), part);
        found.push({ name, driver, pool: () => poolAt(place, part.role) });
      }
    }
    return found;
  }

  /** The providers first: a pool that is one goes by its token, whoever holds it. */
  private *places(): Generator<Place> {
    const providers: Place[] = [];
    for (const module of this.modules.values()) {
      for (const [token, wrapper] of module.providers as Map<unknown, unknown>) {
        const instance = peek(wrapper, 'instance');
        if (isObject(instance)) providers.push({ token, instance });
      }
    }
    yield* providers;
    for (const { token, instance } of providers) {
      // What a pool or an ORM has in it is known.
      if (this.judged.get(instance)) continue;
      for (const field of fieldsOf(instance)) yield { token, instance, field };
    }
  }

  private newPartsAt(place: Place): readonly Part[] {
    const value = valueAt(place);
    if (!isObject(value) || this.judged.has(value)) return [];
    const parts = partsOf(bare(value));
    this.judged.set(value, parts.length > 0);
    return parts.filter(({ role, adapter }) => this.isNew(role === '' ? value : undefined, adapter));
  }

  /** By the pool itself, and by what it is reached through where that has no pool yet. Remembers both. */
  private isNew(given: unknown, adapter: Part['adapter']): boolean {
    const both = [given, adapter?.pool ?? adapter?.identity].filter(isObject);
    const isNew = !both.some((one) => this.known.has(one));
    for (const one of both) this.known.add(one);
    return isNew;
  }
}

function valueAt({ instance, field }: Place): unknown {
  return field === undefined ? instance : fieldOf(instance, field);
}

/** As it is now: the host may have put another pool there, or something else. */
function poolAt(place: Place, role: string): unknown {
  const value = bare(valueAt(place));
  if (partsOf(value).length === 0) return undefined;
  return role === '' ? value : new Replica(value, role);
}

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
function fieldOf(owner: object, key: PropertyKey): unknown {
  const value: unknown = Object.getOwnPropertyDescriptor(owner, key)?.value;
  for (let at = value; isObject(at); at = Object.getPrototypeOf(at)) if (types.isProxy(at)) return undefined;
  return value;
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
  const known = shown.get(value) ?? new Proxy({}, { get: (_, key) => bareOf(value, key) });
  shown.set(value, known);
  return known;
}

/** A method that is called on it needs the object itself: its private members are not in a Proxy. */
function bareOf(value: object, key: PropertyKey): unknown {
  const found = dataOf(value, key);
  return typeof found === 'function' ? found.bind(value) : found;
}

function dataOf(value: object, key: PropertyKey): unknown {
  for (let at: object | null = value; at && !types.isProxy(at); at = Object.getPrototypeOf(at)) {
    const property = Object.getOwnPropertyDescriptor(at, key);
    if (property) return property.value;
  }
  return undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'function' || (typeof value === 'object' && value !== null);
}

/** The function to look a pool up with: the one given, or one that returns what was given. A Knex instance is a function. */
export function resolverOf(pool: unknown): () => unknown {
  return typeof pool === 'function' && !adapterFor(pool) ? (pool as () => unknown) : () => pool;
}

/** What a resolver returns now: the same pool under two names would be reported twice. */
export function resolved(pool: unknown): unknown {
  try {
    return resolverOf(pool)();
  } catch {
    return undefined;
  }
}

/** `DatabaseService.knex` for a field. For a provider its token, which tells nothing of the pool where it is a class. */
function textOf({ token, field }: Place): string | undefined {
  if (field === undefined) return typeof token === 'function' ? undefined : wordOf(token);
  return [wordOf(token), wordOf(field)].filter(Boolean).join('.');
}

function wordOf(key: unknown): string | undefined {
  // A class may have a static member of that name.
  const word =
    typeof key === 'function' ? peek(key, 'name') : typeof key === 'symbol' ? key.description : key;
  return typeof word === 'string' ? word : undefined;
}

/** The name in the code if there is one, else the driver's; numbered when taken. Never a host, a database or a URL. */
function nameOf(text: string | undefined, { role, adapter }: Part, taken: readonly string[]): string {
  const whole = [text ?? adapter?.driver, role].filter(Boolean).join('-');
  const fit = whole
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[^A-Za-z]+/, '')
    .slice(0, 60);
  const name = fit === '' ? 'pool' : fit;
  for (let number = 2, free = name; ; free = `${name}-${number++}`) if (!taken.includes(free)) return free;
}

/** `pg, db.internal:5432, database "orders"`. */
function labelOf(instance: unknown, { adapter }: Part): string {
  const target = adapter?.pool ? targetOf(adapter) : null;
  const database = databaseOf(adapter?.pool, instance);
  return [adapter?.driver, target && peerOf([target.address]), database && `database "${database}"`]
    .filter(Boolean)
    .join(', ');
}

/** `null` also where the driver throws: the application starts all the same. */
function targetOf(adapter: PoolAdapter): Target | null {
  try {
    return adapter.target();
  } catch {
    return null;
  }
}

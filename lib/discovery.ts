/**
 * Finds the pools among an application's providers and in their fields. Touches none of them.
 */
import type { ModulesContainer } from '@nestjs/core';
import { bare, fieldOf, fieldsOf, isObject } from './fields.js';
import type { PoolOptions } from './options.js';
import { peek } from './sources/pools/duck.js';
import { adapterFor, partsOf, Replica, type Part } from './sources/pools/index.js';
import { databaseOf } from './sources/pools/target.js';
import { peerOf } from './sources/reset-origins.js';

/** A pool that was found and the name to report it under. */
export interface FoundPool {
  readonly name: string;
  /** The driver and, as far as known by now, where its database is and what it is called. No credentials, no URL. */
  readonly driver: string;
  /** Looks it up where it was found; `undefined` while there is none. */
  readonly pool: () => unknown;
}

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
  if (typeof key === 'function') return key.name;
  return typeof key === 'symbol' ? key.description : typeof key === 'string' ? key : undefined;
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
  const target = adapter?.pool ? adapter.target() : null;
  const database = databaseOf(adapter?.pool, instance);
  return [adapter?.driver, target && peerOf([target.address]), database && `database "${database}"`]
    .filter(Boolean)
    .join(', ');
}

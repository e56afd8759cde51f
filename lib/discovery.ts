/**
 * Finds the pools among an application's providers, once, when it has started. Touches none of them.
 */
import type { ModulesContainer } from '@nestjs/core';
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
  readonly pool: object;
}

/**
 * Every recognized pool among the providers, each once, without those that the options name, be it directly or through
 * an ORM; `taken` names are not used.
 */
export function findPools(
  modules: ModulesContainer,
  named: ReadonlyMap<string, Required<PoolOptions>>,
  taken: readonly string[],
): FoundPool[] {
  const seen = new Set<unknown>();
  for (const { pool } of named.values()) {
    const given = resolved(pool);
    seen.add(given).add(identityOf(adapterFor(given)));
  }
  const found: FoundPool[] = [];
  for (const module of modules.values()) {
    for (const [token, wrapper] of module.providers as Map<unknown, unknown>) {
      const instance = peek(wrapper, 'instance') as object | undefined;
      for (const part of instance ? partsOf(instance) : []) {
        const pool = part.role === '' ? instance! : new Replica(instance, part.role);
        if (isSeen(seen, pool, part)) continue;
        const used = [...taken, ...found.map(({ name }) => name)];
        found.push({ name: nameOf(token, part, used), driver: labelOf(instance, part), pool });
      }
    }
  }
  return found;
}

/** By the pool itself, and by what it is reached through where that has no pool yet. Remembers both. */
function isSeen(seen: Set<unknown>, given: object, { adapter }: Part): boolean {
  const identity = identityOf(adapter);
  const isKnown = seen.has(given) || (identity !== undefined && seen.has(identity));
  seen.add(given).add(identity);
  return isKnown;
}

function identityOf(adapter: Part['adapter']): object | undefined {
  return adapter?.pool ?? adapter?.identity;
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

/** The token's text if it can be a name, else the driver's; numbered when taken. Never a host, a database or a URL. */
function nameOf(token: unknown, { role, adapter }: Part, taken: readonly string[]): string {
  const text = typeof token === 'symbol' ? token.description : typeof token === 'string' ? token : undefined;
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

/**
 * Finds the pools among an application's providers, once, when it has started. Touches none of them.
 */
import type { ModulesContainer } from '@nestjs/core';
import type { PoolOptions } from './options.js';
import { adapterFor } from './sources/pools/index.js';

/** A pool that was found and the name to report it under. */
export interface FoundPool {
  readonly name: string;
  readonly driver: string;
  readonly pool: object;
}

/** Every recognized pool among the providers, each once, without those that the options name; `taken` names are not used. */
export function findPools(
  modules: ModulesContainer,
  named: ReadonlyMap<string, Required<PoolOptions>>,
  taken: readonly string[],
): FoundPool[] {
  const seen = new Set<unknown>([...named.values()].map(({ pool }) => resolved(pool)));
  const found: FoundPool[] = [];
  for (const module of modules.values()) {
    for (const [token, { instance }] of module.providers as Map<unknown, { instance: unknown }>) {
      if (!instance || seen.has(instance)) continue;
      const adapter = adapterFor(instance);
      if (!adapter) continue;
      seen.add(instance);
      const name = nameOf(token, adapter.driver, [...taken, ...found.map((one) => one.name)]);
      found.push({ name, driver: adapter.driver, pool: instance });
    }
  }
  return found;
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
function nameOf(token: unknown, driver: string, taken: readonly string[]): string {
  const text = typeof token === 'symbol' ? token.description : typeof token === 'string' ? token : undefined;
  const fit = (text ?? driver)
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[^A-Za-z]+/, '')
    .slice(0, 60);
  const name = fit === '' ? 'pool' : fit;
  for (let number = 2, free = name; ; free = `${name}-${number++}`) if (!taken.includes(free)) return free;
}

/**
 * Wiring: says what is set in a way that leads to trouble: in the log, once, and in the data of `resets`. Changes nothing.
 */
import type { Server } from 'node:http';
import { resolved } from './discovery.js';
import { audit } from './indicators/audit.js';
import type { ResolvedOptions } from './options.js';
import { poolFacts, serverFacts, type ProcessFacts } from './sources/configuration.js';

/** Looks at each part of one application when it is first there. */
export class Auditor {
  /** What was found so far. */
  readonly advice: string[] = [];
  private readonly pools = new Map<string, unknown>();
  private isServerDone = false;

  constructor(
    private readonly options: ResolvedOptions['audit'],
    private readonly tell: (line: string) => void,
  ) {}

  /** There will be a pool, found as a `pools` option would have it. */
  expect(name: string, pool: unknown): void {
    this.pools.set(name, pool);
  }

  /** The server is looked at after it has begun to listen, because hosts set its limits as late as that. */
  look(server: Server | undefined, process: ProcessFacts | null): void {
    const isDue = server?.listening === true && !this.isServerDone;
    if (!this.options || (this.pools.size === 0 && !isDue && !process)) return;
    const there = [...this.pools].flatMap(([name, pool]) => poolFacts(name, resolved(pool)) ?? []);
    for (const { name } of there) this.pools.delete(name);
    if (isDue) this.isServerDone = true;
    const { loadBalancerIdleMs } = this.options;
    const lines = audit({
      pools: there,
      server: isDue ? serverFacts(server) : null,
      process,
      loadBalancerIdleMs,
    });
    this.advice.push(...lines);
    for (const line of lines) this.tell(line);
  }
}

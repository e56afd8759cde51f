import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { KnexService } from '../knex.service.js';

/** Mistakes with a pool, made on purpose. */
@Injectable()
export class PoolAbuse implements OnModuleDestroy {
  private readonly taken = new Set<unknown>();
  private customersUntil = 0;
  private isServing = false;

  constructor(@Inject(KnexService) private readonly db: KnexService) {}

  /** Takes connections, all by default, and forgets to give them back. */
  async leak(n?: number): Promise<number> {
    await this.take(n);
    this.serveCustomersFor(Infinity);
    return this.taken.size;
  }

  /** Gives back whatever was taken. */
  heal(): number {
    this.customersUntil = 0;
    return this.giveBack([...this.taken]);
  }

  /** Takes connections, all by default, and gives them back late. */
  async hold(n: number | undefined, forMs: number): Promise<number> {
    const held = await this.take(n);
    setTimeout(() => this.giveBack(held), forMs).unref();
    this.serveCustomersFor(forMs);
    return held.length;
  }

  /** Asks the database for something that takes long, again and again. */
  async slow(ms: number, forMs: number): Promise<void> {
    const until = Date.now() + forMs;
    while (Date.now() < until) await this.db.knex.raw('select pg_sleep(?)', [ms / 1_000]);
  }

  onModuleDestroy(): void {
    this.heal();
  }

  private async take(n = this.client.pool.max - this.taken.size): Promise<unknown[]> {
    const connections: unknown[] = [];
    while (connections.length < n) {
      const connection = await this.client.acquireConnection();
      connections.push(connection);
      this.taken.add(connection);
    }
    return connections;
  }

  private giveBack(connections: unknown[]): number {
    const ours = connections.filter((connection) => this.taken.delete(connection));
    for (const connection of ours) void this.client.releaseConnection(connection);
    return ours.length;
  }

  /** An empty pool hurts nobody until somebody comes: as long as it lasts, two customers wait in the queue. */
  private serveCustomersFor(ms: number): void {
    this.customersUntil = Math.max(this.customersUntil, Date.now() + ms);
    if (this.isServing) return;
    this.isServing = true;
    void Promise.all([this.customer(), this.customer()]).finally(() => (this.isServing = false));
  }

  private async customer(): Promise<void> {
    while (Date.now() < this.customersUntil) {
      await this.db.knex.raw('select 1').catch(() => undefined);
      await new Promise((next) => setTimeout(next, 50));
    }
  }

  private get client() {
    return this.db.knex.client as {
      acquireConnection(): Promise<unknown>;
      releaseConnection(connection: unknown): Promise<void>;
      pool: { max: number };
    };
  }
}

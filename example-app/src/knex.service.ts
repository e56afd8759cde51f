import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import knex, { type Knex } from 'knex';

/** The one database of this service. */
@Injectable()
export class KnexService implements OnModuleInit, OnApplicationShutdown {
  private instance?: Knex;

  onModuleInit(): void {
    this.instance = knex({
      client: 'pg',
      connection: process.env['DATABASE_URL'],
      pool: { min: 0, max: 5 },
      acquireConnectionTimeout: 5_000,
    });
  }

  get knex(): Knex {
    if (!this.instance) throw new Error('KnexService is used before onModuleInit');
    return this.instance;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.instance?.destroy();
  }
}

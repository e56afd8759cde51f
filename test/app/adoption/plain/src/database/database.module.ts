// As in a service like tat-api, but for the drivers: PostgreSQL in the place of Oracle and SQL Server, which a test cannot have.
import { Injectable, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { knex, type Knex } from 'knex';

const settings = (): Knex.Config => ({ client: 'pg', connection: JSON.parse(process.env.PG ?? '{}') as object });

@Injectable()
export class KnexService implements OnModuleInit, OnModuleDestroy {
  knex!: Knex;

  onModuleInit() {
    this.knex = knex(settings());
  }

  async onModuleDestroy() {
    await this.knex.destroy();
  }
}

@Module({
  providers: [KnexService, { provide: 'MSSQL_CONNECTION', useFactory: () => knex(settings()) }],
  exports: [KnexService, 'MSSQL_CONNECTION'],
})
export class DatabaseModule {}

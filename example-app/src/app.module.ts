import { Module, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { VitalsModule } from 'nestjs-vitals';
import { DatabaseModule } from './database.module.js';
import { IndexController } from './index.controller.js';
import { KnexService } from './knex.service.js';
import { RequestLogger } from './request-logger.middleware.js';
import { SickModule } from './sick/sick.module.js';
import { ToursController } from './tours.controller.js';

@Module({
  imports: [
    DatabaseModule,
    SickModule,
    VitalsModule.forRootAsync({
      imports: [DatabaseModule],
      inject: [KnexService],
      useFactory: (db: KnexService) => ({
        // A function, because the pool exists only after onModuleInit. The thresholds are short so that you need
        // not wait; a real service leaves most of them out.
        pools: { main: { pool: () => db.knex, wedgedAfterMs: 10_000, pingEveryMs: 2_000 } },
        details: 'full',
      }),
    }),
  ],
  controllers: [IndexController, ToursController],
})
export class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(RequestLogger).forRoutes('{*path}');
  }
}

import { Module } from '@nestjs/common';
import { KnexService } from './knex.service.js';

@Module({ providers: [KnexService], exports: [KnexService] })
export class DatabaseModule {}

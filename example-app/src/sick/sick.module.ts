import { Module } from '@nestjs/common';
import { DatabaseModule } from '../database.module.js';
import { PoolAbuse } from './pool-abuse.js';
import { SickController } from './sick.controller.js';

@Module({ imports: [DatabaseModule], controllers: [SickController], providers: [PoolAbuse] })
export class SickModule {}

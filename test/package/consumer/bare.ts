// The same without us: what fails here is Nest's own.
import { Controller, Get, Inject, Module } from '@nestjs/common';
import * as terminus from '@nestjs/terminus';
import * as core from '@nestjs/core';

@Controller('facts')
class FactsController {
  constructor(@Inject('X') private readonly x: string) {}

  @Get()
  facts(): string {
    return this.x + String(Object.keys(terminus).length + Object.keys(core).length);
  }
}

@Module({ controllers: [FactsController] })
export class AppModule {}

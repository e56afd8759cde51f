import { All, Controller, DefaultValuePipe, HttpCode, Inject, ParseIntPipe, Query } from '@nestjs/common';
import { tellDatabase } from './launcher.js';
import { PoolAbuse } from './pool-abuse.js';
import { provokeResets } from './resets.js';

const number = (name: string, otherwise: number) =>
  Query(name, new DefaultValuePipe(otherwise), ParseIntPipe);
const optionalNumber = (name: string) => Query(name, new ParseIntPipe({ optional: true }));

/** Makes the service sick, and well again. POST is right, GET is easy to try. */
@Controller('sick')
export class SickController {
  constructor(@Inject(PoolAbuse) private readonly pool: PoolAbuse) {}

  @All('leak')
  @HttpCode(200)
  async leak(@optionalNumber('n') n?: number) {
    return { leaked: await this.pool.leak(n) };
  }

  @All('heal')
  @HttpCode(200)
  heal() {
    return { given: this.pool.heal() };
  }

  @All('hold')
  @HttpCode(200)
  async hold(@number('seconds', 8) seconds: number, @optionalNumber('n') n?: number) {
    return { held: await this.pool.hold(n, seconds * 1_000), seconds };
  }

  @All('slow')
  @HttpCode(200)
  slow(@number('ms', 3_000) ms: number, @number('seconds', 20) seconds: number) {
    this.pool.slow(ms, seconds * 1_000).catch(() => undefined);
    return { ms, seconds };
  }

  @All('database/stop')
  @HttpCode(200)
  stop() {
    return tellDatabase('stop');
  }

  @All('database/start')
  @HttpCode(200)
  start() {
    return tellDatabase('start');
  }

  @All('block')
  @HttpCode(200)
  block(@number('ms', 3_000) ms: number) {
    const until = performance.now() + ms;
    while (performance.now() < until);
    return { blockedForMs: ms };
  }

  @All('resets')
  @HttpCode(200)
  async resets(@number('n', 40) n: number) {
    return { resets: await provokeResets(n) };
  }
}

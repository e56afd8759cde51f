// Everything the package exports, used as an application uses it. Compiled, never run.
import 'nestjs-vitals/register';
import { Controller, Get, Inject, Module } from '@nestjs/common';
import {
  CODES,
  VITALS_OPTIONS,
  VitalsController,
  VitalsModule,
  VitalsOptionsError,
  VitalsService,
  type CheckFunction,
  type Code,
  type Detail,
  type Details,
  type Phase,
  type Remedy,
  type Snapshot,
  type Status,
  type Transition,
  type Verdict,
  type VerdictStatus,
  type VitalsAsyncOptions,
  type VitalsOptions,
  type VitalsOptionsFactory,
} from 'nestjs-vitals';
import {
  PoolHealthIndicator,
  VitalsTerminusModule,
  type VitalsIndicatorResult,
} from 'nestjs-vitals/terminus';

const ask: CheckFunction = async (signal) => !signal.aborted;
const options: VitalsOptions = {
  pools: { main: () => null, other: { pool: () => null, wedgedAfterMs: 10_000 } },
  checks: { ask, far: { check: ask, remedy: 'restart', shared: true } },
  details: (request): Details => (request.headers['x-key'] ? 'full' : 'none'),
  onTransition: ({ from, to, lastedMs }: Transition) => console.log(from.status, to.status, lastedMs),
  drain: false,
};

class Settings implements VitalsOptionsFactory {
  createVitalsOptions(): Promise<VitalsOptions> {
    return Promise.resolve(options);
  }
}

const ways: VitalsAsyncOptions[] = [
  { inject: ['URL'], useFactory: (url: string) => ({ path: url }) },
  { useClass: Settings },
  { useExisting: Settings, imports: [] },
];

@Controller('facts')
class FactsController {
  constructor(
    @Inject(VitalsService) private readonly vitals: VitalsService,
    @Inject(PoolHealthIndicator) private readonly pools: PoolHealthIndicator,
  ) {
    this.vitals.transitions.subscribe(({ to }) => console.log((to satisfies Verdict).remedy));
  }

  @Get()
  facts(): Record<string, VitalsIndicatorResult | VerdictStatus | Phase | readonly Detail[]> {
    const { status, phase, details }: Snapshot = this.vitals.snapshot;
    return { status, phase, details, pool: this.pools.isHealthy('main') };
  }
}

@Module({
  imports: [VitalsModule.forRoot(options), VitalsModule.forRootAsync(ways[0]!), VitalsTerminusModule],
  controllers: [FactsController, VitalsController],
})
export class AppModule {}

// @ts-expect-error an unknown key is an error here too, not only at boot
VitalsModule.forRoot({ pth: '/x' });

const code: Code = CODES[0];
const known: readonly [Remedy, Status, symbol] = ['drain', 'degraded', VITALS_OPTIONS];
export const problems = (error: unknown): readonly string[] =>
  error instanceof VitalsOptionsError ? error.problems : [code, known.join(' ')];

/**
 * Entry of its own: our findings inside the host's `HealthCheckService.check([...])`, on Terminus 10, 11 and 12.
 * The only file that touches @nestjs/terminus. Asking measures nothing: the snapshot is read.
 */
import { Inject, Injectable, Module } from '@nestjs/common';
import * as terminus from '@nestjs/terminus';
import { OWN_NAME, type Detail } from './verdict/snapshot.js';
// From the entry and not from the file: in the package the entry picks the one class that the module provides.
import { VitalsService } from './index.js';

/** What a Terminus indicator returns, in the form that all three versions read. */
export type VitalsIndicatorResult = Record<string, { status: 'up' | 'down' } & Record<string, any>>;

/**
 * Terminus 10 counts whatever is returned as a success, so a fault must be thrown there; 12 lets what is thrown through
 * as a 500, so it must be returned there. 11 takes both.
 */
const mustThrow = !('HealthIndicatorService' in terminus);
/** 11 drops the status `degraded` in silence, and with it the indicator. */
const knowsDegraded = 'HealthCheckAttempt' in terminus;

abstract class SnapshotIndicator {
  constructor(protected readonly vitals: VitalsService) {}

  protected result(key: string, detail: Detail | undefined): VitalsIndicatorResult {
    if (!detail)
      return this.give({ [key]: { status: 'down', code: 'STARTING', message: `no indicator "${key}" yet` } });
    const { status, code, remedy, message, data } = detail;
    const extra = { ...(code ? { code } : {}), remedy, message, data };
    if (status !== 'degraded') return this.give({ [key]: { status, ...extra } });
    const degraded = knowsDegraded ? { status: 'degraded' } : { status: 'up', degraded: true };
    return this.give({ [key]: { ...degraded, ...extra } } as VitalsIndicatorResult);
  }

  protected find(name: string): Detail | undefined {
    return this.vitals.snapshot.details.find((detail) => detail.name === name);
  }

  private give(result: VitalsIndicatorResult): VitalsIndicatorResult {
    const isDown = Object.values(result).some(({ status }) => status === 'down');
    if (!isDown || !mustThrow) return result;
    // Terminus 10 knows its error by this property, not by its class.
    throw Object.assign(new Error('health check failed'), { isHealthCheckError: true, causes: result });
  }
}

/** A pool, or a check, by the name it has in the options. */
@Injectable()
export class PoolHealthIndicator extends SnapshotIndicator {
  constructor(@Inject(VitalsService) vitals: VitalsService) {
    super(vitals);
  }

  /** The finding about the pool called `name`, under `key`. Down with `STARTING` when there is none of that name. */
  isHealthy(name: string, key: string = name): VitalsIndicatorResult {
    return this.result(key, name === OWN_NAME ? undefined : this.find(name));
  }
}

/** The event loop. */
@Injectable()
export class EventLoopHealthIndicator extends SnapshotIndicator {
  constructor(@Inject(VitalsService) vitals: VitalsService) {
    super(vitals);
  }

  isHealthy(key = 'eventLoop'): VitalsIndicatorResult {
    return this.result(key, this.find('eventLoop'));
  }
}

/** Connection resets. */
@Injectable()
export class ResetsHealthIndicator extends SnapshotIndicator {
  constructor(@Inject(VitalsService) vitals: VitalsService) {
    super(vitals);
  }

  isHealthy(key = 'resets'): VitalsIndicatorResult {
    return this.result(key, this.find('resets'));
  }
}

const INDICATORS = [PoolHealthIndicator, EventLoopHealthIndicator, ResetsHealthIndicator];

/** Makes the three indicators injectable. Needs `VitalsModule` in the application. */
@Module({ providers: INDICATORS, exports: INDICATORS })
export class VitalsTerminusModule {}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as api from '../lib/index.js';
import * as terminus from '../lib/terminus.js';

const TEXT = readFileSync(join(__dirname, '../lib/index.ts'), 'utf8');

/** Every name after `export {` and `export type {`, types with a mark. */
function exported(): string[] {
  return [...TEXT.matchAll(/export (type )?\{([^}]*)\}/g)].flatMap(([, type, names]) =>
    names!
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean)
      .map((name) => (type && !name.startsWith('type ') ? `type ${name}` : name)),
  );
}

describe('nestjs-vitals', () => {
  it('exports these names and no others', () => {
    expect(exported()).toEqual([
      'VitalsModule',
      'type VitalsAsyncOptions',
      'type VitalsOptionsFactory',
      'VitalsService',
      'VitalsOptionsError',
      'type AuditOptions',
      'type CheckOptions',
      'type Details',
      'type EventLoopOptions',
      'type IncidentOptions',
      'type IndicatorOptions',
      'type PoolOptions',
      'type RecoveryOptions',
      'type ResetOptions',
      'type StandaloneOptions',
      'type SwallowedOptions',
      'type VitalsOptions',
      'VITALS_OPTIONS',
      'type CheckFunction',
      'CODES',
      'type Code',
      'type DataValue',
      'type Remedy',
      'type Status',
      'type Detail',
      'type Phase',
      'type Snapshot',
      'type VerdictStatus',
      'type Transition',
      'type Verdict',
      'type Incident',
      'VitalsController',
    ]);
  });

  it('exports nothing by a star', () => {
    expect(TEXT).not.toMatch(/export \*/);
  });

  it('has these values at run time', () => {
    expect(Object.keys(api).sort()).toEqual(
      [
        'CODES',
        'VITALS_OPTIONS',
        'VitalsController',
        'VitalsModule',
        'VitalsOptionsError',
        'VitalsService',
      ].sort(),
    );
  });

  it('has this closed list of codes', () => {
    expect([...api.CODES].sort()).toEqual([
      'CHECK_FAILED',
      'CHECK_TIMED_OUT',
      'DB_SLOW',
      'DB_UNREACHABLE',
      'DRAINING',
      'ERRORS_SWALLOWED',
      'LOOP_BLOCKED',
      'LOOP_SATURATED',
      'LOOP_STARVED',
      'MAINTENANCE',
      'PEER_UNREACHABLE',
      'POOL_LEAK',
      'POOL_POISONED',
      'POOL_STARVED',
      'POOL_WEDGED',
      'RESET_RATE_HIGH',
      'STALE',
      'STARTING',
    ]);
  });
});

describe('nestjs-vitals/terminus', () => {
  it('has these values at run time', () => {
    expect(Object.keys(terminus).sort()).toEqual([
      'EventLoopHealthIndicator',
      'PoolHealthIndicator',
      'ResetsHealthIndicator',
      'VitalsTerminusModule',
    ]);
  });
});

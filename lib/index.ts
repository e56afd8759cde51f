/**
 * The public API, one explicit list, grouped by stage.
 */

// the module
export { VitalsModule, type VitalsAsyncOptions, type VitalsOptionsFactory } from './vitals.module.js';
export { VitalsService } from './vitals.service.js';
export {
  VitalsOptionsError,
  type AuditOptions,
  type CheckOptions,
  type Details,
  type EventLoopOptions,
  type IncidentOptions,
  type IndicatorOptions,
  type PoolOptions,
  type RecoveryOptions,
  type ResetOptions,
  type StandaloneOptions,
  type SwallowedOptions,
  type VitalsOptions,
} from './options.js';
export { VITALS_OPTIONS } from './tokens.js';

// measure
export type { CheckFunction } from './sources/check.js';

// judge
export { CODES, type Code, type DataValue, type Remedy, type Status } from './indicators/finding.js';

// decide
export type { Detail, Phase, Snapshot, VerdictStatus } from './verdict/snapshot.js';
export type { Transition, Verdict } from './verdict/transition.js';

// act
export type { Incident } from './recovery/incident.js';

// tell
export { VitalsController } from './endpoint/vitals.controller.js';

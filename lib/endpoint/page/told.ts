/**
 * Stage 4, TELL: what the page is made of. It is rendered from the JSON answer to the same audience, so that it can show
 * nothing that the JSON withholds. Pure.
 */
import type { DataValue, Remedy, Status } from '../../indicators/finding.js';

/** What decided the verdict. */
export interface Cause {
  readonly name: string;
  readonly code: string;
}

/** One indicator as the JSON has it. */
export interface Detail {
  readonly status: Status;
  readonly code?: string;
  readonly remedy: Remedy;
  /** ISO, as all times here. */
  readonly since: string;
  readonly checkedAt: string;
  readonly critical: boolean;
  /** Only for those who may see everything. */
  readonly message?: string;
  readonly data: { readonly [key: string]: DataValue };
}

/** The JSON answer. */
export interface Told {
  readonly status: string;
  readonly phase: string;
  readonly cause: Cause | null;
  readonly remedy: Remedy;
  readonly checkedAt: string;
  readonly uptimeSeconds: number;
  readonly details: { readonly [name: string]: Detail };
  readonly stale?: boolean;
  /** How the process before this one ended. */
  readonly previous?: {
    readonly by: string;
    readonly code: string;
    readonly message?: string;
    readonly at: string;
    readonly ranSeconds: number;
  } | null;
  readonly restarts?: {
    readonly lastDay?: number;
    readonly byVitalsLastHour?: number;
    readonly refused?: string | boolean;
  };
}

/** How one earlier process ended. */
export interface Ended {
  /** Who ended it. */
  readonly by: string;
  readonly code: string;
  readonly message?: string;
  readonly at: string;
  readonly ranMs: number;
  readonly pid?: number;
}

/** Whether the recovery ends the process, and in how long it does, ms. */
export interface Cure {
  readonly isOn: boolean;
  readonly inMs: number | null;
}

/** One departure from `ok`. */
export interface Incident {
  readonly at: string;
  readonly indicator: string;
  readonly code: string;
  readonly status: Status;
  readonly remedy: Remedy;
  readonly message?: string;
  /** How often it came back within a minute. */
  readonly returns?: number;
  /** `null` while it lasts. */
  readonly ended: { readonly how: string; readonly at: string; readonly lastedMs: number } | null;
}

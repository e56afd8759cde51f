/**
 * Stage 5, ACT: what is said of a loop that is blocked: its line, its detail in the answer, its incident. Pure.
 */
import type { Incident } from '../recovery/incident.js';
import { figuresOf, topResets } from '../recovery/figures.js';
import type { Detail, Snapshot } from '../verdict/snapshot.js';
import type { Terms } from './terms.js';

/** One time that the loop is blocked. */
export interface Block {
  /** Epoch ms. */
  readonly since: number;
  /** Of the main thread's own time. */
  readonly forMs: number;
  /** By the clock on the wall; longer where the process had no CPU. */
  readonly wallMs: number;
  /** Function, file and line, or what the kernel knows. */
  readonly where: string;
  readonly stack: string;
}

/** The name of the indicator that judges the loop while it runs. */
export const INDICATOR = 'eventLoop';
/** The two clocks differ by a beat anyway. */
const NOTABLE = 1.25;

/** `blocked for 12.3 s in parseTours (src/tours.service.ts:88)`. */
export function shortWords({ forMs, where }: Block): string {
  return `blocked for ${seconds(forMs)} in ${where}`;
}

export function messageOf(block: Block, { blockedAfterMs }: Terms): string {
  const { forMs, wallMs, where } = block;
  const wall = wallMs > forMs * NOTABLE ? `, ${seconds(wallMs)} with the time without a CPU` : '';
  return `event loop: blocked for ${Math.round(forMs)} ms (threshold ${blockedAfterMs} ms${wall}) in ${where}`;
}

export function detailOf(block: Block, terms: Terms, now: number): Detail {
  const { blockedAfterMs, restartAfterMs, critical } = terms;
  const { forMs, wallMs, where, since } = block;
  return {
    name: INDICATOR,
    status: 'down',
    code: 'LOOP_BLOCKED',
    remedy: forMs >= restartAfterMs ? 'restart' : 'none',
    message: messageOf(block, terms),
    data: {
      blockedForMs: Math.round(forMs),
      blockedWallMs: Math.round(wallMs),
      blockedIn: where,
      blockedAfterMs,
      restartAfterMs,
    },
    since: Math.round(since),
    checkedAt: Math.round(now),
    critical,
  };
}

/** It has lasted so long that it is one, whoever ends the process. `before`: the last snapshots, oldest first. */
export function incidentOf(
  block: Block,
  terms: Terms,
  before: readonly Snapshot[],
  ended: Incident['ended'] = null,
): Incident {
  const { status, message, data } = detailOf(block, terms, 0);
  const resets = before.length > 0 ? topResets(before.at(-1)!) : [];
  return {
    id: `${process.pid}-${Math.round(block.since).toString(36)}-blocked`,
    at: new Date(block.since).toISOString(),
    indicator: INDICATOR,
    code: 'LOOP_BLOCKED',
    status,
    remedy: 'restart',
    message,
    data,
    before: before.map(figuresOf),
    ...(resets.length > 0 ? { resets } : {}),
    stack: block.stack || block.where,
    ended,
  };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

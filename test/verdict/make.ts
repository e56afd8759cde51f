/** Plain values for tests: a finding, a detail, a snapshot, and waiting for a condition. */
import type { Finding } from '../../lib/indicators/finding.js';
import { decide, type Detail, type Phase, type Snapshot } from '../../lib/verdict/snapshot.js';
import type { Belief } from '../../lib/verdict/hysteresis.js';

/** Monday, 2 November 2026, 10:00:00 UTC. */
export const NOW = Date.UTC(2026, 10, 2, 10);

export function finding(given: Partial<Finding> = {}): Finding {
  return { status: 'up', remedy: 'none', message: 'all is well', data: {}, ...given };
}

export function down(given: Partial<Finding> = {}): Finding {
  return finding({ status: 'down', code: 'CHECK_FAILED', message: 'it failed', ...given });
}

/** What is believed after one reading a minute ago. */
export function belief(seen: Finding, since = NOW - 60_000): Belief {
  const streak = { status: seen.status, against: 0 };
  return { streak, finding: seen, data: seen.data, since, codeSince: since, checkedAt: NOW - 1_000 };
}

export interface Part {
  readonly name?: string;
  readonly critical?: boolean;
  /** `null`: no reading yet. */
  readonly seen: Finding | null;
}

export function snapshotOf(
  parts: readonly Part[],
  { phase = 'running', isMaintenance = false }: { phase?: Phase; isMaintenance?: boolean } = {},
): Snapshot {
  const believed = parts.map(({ name = 'db', critical = true, seen }) => ({
    name,
    critical,
    belief: seen && belief(seen),
  }));
  const circumstances = { phase, isMaintenance, startedAt: NOW - 3_600_000, changedAt: NOW - 5_000 };
  return decide(believed, circumstances, NOW);
}

export function detailOf(snapshot: Snapshot, name: string): Detail {
  const found = snapshot.details.find((detail) => detail.name === name);
  if (!found) throw new Error(`no detail "${name}" among ${snapshot.details.map((one) => one.name).join()}`);
  return found;
}

/** Waits until `isTrue`; fails with what it waited for. */
export async function until(what: string, isTrue: () => boolean, deadlineMs = 15_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Blocks this very loop. */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/**
 * Stage 5, ACT: which process this is, and whether another one still lives. By pid and start time: in a container every
 * start has the same pid. What `/proc` does not tell is left open, never guessed.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Run } from './incident.js';

export type Identity = Pick<Run, 'id' | 'pid' | 'startTicks' | 'namespace' | 'host' | 'boot'>;

/** This process, from whichever of its threads. */
export function ownIdentity(): Identity {
  const { pid } = process;
  const startTicks = lifeOf('self')?.startTicks ?? 0;
  const namespace = told(() => readlinkSync('/proc/self/ns/pid').replace(/\D/g, ''));
  const boot = told(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  return { id: `${pid}-${startTicks}-${namespace}`, pid, startTicks, namespace, host: told(hostname), boot };
}

/** Does that process live? `null`: it cannot be seen from here. */
export function isAlive(run: Identity, own: Identity): boolean | null {
  if (run.boot !== own.boot || run.namespace !== own.namespace || run.host !== own.host) return null;
  if (own.startTicks > 0) return lifeOf(String(run.pid))?.startTicks === run.startTicks;
  try {
    return process.kill(run.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Ms on a clock that all processes of the machine share and nobody sets. */
export function bootMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** `null` for one that is gone, or dead and only not yet reaped. */
function lifeOf(pid: string): { startTicks: number } | null {
  const stat = told(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The command in brackets may hold blanks and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state = 'X', startTicks] = [fields[0], Number(fields[19])];
  return 'ZX'.includes(state) || !Number.isFinite(startTicks) ? null : { startTicks };
}

function told(ask: () => string): string {
  try {
    return ask();
  } catch {
    return '';
  }
}

/**
 * Stage 5, ACT: one line on stderr from beside the main thread, which cannot log. It never waits: the pipe may be full,
 * and that may be the very reason.
 */
import { closeSync, constants, openSync, write, writeSync } from 'node:fs';

const { O_WRONLY, O_APPEND, O_NONBLOCK } = constants;

/** Resolves to false when the line is stuck on its way. */
export async function say(text: string, withinMs = 100): Promise<boolean> {
  const line = `${new Date().toISOString()} [Vitals] ${text}\n`;
  let own: number;
  try {
    own = openSync('/proc/self/fd/2', O_WRONLY | O_APPEND | O_NONBLOCK);
  } catch {
    // A socket, or somebody else's pipe: in a thread of the pool, which may wait there.
    return new Promise((resolve) => {
      write(2, line, () => resolve(true));
      setTimeout(() => resolve(false), withinMs);
    });
  }
  try {
    writeSync(own, line);
  } catch {
    // It is full: whoever does not read does not want to know.
  }
  closeSync(own);
  return true;
}

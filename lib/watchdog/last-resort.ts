/**
 * Stage 5, ACT: for an ending that is under way and may be blocked by the host's own teardown. By then the watchdog has
 * ended with the module.
 */
import { Worker } from 'node:worker_threads';
import { threadFile } from './thread-file.js';

/** Ends this process by force after so many ms. Keeps nothing alive. */
export function armLastResort(ms: number): void {
  const file = threadFile('last-resort-thread.js');
  // In a bundle there is no such file, and process 1 is out of reach.
  const simple = `setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${ms})`;
  try {
    const worker = new Worker(file ?? simple, { eval: file === null, workerData: ms, execArgv: [], env: {} });
    worker.on('error', () => {});
    worker.unref();
  } catch {
    // Threads may be forbidden. The deadline of the main thread stands without it.
  }
}

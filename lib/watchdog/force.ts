/**
 * Stage 5, ACT: ends this process from beside its main thread, by one way after the other, each for those that the one
 * before cannot reach.
 */
import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { EXIT_CODE } from '../recovery/endings.js';
import type { Question } from './question.js';

/** Each way has so long before the next one is tried, ms. */
const NEXT_WAY_MS = 500;

/** Only with a main thread that runs JavaScript is there an exit code. */
export async function force(question: Question): Promise<void> {
  await question.tell(`process.reallyExit(${EXIT_CODE})`);
  setTimeout(kill, NEXT_WAY_MS);
}

/** Without a word to the main thread: an exit waits for the threads of the pool, and one of them may be stuck. */
export function kill(): void {
  setTimeout(trap, NEXT_WAY_MS);
  process.kill(process.pid, 'SIGKILL');
}

/** The kernel drops every signal that process 1 sends itself, but not what the CPU itself raises. */
function trap(): void {
  setFlagsFromString('--allow-natives-syntax');
  runInThisContext('%SystemBreak()');
}

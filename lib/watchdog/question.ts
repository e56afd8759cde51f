/**
 * Stage 5, ACT: asks the main thread, from beside it, where it is. The inspector runs the question between two of its
 * instructions; nothing is connected while nobody asks.
 */
import type { Session } from 'node:inspector';
import { framesOf, isNamed } from './place.js';

/** What came of it. `idle`: it answers, and nothing of the host's runs. `silent`: it is in native code, or nearly so. */
export type Found = { readonly frames: string } | 'idle' | 'silent' | 'debugged' | 'impossible';

const STACK = `(() => {
  const limit = Error.stackTraceLimit;
  let stack = '', url = '';
  try { Error.stackTraceLimit = 60; stack = String(new Error().stack); } catch {}
  try { Error.stackTraceLimit = limit; url = process.getBuiltinModule('node:inspector').url() ?? ''; } catch {}
  return JSON.stringify([stack, url]);
})()`;
/** Between two microtasks or ticks no frame of the host's is to be seen: ask so often before that counts. */
const TRIES = 150;

/** One conversation with the main thread. */
export class Question {
  private session: Session | null = null;

  /** Resolves after `withinMs` at the latest; `late` hears of a stack that comes only then. */
  async where(withinMs: number, late: (frames: string) => void): Promise<Found> {
    if (!(await this.connect())) return 'impossible';
    let isLate = false;
    const asked = this.sample().then((found) => {
      if (isLate && typeof found === 'object') late(found.frames);
      return found;
    });
    const timeout = new Promise<Found>((resolve) => {
      setTimeout(() => {
        isLate = true;
        resolve('silent');
      }, withinMs).unref();
    });
    return Promise.race([asked, timeout]);
  }

  /** Has the main thread run `expression`, and waits for no answer. */
  async tell(expression: string): Promise<void> {
    if (await this.connect()) this.session?.post('Runtime.evaluate', { expression }, () => {});
  }

  close(): void {
    this.session?.disconnect();
    this.session = null;
  }

  private async connect(): Promise<boolean> {
    try {
      const { Session } = await import('node:inspector');
      if (this.session) return true;
      this.session = new Session();
      this.session.connectToMainThread();
      return true;
    } catch {
      // Built without an inspector, or forbidden by the permission model.
      this.session = null;
      return false;
    }
  }

  private async sample(): Promise<Found> {
    let unnamed = '';
    for (let i = 0; i < TRIES; i++) {
      const [stack, url] = await this.ask();
      if (url) return 'debugged';
      const frames = framesOf(stack);
      if (isNamed(frames)) return { frames };
      unnamed ||= frames;
    }
    return unnamed ? { frames: unnamed } : 'idle';
  }

  private ask(): Promise<[stack: string, url: string]> {
    return new Promise((resolve) => {
      this.session?.post('Runtime.evaluate', { expression: STACK, returnByValue: true }, (error, answer) => {
        // A session that was closed answers with an error: nobody waits any more.
        if (!error) resolve(JSON.parse(String(answer.result.value ?? '["",""]')) as [string, string]);
      });
    });
  }
}

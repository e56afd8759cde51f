/**
 * Stage 5, ACT: ends a process whose loop is blocked for good. The record comes first, then the end.
 */
import type { FlightDirectory, MayRestart } from '../recovery/flight-directory.js';
import { EXIT_CODE, JITTER } from '../recovery/endings.js';
import { force, kill } from './force.js';
import { incidentOf, messageOf, type Block } from './block.js';
import type { Question } from './question.js';
import { say } from './stderr.js';
import type { Snapshot } from '../verdict/snapshot.js';
import type { Terms } from './terms.js';

/** What it is told about, and acts on. */
export interface Condemned {
  readonly terms: Terms;
  readonly directory: FlightDirectory;
  readonly question: Question;
  /** The last snapshots, oldest first. */
  readonly before: readonly Snapshot[];
  /** The block as it is now, looked at once more; `null`: it is over. */
  look(): Promise<Block | null>;
  /** Why it must not be ended, whatever the guards say. */
  veto(): string | null;
}

const ASK_EVERY_MS = 5_000;

export class Ending {
  private readonly afterMs: number;
  private askedAt = -Infinity;
  private why: string | null = null;

  constructor(private readonly condemned: Condemned) {
    this.afterMs = (condemned.terms.endAfterMs ?? Infinity) * (1 + Math.random() * JITTER);
  }

  /** Why a restart that is due is not done; `null` where none is due. */
  get refused(): string | null {
    return this.why;
  }

  /** The block as it is at this tick; `null`: there is none. */
  see(block: Block | null, now: number): void {
    if (!block) this.why = null;
    else if (block.forMs >= this.afterMs && now - this.askedAt >= ASK_EVERY_MS) {
      this.askedAt = now;
      void this.treat();
    }
  }

  private async treat(): Promise<void> {
    const { condemned } = this;
    const block = await condemned.look();
    if (!block) return;
    const veto = condemned.veto();
    const may: MayRestart = veto ? { may: false, why: veto } : condemned.directory.mayRestart(Date.now());
    if (!may.may) return this.refuse(block, may.why);
    const message = messageOf(block, condemned.terms);
    const at = new Date().toISOString();
    const ended = { how: 'process ended', at, lastedMs: Math.round(block.wallMs) } as const;
    condemned.directory.write(incidentOf(block, condemned.terms, condemned.before, ended));
    condemned.directory.noteEnd({ by: 'watchdog', code: 'LOOP_BLOCKED', message });
    const isSaid = await say(
      `ending this process with exit code ${EXIT_CODE}, because a restart cures it: ${message}`,
    );
    if (isSaid) await force(condemned.question);
    else kill();
  }

  /** Once for each reason, not for each number in it. */
  private refuse(block: Block, why: string): void {
    const kind = (text: string | null): string | undefined => text?.replace(/\d+/g, '');
    const isNews = kind(this.why) !== kind(why);
    this.why = why;
    if (isNews)
      void say(
        `a restart would cure it, but none is done: ${why}: ${messageOf(block, this.condemned.terms)}`,
      );
  }
}

/**
 * Stage 5, ACT: which of the processes that ran before this one are over, and how each ended. Asked from time to time,
 * because of one that cannot be seen from here only its silence tells. Each is answered to one process only.
 */
import { bootMs, isAlive, type Identity } from './identity.js';
import { incidentIn, runIn, type End, type PastRun, type Run } from './incident.js';
import type { FlightFile, FlightFiles } from './flight-files.js';

/** One that cannot be seen from here is dead when it was not touched for so long. */
export const SILENT_MS = 15_000;
const KEPT_RUNS = 500;

export class Predecessors {
  /** Those there were when this process began and of which it is not known yet; `touchedAt` as it was at `since`. */
  private undecided: readonly { file: FlightFile; touchedAt: number | null; since: number }[];

  constructor(
    private readonly files: FlightFiles,
    private readonly own: Identity,
  ) {
    files.keepLast('run', KEPT_RUNS);
    const since = bootMs();
    this.undecided = files
      .list('run')
      .filter(({ id }) => id !== own.id)
      .map((file) => ({ file, touchedAt: files.touchedAt(file), since }));
  }

  /** Those that turned out to be over since the last time. */
  claim(): readonly PastRun[] {
    const seen = this.undecided.map((one) => {
      const run = runIn(this.files.read(one.file));
      // What lives, or is no run, is not asked about again.
      return { one, run, isOver: run ? this.isOver(run, one) : false };
    });
    this.undecided = seen.flatMap(({ one, isOver }) => (isOver === null ? [one] : []));
    return seen.flatMap(({ one, run, isOver }) => (run && isOver ? this.take(one.file, run) : []));
  }

  private isOver(run: Run, { file, touchedAt, since }: Predecessors['undecided'][number]): boolean | null {
    const lives = isAlive(run, this.own);
    if (lives !== null) return !lives;
    if (run.end || (run.host === this.own.host && run.boot !== this.own.boot)) return true;
    // In another container, or the one before this: by its own clock it would have been touched by now.
    if (this.files.touchedAt(file) !== touchedAt) return false;
    return bootMs() - since >= SILENT_MS ? true : null;
  }

  private take(file: FlightFile, run: Run): PastRun[] {
    const touchedAt = this.files.touchedAt(file) ?? Date.parse(run.startedAt);
    const name = file.name.replace('run', 'past');
    if (!this.files.rename(file.name, name)) return [];
    const past = { ...run, end: run.end ?? killed(run, touchedAt) };
    this.files.write(name, past);
    this.files.keepLast('past', KEPT_RUNS);
    this.endIncidents(past);
    return [past];
  }

  /** Nobody was left to write their end. */
  private endIncidents({ id, end }: PastRun): void {
    for (const file of this.files.list('incident')) {
      const incident = incidentIn(this.files.read(file));
      if (incident?.run !== id || incident.ended) continue;
      const lastedMs = Math.max(0, Date.parse(end.at) - Date.parse(incident.at));
      this.files.write(file.name, { ...incident, ended: { how: 'process ended', at: end.at, lastedMs } });
    }
  }
}

function killed({ startedAt, startedBootMs }: Run, touchedAt: number): End {
  const livedMs = Math.max(0, touchedAt - Date.parse(startedAt));
  return {
    by: 'killed',
    code: 'KILLED',
    message: 'it ended without a word: a signal, no memory left, or a crash of native code',
    at: new Date(touchedAt).toISOString(),
    bootMs: Math.min(startedBootMs + livedMs, bootMs()),
  };
}

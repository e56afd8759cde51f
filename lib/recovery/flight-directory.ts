/**
 * Stage 5, ACT: what outlives the process. Which processes ran and how each ended, and the incidents of all of them, in
 * one folder that several processes and threads share; and from that, whether one more restart is within the budget.
 * Synchronous, because the next line may be the last one; only what a page asks for is not. Never throws.
 */
import { statfsSync } from 'node:fs';
import { FlightFiles } from './flight-files.js';
import { bootMs, ownIdentity } from './identity.js';
import { bounded, GUARDS, incidentIn, isOurs, runIn } from './incident.js';
import type { End, EndedBy, Guards, Incident, PastRun, Run } from './incident.js';
import { Predecessors, SILENT_MS } from './predecessors.js';

/** May the process be ended now? */
export type MayRestart = { readonly may: true } | { readonly may: false; readonly why: string };

const HOUR_MS = 3_600_000;
/** How often {@link FlightDirectory.beat} is due, ms. */
export const BEAT_MS = SILENT_MS / 3;
const MEMORY_FILE_SYSTEMS = [0x01021994, 0x858458f6];
const MAX_WORDS = 300;

/** The flight directory of this process. `null`: there is none, and the guards do without. */
export class FlightDirectory {
  private readonly own = ownIdentity();
  private readonly files: FlightFiles | null;
  private readonly guards: Guards;
  private hasToldTrouble = false;
  private isLost = false;
  private predecessors: Predecessors | null = null;

  /** `onTrouble` hears of the first thing that went wrong with the disk, and of no other. */
  constructor(
    readonly directory: string | null,
    private readonly onTrouble: (text: string) => void = () => {},
    guards: Partial<Guards> = {},
  ) {
    this.files = directory === null ? null : new FlightFiles(directory, this.own.id);
    this.guards = { ...GUARDS, ...guards };
  }

  /** The process has begun. */
  begin(): void {
    this.onDisk((files) => {
      files.prepare();
      this.predecessors = new Predecessors(files, this.own);
      this.writeRun(files, null);
    });
  }

  /** The process lives. To be called every {@link BEAT_MS}. */
  beat(): void {
    this.onDisk((files) => {
      if (this.isLost) this.writeRun(files, this.ownRun(files).end);
      this.isLost = false;
      files.touch(files.nameFor('run', this.own.id), () => (this.isLost = true));
    });
  }

  /** Writes an incident, or writes it anew when it is there already; the oldest go. */
  write(incident: Incident): void {
    this.onDisk((files) => {
      files.write(
        files.nameFor('incident', incident.id),
        bounded({ ...incident, run: incident.run ?? this.own.id }),
      );
      files.keepLast('incident', this.guards.keep);
    });
  }

  /** This process is about to end. What we do to it outweighs a crash, and a crash what the host meant to do. */
  noteEnd(end: { by: EndedBy; code: string; message: string }): void {
    this.onDisk((files) => {
      const { end: before } = this.ownRun(files);
      if (before && weight(before.by) >= weight(end.by)) return;
      const { by, code, message } = end;
      const words = { code: code.slice(0, MAX_WORDS), message: message.slice(0, MAX_WORDS) };
      this.writeRun(files, { by, ...words, at: new Date().toISOString(), bootMs: bootMs() });
    });
  }

  /**
   * May this process be ended for a restart? `now`, epoch ms, only counts for what was before the last start of the
   * machine: a clock that is set neither refills the budget nor blocks it.
   */
  mayRestart(now: number): MayRestart {
    const uptimeMs = process.uptime() * 1000;
    const { minUptimeMs, perHour } = this.guards;
    if (uptimeMs < minUptimeMs)
      return no(`it runs for ${seconds(uptimeMs)} (threshold ${seconds(minUptimeMs)})`);
    const records = this.lastHour(now);
    if (typeof records === 'string') {
      const neededMs = HOUR_MS / perHour;
      if (uptimeMs >= neededMs) return { may: true };
      return no(`${records}, and it runs for ${seconds(uptimeMs)} (threshold ${seconds(neededMs)})`);
    }
    const spent = records.filter(({ end }) => isOurs(end)).length;
    if (spent < perHour) return { may: true };
    return no(`the budget is spent: ${spent} in the last hour (threshold ${perHour})`);
  }

  /** The runs before this one that have turned out to be over, oldest first. Each is answered to one caller only. */
  claim(): readonly PastRun[] {
    return this.onDisk(() => this.predecessors?.claim()) ?? [];
  }

  /** All runs that have ended and were claimed, oldest first. */
  past(): readonly PastRun[] {
    return this.onDisk(pastIn) ?? [];
  }

  /** Those that have said how they end, and that no later one has claimed yet. */
  ending(): readonly PastRun[] {
    return this.onDisk(endingIn) ?? [];
  }

  /** All incidents, oldest first. */
  incidents(): readonly Incident[] {
    return (
      this.onDisk((files) => files.list('incident').flatMap((file) => incidentIn(files.read(file)) ?? [])) ??
      []
    );
  }

  /** All incidents, oldest first, without waiting for the disk. */
  async readIncidents(): Promise<readonly Incident[]> {
    try {
      const values = await this.files?.readAll('incident');
      return values?.flatMap((value) => incidentIn(value) ?? []) ?? [];
    } catch (error) {
      this.tellTrouble(error);
      return [];
    }
  }

  /** How long ago that run ended, ms, whatever was done to the clock since. */
  sinceEnd({ boot, end }: PastRun, now: number): number {
    const sinceBoot = bootMs();
    if (boot === this.own.boot) return sinceBoot - end.bootMs;
    return Math.max(0, sinceBoot, now - Date.parse(end.at));
  }

  /** The ends of the last hour, or why there is no relying on what is written there. */
  private lastHour(now: number): readonly PastRun[] | string {
    if (!this.files) return 'no directory for incidents is set';
    const known = this.onDisk((files) => {
      // Whether a restart can be counted is known only when it is tried.
      this.writeRun(files, this.ownRun(files).end);
      return { past: pastIn(files), ended: endingIn(files), isMemory: isInMemory(files.folder) };
    });
    if (!known) return `nothing can be written to ${this.directory}`;
    const { past, ended, isMemory } = known;
    // One that goes with the container would begin each life with a full budget.
    if (isMemory && past.length + ended.length === 0) return `${this.directory} is in memory`;
    return [...past, ...ended].filter((run) => this.sinceEnd(run, now) < HOUR_MS);
  }

  private ownRun(files: FlightFiles): Run {
    const known = runIn(files.read({ name: files.nameFor('run', this.own.id) }));
    if (known) return known;
    const uptimeMs = Math.round(process.uptime() * 1000);
    const startedAt = new Date(Date.now() - uptimeMs).toISOString();
    return { ...this.own, startedAt, startedBootMs: bootMs() - uptimeMs, end: null };
  }

  private writeRun(files: FlightFiles, end: End | null): void {
    files.write(files.nameFor('run', this.own.id), { ...this.ownRun(files), end });
  }

  private onDisk<T>(work: (files: FlightFiles) => T): T | undefined {
    if (!this.files) return undefined;
    try {
      return work(this.files);
    } catch (error) {
      this.tellTrouble(error);
      return undefined;
    }
  }

  private tellTrouble(error: unknown): void {
    if (this.hasToldTrouble) return;
    this.hasToldTrouble = true;
    this.onTrouble(`incidents cannot be kept in ${this.directory}: ${(error as Error).message}`);
  }
}

function pastIn(files: FlightFiles): readonly PastRun[] {
  return files.list('past').flatMap((file) => {
    const run = runIn(files.read(file));
    return run?.end ? [{ ...run, end: run.end }] : [];
  });
}

function endingIn(files: FlightFiles): readonly PastRun[] {
  const runs = files.list('run').flatMap((file) => runIn(files.read(file)) ?? []);
  return runs.filter((run): run is PastRun => run.end !== null);
}

function isInMemory(folder: string): boolean {
  return MEMORY_FILE_SYSTEMS.includes(statfsSync(folder).type);
}

function weight(by: EndedBy): number {
  return ['exit', 'stop', 'crash', 'recovery', 'watchdog'].indexOf(by);
}

function no(why: string): MayRestart {
  return { may: false, why };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

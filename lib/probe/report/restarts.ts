/**
 * Stage 6, ASK, the report: how often the processes of a flight directory ended, why, and what went before. Reads the
 * directory and changes nothing in it.
 */
import { statSync } from 'node:fs';
import { FlightDirectory } from '../../recovery/flight-directory.js';
import type { EndedBy, Incident, PastRun } from '../../recovery/incident.js';
import type { Zone } from './zone.js';

/** What the directory tells. */
export interface Restarts {
  /** Ends that nobody asked for. */
  readonly total: number;
  readonly days: readonly { readonly day: string; readonly ends: Readonly<Record<string, number>> }[];
  readonly runs: readonly PastRun[];
  readonly incidents: readonly Incident[];
}

const LISTED = 10;
const COLUMNS: readonly EndedBy[] = ['recovery', 'watchdog', 'killed', 'crash', 'exit', 'stop'];

/** Throws when there is no such folder; what is garbage in it is passed over. */
export function readRestarts(folder: string, zone: Zone): Restarts {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`--incidents must be the directory of the option "incidents", got "${folder}"`);
  const directory = new FlightDirectory(folder, (text) => {
    throw new Error(text);
  });
  const runs = [...directory.past(), ...directory.ending()];
  const days = new Map<string, Record<string, number>>();
  for (const { end } of runs) {
    const { day } = zone.slot(Date.parse(end.at));
    const ends = days.get(day) ?? {};
    ends[end.by] = (ends[end.by] ?? 0) + 1;
    days.set(day, ends);
  }
  return {
    total: runs.filter(({ end }) => end.by !== 'stop').length,
    days: [...days].map(([day, ends]) => ({ day, ends })).toSorted((a, b) => (a.day < b.day ? -1 : 1)),
    runs,
    incidents: directory.incidents(),
  };
}

/** For people. Ends in a line feed. */
export function restartTable({ total, days, runs, incidents }: Restarts, zone: Zone): string {
  const head = `${'day'.padEnd(10)}${COLUMNS.map((by) => by.padStart(10)).join('')}`;
  const rows = days.map(
    ({ day, ends }) => `${day}${COLUMNS.map((by) => String(ends[by] ?? 0).padStart(10)).join('')}`,
  );
  const sections = [
    [`${total} restarts and ${runs.length - total} stops, ${incidents.length} incidents (${zone.name})`],
    rows.length > 0 ? [head, ...rows] : [],
    causes(runs),
    incidents.slice(-LISTED).map((incident) => incidentLine(incident, zone)),
  ];
  const texts = sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'));
  return `${printable(texts.join('\n\n'))}\n`;
}

/** Most first. */
function causes(runs: readonly PastRun[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { end } of runs) {
    if (end.by === 'stop') continue;
    const cause = `${end.by}: ${end.code}`;
    counts.set(cause, (counts.get(cause) ?? 0) + 1);
  }
  return [...counts]
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, LISTED)
    .map(([cause, count]) => `${String(count).padStart(6)}  ${cause}`);
}

function incidentLine({ at, indicator, code, message, ended }: Incident, zone: Zone): string {
  const end = ended ? `${ended.how} after ${Math.round(ended.lastedMs / 1000)} s` : 'not over';
  return `${zone.text(Date.parse(at))}  ${indicator}=${code}  ${end}  ${message}`;
}

/** What was read must not steer a terminal. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is taken out
  return text.replace(/[\x00-\x09\x0b-\x1f\x7f]/g, ' ');
}

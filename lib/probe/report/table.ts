/**
 * Stage 6, ASK, the report: the report as a table with bars, for people. Pure: width and colors are given.
 */
import { BURST_MS, BURST_RESETS } from './rhythm.js';
import type { By, Report, Row } from './shape.js';
import type { Zone } from './zone.js';

export interface Paper {
  readonly columns: number;
  readonly hasColor: boolean;
}

const LEAST_COLUMNS = 40;
const MOST_COLUMNS = 160;
const MOST_CODES = 3;
const MOST_LISTED = 5;
const LABEL_COLUMNS = 10;
const MEGABYTE = 1_000_000;

/** Ends in a line feed. The rows are those of days or hours. */
export function table(report: Report, by: By, zone: Zone, { columns, hasColor }: Paper): string {
  const width = Math.min(MOST_COLUMNS, Math.max(LEAST_COLUMNS, columns));
  const rows = by === 'day' ? report.days : report.hours;
  const red = (text: string): string => (hasColor && text !== '' ? `\x1b[31m${text}\x1b[39m` : text);
  const sections = [
    [title(report, zone)],
    rows.length > 0 ? bars(rows, by, width, red) : [],
    report.resets.total > 0 ? profile(report.hoursOfDay) : [],
    facts(report, zone),
    warnings(report),
  ];
  const texts = sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'));
  return `${texts.join('\n\n')}\n`;
}

function title({ resets, files, firstAt, lastAt, timeZone }: Report, zone: Zone): string {
  const where = `in ${several(files.length, 'file')}`;
  const when =
    firstAt === null || lastAt === null
      ? 'no line has a time'
      : `${zone.text(Date.parse(firstAt))} to ${zone.text(Date.parse(lastAt))}, ${timeZone}`;
  return `${several(resets.total, 'reset')} ${where} (${when})`;
}

function bars(rows: readonly Row[], by: By, width: number, red: (text: string) => string): readonly string[] {
  const labels = rows.map(({ at }) => (by === 'day' ? at : `${at.slice(0, 10)} ${at.slice(11)}`));
  const totals: Record<string, number> = {};
  for (const { codes } of rows)
    for (const [code, count] of Object.entries(codes)) totals[code] = (totals[code] ?? 0) + count;
  const codes = Object.keys(totals)
    .toSorted((a, b) => (totals[b] ?? 0) - (totals[a] ?? 0))
    .slice(0, MOST_CODES);
  const heads = ['resets', ...codes];
  const labelWidth = Math.max(by.length, ...new Set(labels.map(({ length }) => length)));
  const used = labelWidth + heads.reduce((all, head) => all + head.length + 2, 0) + 2;
  const most = rows.reduce((all, { resets }) => Math.max(all, resets), 1);
  const room = Math.max(width - used, 1);
  const lines = rows.map((row, i) => {
    const cells = [row.resets, ...codes.map((code) => row.codes[code] ?? 0)];
    const numbers = cells.map((cell, place) => `  ${String(cell).padStart((heads[place] ?? '').length)}`);
    const bar = '#'.repeat(row.resets === 0 ? 0 : Math.max(1, Math.round((row.resets / most) * room)));
    const text = `${(labels[i] ?? '').padEnd(labelWidth)}${numbers.join('')}`;
    return bar === '' || used >= width ? text : `${text}  ${red(bar)}`;
  });
  return [`${by.padEnd(labelWidth)}${heads.map((head) => `  ${head}`).join('')}`, ...lines];
}

/** Two lines of twelve hours fit everywhere. */
function profile(hours: readonly number[]): readonly string[] {
  const cell = Math.max(4, ...hours.map((count) => String(count).length + 1));
  const half = (from: number): readonly string[] => {
    const counts = hours.slice(from, from + 12);
    return [
      fact('hour', counts.map((_, i) => String(from + i).padStart(cell)).join('')),
      fact('resets', counts.map((count) => String(count).padStart(cell)).join('')),
    ];
  };
  return [...half(0), ...half(12)];
}

function facts(report: Report, zone: Zone): readonly string[] {
  const { resets, bursts, period, files } = report;
  const lines = files.reduce((all, file) => all + file.lines, 0);
  const found = [fact('lines', `${lines} read, ${several(resets.duplicates, 'duplicate')}`)];
  if (resets.total > 0) {
    found.unshift(
      fact('kind', list(resets.kinds)),
      fact('written by', list(resets.writers)),
      fact('origin', list(Object.fromEntries(resets.origins.map(({ name, resets: n }) => [name, n])))),
    );
    found.push(fact('bursts', burstText(bursts, zone)));
  }
  if (period) {
    const { periodMs, ratio, gaps, known } = period;
    const share = `${Math.round(ratio * 100)} % of ${gaps} gaps within 5 %`;
    found.push(fact('period', `${duration(periodMs)} (${share})${known === null ? '' : `: as ${known}`}`));
  }
  found.push(...report.settings.map(({ origin, setting }) => fact('setting', `${origin}: ${setting}`)));
  return [...found, ...restartFacts(report, zone), ...memoryFacts(report)];
}

function burstText({ count, resets, largest }: Report['bursts'], zone: Zone): string {
  const what = `${BURST_RESETS} or more in ${BURST_MS} ms`;
  if (!largest) return `none (${what})`;
  const most = `the largest ${largest.resets} at ${zone.text(Date.parse(largest.at))}`;
  return `${count} (${what}) with ${several(resets, 'reset')}, ${most}`;
}

function restartFacts({ restarts, processes }: Report, zone: Zone): readonly string[] {
  const [only] = processes;
  if (only && processes.length === 1)
    return [fact('restarts', `none seen: all lines are of pid ${only.pid}, which a container keeps`)];
  const longest = restarts.toSorted((a, b) => b.silenceMs - a.silenceMs)[0];
  if (!longest) return processes.length > 1 ? [fact('restarts', 'none seen')] : [];
  const { silenceMs, at, previousPid, pid } = longest;
  const when = `at ${zone.text(Date.parse(at))} (pid ${previousPid}, then ${pid})`;
  return [
    fact('restarts', `${restarts.length}, the longest silence before one ${duration(silenceMs)} ${when}`),
  ];
}

function memoryFacts({ processes }: Report): readonly string[] {
  const measured = processes.filter(({ rssBytesPerHour }) => rssBytesPerHour !== null);
  const steepest = measured.toSorted((a, b) => (b.rssBytesPerHour ?? 0) - (a.rssBytesPerHour ?? 0));
  const lines = steepest.slice(0, MOST_LISTED).map((process) => {
    const { pid, rssBytesPerHour, heapUsedBytesPerHour, samples } = process;
    const spanMs = Date.parse(process.lastAt) - Date.parse(process.firstAt);
    const slopes = `rss ${perHour(rssBytesPerHour)}, heap used ${perHour(heapUsedBytesPerHour)}`;
    return fact('memory', `pid ${pid}: ${slopes} over ${duration(spanMs)} (${samples} samples)`);
  });
  const more = measured.length - lines.length;
  return more > 0
    ? [...lines, fact('', `and ${several(more, 'process', 'processes')} more, see --json`)]
    : lines;
}

/** What may be missing from the numbers above. */
function warnings({ resets, files }: Report): readonly string[] {
  const notes = files.flatMap(({ path, broken, tooLong, endedEarly, isGrowing }) => [
    ...(broken > 0 ? [`${path}: ${several(broken, 'broken line')}`] : []),
    ...(tooLong > 0 ? [`${path}: ${several(tooLong, 'line')} over 1 MB passed over`] : []),
    ...(isGrowing ? [`${path}: the last line is not whole`] : []),
    ...(endedEarly === null ? [] : [`${path}: read in part, ${endedEarly}`]),
  ]);
  if (resets.unreadable > 0)
    notes.push(`not counted: ${several(resets.unreadable, 'line')} with a reset, broken or of no entry`);
  if (resets.undated > 0) notes.push(`${several(resets.undated, 'reset')} without a time, in no hour`);
  if (resets.forgotten > 0) notes.push(`too many to remember: ${resets.forgotten} may be counted twice`);
  if (resets.unplaced > 0) notes.push(`too many hours: ${several(resets.unplaced, 'reset')} in no row`);
  return notes.map((note) => `note: ${note}`);
}

function fact(label: string, text: string): string {
  return `${label.padEnd(LABEL_COLUMNS)}  ${text}`;
}

function list(counts: Readonly<Record<string, number>>): string {
  const named = Object.entries(counts).filter(([, count]) => count > 0);
  const shown = named.slice(0, MOST_LISTED).map(([name, count]) => `${name} ${count}`);
  return [...shown, ...(named.length > MOST_LISTED ? ['…'] : [])].join('; ');
}

function several(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function perHour(bytes: number | null): string {
  const megabytes = (bytes ?? 0) / MEGABYTE;
  return `${megabytes < 0 ? '' : '+'}${megabytes.toFixed(1)} MB/h`;
}

function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 7_200_000) return `${Math.round(ms / 1000)} s`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

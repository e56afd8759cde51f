/**
 * Stage 5, ACT: what of a snapshot is worth keeping in an incident. Pure.
 */
import type { DataValue } from '../indicators/finding.js';
import type { Detail, Snapshot } from '../verdict/snapshot.js';
import type { Figures, Incident } from './incident.js';

/** So many readings before an incident are kept in it. */
export const READINGS_BEFORE = 5;
const MAX_RESETS = 3;
const MAX_TEXT = 200;

/** One reading before an incident. */
export function figuresOf({ takenAt, details }: Snapshot): NonNullable<Incident['before']>[number] {
  const figures = details.map(({ name, data }) => [name, plain(data)] as const);
  return { at: new Date(takenAt).toISOString(), figures: Object.fromEntries(figures) };
}

/** Only what is flat: five readings with every origin in them would say the same thing five times. */
function plain(data: Detail['data']): Figures {
  const flat = Object.entries(data).filter(([, v]) => typeof v === 'number' || typeof v === 'boolean');
  return Object.fromEntries(flat);
}

/** Where most resets came from just then, and why. */
export function topResets({ details }: Snapshot): NonNullable<Incident['resets']> {
  const origins: DataValue = details.find(({ name }) => name === 'resets')?.data['origins'] ?? [];
  if (!Array.isArray(origins)) return [];
  return (origins as readonly Readonly<Record<string, DataValue>>[])
    .filter((origin) => origin['direction'] === 'outbound' && Number(origin['inWindow']) > 0)
    .slice(0, MAX_RESETS)
    .map(({ direction, peer, inWindow, cause, setting }) => ({
      origin: `${String(direction)} ${String(peer)}`.slice(0, MAX_TEXT),
      inWindow: Number(inWindow),
      cause: String((cause as { name?: string } | null)?.name ?? '') || null,
      setting: typeof setting === 'string' ? setting.slice(0, MAX_TEXT) : null,
    }));
}

/**
 * Stage 4, TELL: which charts there are and what is in them; the page's script draws them. Pure.
 */
import type { Series } from '../../sources/history.js';
import type { Told } from './told.js';

/** One chart. */
export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly unit: 'ms' | 'ratio' | 'count';
  readonly kind: 'lines' | 'stack';
  /** Drawn as a line across, with its name. */
  readonly limit: { readonly value: number; readonly label: string } | null;
  readonly series: readonly { readonly id: number; readonly label: string }[];
}

/** The charts of what is in the answer: a pool that the audience does not see is not drawn either. */
export function chartsOf(series: readonly Series[], { details }: Told, isFull: boolean): Chart[] {
  const loop = series.filter(({ group }) => group === 'loop');
  const named = (names: readonly string[]): Chart['series'] =>
    names.flatMap((name) => loop.filter((one) => one.name === name).map(({ id }) => ({ id, label: name })));
  const delay = details['eventLoop']?.data['thresholdP99DelayMs'];
  return [
    {
      id: 'delay',
      title: 'Event loop delay',
      unit: 'ms',
      kind: 'lines',
      limit: limitOf(delay, 'p99 threshold'),
      series: named(['p99', 'max']),
    } as const,
    {
      id: 'utilization',
      title: 'Event loop utilization',
      unit: 'ratio',
      kind: 'lines',
      limit: null,
      series: named(['utilization']),
    } as const,
    ...poolCharts(series, details),
    {
      id: 'resets',
      title: 'Resets per minute',
      unit: 'count',
      kind: 'stack',
      limit: null,
      series: resetSeries(series, isFull),
    } as const,
  ].filter((chart) => chart.series.length > 0);
}

function poolCharts(series: readonly Series[], details: Told['details']): Chart[] {
  const pools = series.filter(({ group }) => group === 'pool');
  return Object.entries(details).map(([name, { data }], index) => ({
    id: `pool${index}`,
    title: `Pool ${name}`,
    unit: 'count',
    kind: 'lines',
    limit: limitOf(data['max'], 'max'),
    series: ['used', 'waiting'].flatMap((label) =>
      pools.filter((one) => one.name === `${name} ${label}`).map(({ id }) => ({ id, label })),
    ),
  }));
}

/** What belongs to no peer of its own is drawn above those that do. */
const UNNAMED = ['others', 'clients'];

/** A peer's address is for those who may see everything; a pool's name is in every answer. */
function resetSeries(series: readonly Series[], isFull: boolean): Chart['series'] {
  return series
    .filter(({ group }) => group === 'reset')
    .sort((a, b) => Number(UNNAMED.includes(a.name)) - Number(UNNAMED.includes(b.name)))
    .map(({ id, name }) => {
      if (!name.startsWith('peer ')) return { id, label: name };
      return { id, label: isFull ? name.slice('peer '.length) : `peer ${id}` };
    });
}

function limitOf(value: unknown, label: string): Chart['limit'] {
  return typeof value === 'number' && value > 0 ? { value, label } : null;
}

/**
 * Stage 4, TELL: which charts there are and what is in them; the page's script draws them. Pure.
 */
import { POOLS, type Series } from '../../sources/history.js';
import type { Detail, Told } from './told.js';
import { counted } from './words.js';

/** More would push everything else off the page. */
const DRAWN_POOLS = 12;
const SEVERITY = ['down', 'degraded', 'up'];
/** Whose charts those are that no pool has. */
const OWNERS: Readonly<Record<string, string>> = {
  delay: 'eventLoop',
  utilization: 'eventLoop',
  resets: 'resets',
};
const POOL_TITLE = 'Pool ';

/** One chart. */
export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly unit: 'ms' | 'ratio' | 'count';
  readonly kind: 'lines' | 'stack';
  /** Drawn as lines across, with their names; the first is always within the scale. */
  readonly limits: readonly { readonly value: number; readonly label: string }[];
  readonly series: readonly { readonly id: number; readonly label: string }[];
}

/** The charts of what is in the answer, the worst first: a pool that the audience does not see is not drawn either. */
export function chartsOf(series: readonly Series[], told: Told, isFull: boolean): Chart[] {
  const rank = ({ id, title }: Chart): number => {
    const name = OWNERS[id] ?? title.slice(POOL_TITLE.length);
    return name === told.cause?.name ? -1 : SEVERITY.indexOf(told.details[name]?.status ?? 'up');
  };
  return allCharts(series, told, isFull)
    .filter((chart) => chart.series.length > 0)
    .sort((a, b) => rank(a) - rank(b));
}

function allCharts(series: readonly Series[], { details }: Told, isFull: boolean): Chart[] {
  const loop = series.filter(({ group }) => group === 'loop');
  const named = (names: readonly string[]): Chart['series'] =>
    names.flatMap((name) => loop.filter((one) => one.name === name).map(({ id }) => ({ id, label: name })));
  const { thresholdP99DelayMs, thresholdMaxDelayMs } = details['eventLoop']?.data ?? {};
  return [
    {
      id: 'delay',
      title: 'Event loop delay',
      unit: 'ms',
      kind: 'lines',
      limits: [
        ...limitOf(thresholdP99DelayMs, 'p99 threshold'),
        ...limitOf(thresholdMaxDelayMs, 'max threshold'),
      ],
      series: named(['p99', 'max']),
    } as const,
    {
      id: 'utilization',
      title: 'Event loop utilization',
      unit: 'ratio',
      kind: 'lines',
      limits: [],
      series: named(['utilization']),
    } as const,
    ...poolCharts(series, details),
    {
      id: 'resets',
      title: 'Resets per minute',
      unit: 'count',
      kind: 'stack',
      limits: [],
      series: resetSeries(series, isFull),
    } as const,
  ];
}

function poolCharts(series: readonly Series[], details: Told['details']): Chart[] {
  const pools = series.filter(({ group }) => group === 'pool');
  const rank = ({ status }: Detail): number => SEVERITY.indexOf(status);
  return Object.entries(details)
    .map(([name, detail], index) => ({ name, detail, index }))
    .sort((a, b) => rank(a.detail) - rank(b.detail))
    .map(({ name, detail, index }) => ({
      id: `pool${index}`,
      title: `${POOL_TITLE}${name}`,
      unit: 'count' as const,
      kind: 'lines' as const,
      limits: limitOf(detail.data['max'], 'max'),
      series: ['used', 'waiting'].flatMap((label) =>
        pools.filter((one) => one.name === `${name} ${label}`).map(({ id }) => ({ id, label })),
      ),
    }))
    .filter((chart) => chart.series.length > 0)
    .slice(0, DRAWN_POOLS);
}

/** Which pools the charts leave out, in a sentence; empty where they leave out none. */
export function undrawn(charts: readonly Chart[], { details }: Told): string {
  const pools = Object.values(details).filter(isPool).length;
  const left = pools - charts.filter(({ id }) => id.startsWith('pool')).length;
  if (left <= 0) return '';
  return `${counted(left, 'pool')} not drawn: at most ${DRAWN_POOLS} are, the worst first, of the first ${POOLS} with figures.`;
}

/** One that tells its figures. `stillMs` is what every pool has, and nothing else. */
function isPool({ data }: Detail): boolean {
  return 'stillMs' in data && typeof data['used'] === 'number';
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

function limitOf(value: unknown, label: string): Chart['limits'] {
  return typeof value === 'number' && value > 0 ? [{ value, label }] : [];
}

/**
 * Stage 4, SERVE, for metrics: Prometheus, through the `prom-client` that the host has. Every value is read when it is
 * scraped; a figure that cannot be read is left out, and the scrape goes on.
 */
import { INSTRUMENTS, type Instrument, type Labels, type View } from './instruments.js';

interface Metric {
  reset(): void;
  set?(labels: Labels, value: number): void;
  inc?(labels: Labels, value: number): void;
}

/** What is used of a registry of `prom-client`, 14 or 15. */
export interface Registry {
  registerMetric(metric: unknown): void;
  getSingleMetric(name: string): unknown;
  removeSingleMetric(name: string): void;
}

type Make = new (settings: object) => Metric;

export interface PromClient {
  readonly register: Registry;
  readonly Gauge: Make;
  readonly Counter: Make;
}

/** Known to other copies of this package too. */
const OURS = Symbol.for('nestjs-vitals.metric');

/**
 * Registers every instrument and returns how to take them out again. What an earlier module registered is replaced; a
 * metric of the host's that has one of our names stays, and `taken` is told of it.
 */
export function exportTo(
  registry: Registry,
  { Gauge, Counter }: PromClient,
  view: () => View,
  taken: (name: string) => void,
): () => void {
  const registered = INSTRUMENTS.flatMap((instrument) => {
    const { name, help, kind, labels } = instrument;
    const before = registry.getSingleMetric(name);
    if (before && !(OURS in (before as object))) return (taken(name), []);
    if (before) registry.removeSingleMetric(name);
    const metric = new (kind === 'gauge' ? Gauge : Counter)({
      name,
      help,
      labelNames: [...labels],
      registers: [],
      collect(this: Metric) {
        fill(this, instrument, view);
      },
    });
    Object.defineProperty(metric, OURS, { value: true });
    registry.registerMetric(metric);
    return [{ name, metric }];
  });
  return () => {
    for (const { name, metric } of registered)
      if (registry.getSingleMetric(name) === metric) registry.removeSingleMetric(name);
  };
}

function fill(metric: Metric, instrument: Instrument, view: () => View): void {
  metric.reset();
  try {
    for (const { labels, value } of instrument.read(view()))
      if (metric.set) metric.set(labels, value);
      else metric.inc?.(labels, value);
  } catch {
    // The scrape is the host's.
  }
}

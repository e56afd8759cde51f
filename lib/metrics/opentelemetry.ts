/**
 * Stage 4, SERVE, for metrics: OpenTelemetry, through the global meter of the `@opentelemetry/api` that the host has.
 */
import { INSTRUMENTS, type Instrument, type Labels, type View } from './instruments.js';

interface Observed {
  observe(instrument: object, value: number, attributes: Labels): void;
}

type Create = (name: string, options: { readonly description: string; readonly unit: string }) => object;

interface Meter {
  createObservableGauge: Create;
  createObservableCounter: Create;
  createObservableUpDownCounter: Create;
  addBatchObservableCallback(callback: (result: Observed) => void, instruments: object[]): void;
  removeBatchObservableCallback(callback: (result: Observed) => void, instruments: object[]): void;
}

export interface OpenTelemetryApi {
  readonly metrics: { getMeter(name: string): Meter };
}

/** What our labels are called in the semantic conventions; the others go below `vitals`. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  pool: 'db.client.connection.pool.name',
};

/** Observes every instrument whenever the host's reader collects; the answer ends that. */
export function observeWith({ metrics }: OpenTelemetryApi, view: () => View): () => void {
  const meter = metrics.getMeter('nestjs-vitals');
  const made = new Map<string, object>();
  for (const instrument of INSTRUMENTS)
    if (!made.has(instrument.otel.name)) made.set(instrument.otel.name, create(meter, instrument));
  const callback = (result: Observed): void => {
    for (const { otel, read } of INSTRUMENTS) {
      try {
        for (const { labels, value } of read(view()))
          result.observe(made.get(otel.name)!, value, attributesOf(labels, otel.attributes));
      } catch {
        // The collection is the host's.
      }
    }
  };
  meter.addBatchObservableCallback(callback, [...made.values()]);
  return () => meter.removeBatchObservableCallback(callback, [...made.values()]);
}

function create(meter: Meter, { help, kind, otel }: Instrument): object {
  const options = { description: help, unit: otel.unit };
  if (kind === 'counter') return meter.createObservableCounter(otel.name, options);
  // Connections add up over processes, delays do not.
  return otel.name.startsWith('db.client.connection.')
    ? meter.createObservableUpDownCounter(otel.name, options)
    : meter.createObservableGauge(otel.name, options);
}

function attributesOf(labels: Labels, more: Labels = {}): Labels {
  const named = Object.entries(labels).map(([label, value]) => [
    ATTRIBUTES[label] ?? `vitals.${label}`,
    value,
  ]);
  return { ...Object.fromEntries(named), ...more };
}

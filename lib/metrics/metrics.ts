/**
 * Stage 4, SERVE, for metrics: finds what the host exports metrics with. Both libraries are optional peers, and neither
 * is loaded unless `metrics` is set.
 */
import type { View } from './instruments.js';
import { observeWith, type OpenTelemetryApi } from './opentelemetry.js';
import { exportTo, type PromClient, type Registry } from './prometheus.js';

/** Where metrics go. */
export interface MetricsOptions {
  /** The registry of `prom-client` that the host scrapes. Default `prom-client`'s own. */
  readonly registry?: Registry;
}

const PROMETHEUS = 'prom-client';
const OPENTELEMETRY = '@opentelemetry/api';

/**
 * Exports to every library that is installed; the answer ends that. Throws where there is none, and where a registry is
 * given without the library it belongs to.
 */
export async function startMetrics(
  { registry }: MetricsOptions,
  view: () => View,
  warn: (text: string) => void,
): Promise<() => void> {
  const prometheus = await peer<PromClient>(PROMETHEUS);
  const api = registry ? null : await peer<OpenTelemetryApi>(OPENTELEMETRY);
  if (!prometheus && !api) {
    const wanted = registry ? PROMETHEUS : `${PROMETHEUS} or ${OPENTELEMETRY}`;
    throw new Error(
      `options.metrics needs ${wanted}, and it is not installed; run: npm install ${wanted.split(' ')[0]}`,
    );
  }
  const taken = (name: string): void =>
    warn(`metrics: ${name} is a metric of the application already; it is left as it is`);
  const ends = [
    ...(prometheus ? [exportTo(registry ?? prometheus.register, prometheus, view, taken)] : []),
    ...(api ? [observeWith(api, view)] : []),
  ];
  return () => {
    for (const end of ends) end();
  };
}

async function peer<T>(name: string): Promise<T | null> {
  try {
    const loaded = (await import(name)) as T & { readonly default?: T };
    return 'default' in loaded && loaded.default ? { ...loaded, ...loaded.default } : loaded;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') return null;
    throw error;
  }
}

/**
 * Stage 4, SERVE, for metrics: one table of what is exported under which names, read from the snapshot that the endpoint
 * answers from. Nothing is measured or asked for a scrape. Pools are named as HikariCP names them (active, idle, pending,
 * max), and for OpenTelemetry as its semantic conventions do (`db.client.connection.*`, `nodejs.eventloop.*`, v1.30).
 */
import type { DataValue, Status } from '../indicators/finding.js';
import type { ResetCount } from '../sources/resets-reading.js';
import type { Detail, Snapshot, VerdictStatus } from '../verdict/snapshot.js';

/** What a scrape reads. */
export interface View {
  readonly snapshot: Snapshot;
  readonly resets: readonly ResetCount[];
  /** Departures from `ok` since the start, by code. */
  readonly incidents: ReadonlyMap<string, number>;
  /** Ends of processes in the last 24 hours but those that somebody asked for; `null` where nobody keeps them. */
  readonly restartsLastDay: number | null;
}

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface Instrument {
  /** For Prometheus. */
  readonly name: string;
  readonly help: string;
  readonly kind: 'gauge' | 'counter';
  readonly labels: readonly string[];
  /** For OpenTelemetry; several instruments of one name differ in `attributes`. */
  readonly otel: { readonly name: string; readonly unit: string; readonly attributes?: Labels };
  read(view: View): readonly Sample[];
}

const VERDICTS: readonly VerdictStatus[] = ['ok', 'degraded', 'error'];
const STATUSES: readonly Status[] = ['up', 'degraded', 'down'];
/** Past this many peers the others are counted together: a label must not grow with the world. */
const MAX_PEERS = 50;

const COUNT = 'vitals.pool';
const STATE = 'db.client.connection.state';

export const INSTRUMENTS: readonly Instrument[] = [
  pool('connections', 'Connections of the pool, used and idle.', COUNT, ['used', 'idle']),
  pool('connections_active', 'Connections that are out.', 'db.client.connection.count', ['used'], {
    [STATE]: 'used',
  }),
  pool('connections_idle', 'Connections that wait for work.', 'db.client.connection.count', ['idle'], {
    [STATE]: 'idle',
  }),
  pool('connections_max', 'The most connections there may be.', 'db.client.connection.max', ['max']),
  pool('connections_pending', 'Callers that wait for one.', 'db.client.connection.pending_requests', [
    'waiting',
  ]),
  pool('connections_creating', 'Connections being opened.', 'vitals.pool.creating', ['opening']),
  poolSeconds('acquire_wait_seconds', 'Mean wait for a connection over the window.', 'acquireWaitMs'),
  poolSeconds('oldest_checkout_seconds', 'How long the oldest checkout has been out.', 'oldestCheckoutMs'),
  poolTotal('checkouts_total', 'Connections handed out.', 'checkouts'),
  poolTotal('create_failures_total', 'Connections that could not be opened.', 'createFailures'),
  poolTotal('timeouts_total', 'Callers whose wait the pool ended by its time limit.', 'timeouts', {
    name: 'db.client.connection.timeouts',
    unit: '{timeout}',
  }),
  loop(
    'delay_p99_seconds',
    'How late the event loop is, 99th percentile.',
    'delay.p99',
    's',
    'p99DelayMs',
    1_000,
  ),
  loop('delay_max_seconds', 'How late the event loop is at most.', 'delay.max', 's', 'maxDelayMs', 1_000),
  loop(
    'utilization_ratio',
    'Share of time the event loop was busy.',
    'utilization',
    '1',
    'utilizationRatio',
    1,
  ),
  {
    ...counter(
      'vitals_resets_total',
      'Connections reset, by whom they were with and what they did.',
      'vitals.resets',
    ),
    labels: ['direction', 'peer', 'phase'],
    read: ({ resets }) => bounded(resets).map(({ total, ...labels }) => ({ labels, value: total })),
  },
  {
    ...counter(
      'vitals_swallowed_errors_total',
      'Uncaught errors that did not end the process.',
      'vitals.swallowed',
    ),
    labels: [],
    read: (view) => figures(view, 'swallowed').flatMap(({ data }) => sample({}, data['total'])),
  },
  {
    ...gauge('vitals_status', 'The verdict: 1 for the one that stands.', 'vitals.status'),
    labels: ['status'],
    read: ({ snapshot }) => VERDICTS.map((status) => one({ status }, status === snapshot.status)),
  },
  {
    ...gauge(
      'vitals_indicator_status',
      'The status of each indicator: 1 for the one that stands.',
      'vitals.indicator',
    ),
    labels: ['indicator', 'status'],
    read: ({ snapshot }) =>
      snapshot.details.flatMap((detail) =>
        STATUSES.map((status) => one({ indicator: detail.name, status }, status === detail.status)),
      ),
  },
  {
    ...counter('vitals_incidents_total', 'Departures from ok since the start, by cause.', 'vitals.incidents'),
    labels: ['code'],
    read: ({ incidents }) => [...incidents].map(([code, value]) => ({ labels: { code }, value })),
  },
  {
    ...gauge(
      'vitals_restarts',
      'Ends of this service in the last 24 hours that nobody asked for.',
      'vitals.restarts',
    ),
    labels: [],
    read: ({ restartsLastDay }) => sample({}, restartsLastDay),
  },
];

type Head = Pick<Instrument, 'name' | 'help' | 'kind' | 'otel'>;

function gauge(name: string, help: string, otel: string, unit = '1'): Head {
  return { name, help, kind: 'gauge', otel: { name: otel, unit } };
}

function counter(name: string, help: string, otel: string): Head {
  return { name, help, kind: 'counter', otel: { name: otel, unit: '1' } };
}

/** The sum of figures of each pool. */
function pool(
  name: string,
  help: string,
  otel: string,
  keys: readonly string[],
  attributes: Labels = {},
): Instrument {
  return {
    ...gauge(`vitals_pool_${name}`, help, otel === COUNT ? `${COUNT}.connections` : otel),
    otel: {
      name: otel === COUNT ? `${COUNT}.connections` : otel,
      unit: otel.endsWith('_requests') ? '{request}' : '{connection}',
      attributes,
    },
    labels: ['pool'],
    read: (view) =>
      pools(view).flatMap(({ name: label, data }) => {
        const all = keys.map((key) => data[key]);
        return sample({ pool: label }, all.every(isCount) ? all.reduce((a, b) => a + b, 0) : null);
      }),
  };
}

function poolSeconds(name: string, help: string, key: string): Instrument {
  return {
    ...gauge(`vitals_pool_${name}`, help, `vitals.pool.${name.replace('_seconds', '')}`, 's'),
    labels: ['pool'],
    read: (view) => pools(view).flatMap((each) => sample({ pool: each.name }, each.data[key], 1_000)),
  };
}

function poolTotal(name: string, help: string, key: string, otel?: Instrument['otel']): Instrument {
  const own = counter(`vitals_pool_${name}`, help, `vitals.pool.${name.replace('_total', '')}`);
  return {
    ...own,
    otel: otel ?? own.otel,
    labels: ['pool'],
    read: (view) => pools(view).flatMap((each) => sample({ pool: each.name }, each.data[key])),
  };
}

function loop(name: string, help: string, otel: string, unit: string, key: string, per: number): Instrument {
  return {
    ...gauge(`vitals_event_loop_${name}`, help, `nodejs.eventloop.${otel}`, unit),
    labels: [],
    read: (view) => figures(view, 'eventLoop').flatMap(({ data }) => sample({}, data[key], per)),
  };
}

function figures({ snapshot }: View, name: string): readonly Detail[] {
  return snapshot.details.filter((detail) => detail.name === name);
}

/** No other indicator tells of connections that are used, and of the most there may be. */
function pools({ snapshot }: View): readonly Detail[] {
  return snapshot.details.filter(({ data }) => 'used' in data && 'max' in data && 'checkouts' in data);
}

function isCount(value: DataValue | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** None of what is not known. */
function sample(labels: Labels, value: DataValue | undefined, per = 1): Sample[] {
  return isCount(value) ? [{ labels, value: value / per }] : [];
}

function one(labels: Labels, isSo: boolean): Sample {
  return { labels, value: isSo ? 1 : 0 };
}

/** The first peers by name, the others as one; in the order they were met in, so that no counter ever falls. */
function bounded(counts: readonly ResetCount[]): ResetCount[] {
  const known = new Set<string>();
  const sums = new Map<string, ResetCount>();
  for (const { direction, peer, phase, total } of counts) {
    if (known.size < MAX_PEERS) known.add(peer);
    const shown = known.has(peer) ? peer : 'other';
    const key = `${direction} ${phase} ${shown}`;
    sums.set(key, { direction, peer: shown, phase, total: total + (sums.get(key)?.total ?? 0) });
  }
  return [...sums.values()];
}

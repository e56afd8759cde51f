/**
 * Stage 4, TELL: a card or a line for each indicator: the number, its threshold and the distance between them. Pure.
 */
import type { DataValue } from '../../indicators/finding.js';
import { html, type Html } from './html.js';
import type { Detail, Told } from './told.js';
import { plain, span, spelled, statusFace, STEPS } from './words.js';

/** A figure and the threshold it is held against, by their keys in `data`, in the order of importance. */
const METERS: readonly (readonly [key: string, limit: string, label: string])[] = [
  ['p99DelayMs', 'thresholdP99DelayMs', 'delay at p99'],
  ['maxDelayMs', 'thresholdMaxDelayMs', 'longest delay'],
  ['used', 'max', 'used'],
  ['stillMs', 'wedgedAfterMs', 'since one came back'],
  ['unopenedMs', 'wedgedAfterMs', 'since one was opened'],
  ['oldestWaiterMs', 'starvedAfterMs', 'longest wait now'],
  ['oldestSilentMs', 'leakAfterMs', 'longest silence of one in use'],
  ['acquireWaitMs', 'slowAfterMs', 'mean wait'],
  ['queryMs', 'slowAfterMs', 'mean query'],
  ['pingMs', 'slowAfterMs', 'last ping'],
  ['worstInWindow', 'degradedAt', 'from one origin'],
  ['inWindow', 'degradedAt', 'swallowed'],
  ['responseMs', 'timeoutMs', 'to answer'],
  ['ageMs', 'downAfterMs', 'since the last reading'],
];

const FACTS: readonly (readonly [key: string, tell: (value: number) => string])[] = [
  ['used', (value) => `${value} used, no max`],
  ['waiting', (value) => `${value} waiting`],
  ['idle', (value) => `${value} idle`],
  ['utilizationRatio', (value) => `${Math.round(value * 100)} % utilized`],
  ['outboundInWindow', (value) => `${value} outbound`],
  ['inboundInWindow', (value) => `${value} by clients`],
  ['total', (value) => `${value} since the start`],
  ['windowMs', (value) => `over ${span(value)}`],
];

interface Meter {
  readonly key: string;
  readonly label: string;
  readonly value: number;
  readonly limit: number;
}

/** More would not be read, and the document has a bound. */
const MAX_CARDS = 8;

/** A card for each that is not up, the worst first, and first of all that of the cause. */
export function cards(told: Told): Html {
  const ill = sorted(told).filter(isCard);
  if (ill.length === 0) return html``;
  return html`<section aria-labelledby="ill">
    <h2 id="ill">What is not up</h2>
    <div class="cards">${ill.map(([name, detail]) => card(name, detail, name === told.cause?.name))}</div>
  </section>`;
}

/** A line for each of the others: the figure that is closest to its threshold. */
export function lines(told: Told): Html {
  const all = sorted(told);
  const rest = all.filter((one, index) => !isCard(one, index));
  if (rest.length === 0) return html``;
  return html`<section aria-labelledby="rest">
    <h2 id="rest">${rest.length < all.length ? 'The other indicators' : 'Indicators'}</h2>
    <ul class="lines">
      ${rest.map(([name, detail]) => line(name, detail))}
    </ul>
  </section>`;
}

function sorted({ details, cause }: Told): [string, Detail][] {
  const severity = { down: 1, degraded: 2, up: 3 };
  const rank = ([name, { status, critical }]: [string, Detail]): number =>
    name === cause?.name ? 0 : severity[status] + (critical ? 0 : 0.5);
  return Object.entries(details).sort((a, b) => rank(a) - rank(b));
}

function isCard([, { status }]: [string, Detail], index: number): boolean {
  return status !== 'up' && index < MAX_CARDS;
}

/** The figures that are over their thresholds, in words. */
export function excesses({ data, status }: Detail): string {
  const over = status === 'up' ? [] : metersOf(data).filter(({ value, limit }) => value >= limit);
  return over.map((meter) => `${told(meter)} ${meter.label} (${limitWords(meter)})`).join(', ');
}

function line(name: string, { status, code, critical, data }: Detail): Html {
  const { look } = statusFace(status);
  const [closest] = byDistance(metersOf(data));
  const facts = closest ? `${limitWords(closest)} · ${distance(closest)}` : factsOf(data).join(' · ');
  return html`<li class="${look}">
    <h3>${title(name, data)}</h3>
    ${pill(status, code)}
    <p>
      ${closest && html`<b>${told(closest)}</b> ${closest.label}${closest.key === 'used' ? ' ' : ' · '}`}<small
        >${facts}${critical ? null : ' · not critical'}</small
      >
    </p>
  </li>`;
}

function title(name: string, { driver }: Detail['data']): Html {
  return html`${name}${typeof driver === 'string' && html` <small>${driver}</small>`}`;
}

function pill(status: Detail['status'], code: string | undefined): Html {
  const { sign, word } = statusFace(status);
  return html`<p class="pill">
    <span aria-hidden="true">${sign}</span> ${word}${code && html` <code>${code}</code>`}
  </p>`;
}

function byDistance(meters: readonly Meter[]): Meter[] {
  return meters.toSorted((a, b) => b.value / b.limit - a.value / a.limit);
}

function card(name: string, detail: Detail, isCause: boolean): Html {
  const { status, code, since, critical, message, data } = detail;
  const { look, word } = statusFace(status);
  const [first, ...more] = metersOf(data);
  const closest = byDistance(more).slice(0, 3);
  const step = code && !isCause && STEPS[code];
  return html`<article class="card ${look}">
    <h3>${title(name, data)}</h3>
    ${pill(status, code)}
    <div class="meters">${first && meter(first, 'first')}${closest.map((one) => meter(one, 'row'))}</div>
    <p class="facts">${factsOf(data).join(' · ')}</p>
    ${message && !isCause && html`<p class="message">${plain(message)}</p>`}
    ${step && html`<p class="message"><b>What to do:</b> ${step}</p>`}
    <p class="facts">${word.toLowerCase()} since ${time(since)}${critical ? null : ' · not critical'}</p>
  </article>`;
}

function metersOf(data: Detail['data']): Meter[] {
  return METERS.flatMap(([key, limitKey, label]) => {
    const [value, limit] = [data[key], data[limitKey]];
    const isMeter = isNumber(value) && isNumber(limit) && limit > 0;
    return isMeter ? [{ key, label, value, limit }] : [];
  });
}

function factsOf(data: Detail['data']): string[] {
  const isTold = (key: string): boolean => key === 'used' && isNumber(data['max']);
  const facts = FACTS.flatMap(([key, tell]) =>
    isNumber(data[key]) && !isTold(key) ? [tell(data[key])] : [],
  );
  if (facts.length > 0 || metersOf(data).length > 0) return facts;
  return Object.entries(data)
    .filter(([, value]) => isNumber(value))
    .slice(0, 6)
    .map(([key, value]) => `${spelled(key)} ${key.endsWith('Ms') ? span(value as number) : value}`);
}

/** The threshold lies at four fifths of the bar, so that there is room beyond it; a full pool has none. */
function meter(one: Meter, size: 'first' | 'row'): Html {
  const { key, label, value, limit } = one;
  const edge = key === 'used' ? 100 : 80;
  const width = Math.min(100, (value / limit) * edge);
  const isOver = value >= limit;
  return html`<div class="meter ${size}${isOver ? ' over' : null}">
    <p><b>${told(one)}</b> <span>${label}</span></p>
    <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" width="100" height="4" />
      <rect class="fill" width="${width.toFixed(1)}" height="4" />
      <rect class="edge" x="${edge - 0.6}" width=".6" height="4" />
    </svg>
    <p class="facts">${limitWords(one)} · ${distance(one)}</p>
  </div>`;
}

function told({ key, value }: Meter): string {
  return key.endsWith('Ms') ? span(value) : String(value);
}

function limitWords({ key, limit }: Meter): string {
  if (key === 'used') return `of ${limit}`;
  return `threshold ${key.endsWith('Ms') ? span(limit) : limit}`;
}

function distance({ key, value, limit }: Meter): string {
  if (key === 'used') return `${Math.max(0, limit - value)} left`;
  const ratio = value / limit;
  if (ratio < 1) return `${Math.floor((1 - ratio) * 100)} % below`;
  return ratio < 1.05 ? 'reached' : `${ratio.toFixed(1)} times that`;
}

/** In UTC as it stands; the page's script says it in the reader's own time. */
export function time(iso: string): Html {
  return html`<time datetime="${iso}">${iso.slice(11, 19)} UTC</time>`;
}

function isNumber(value: DataValue | undefined): value is number {
  return typeof value === 'number';
}

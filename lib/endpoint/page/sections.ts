/**
 * Stage 4, TELL: the verdict, why connections are reset, and what happened when. Pure.
 */
import type { DataValue } from '../../indicators/finding.js';
import { excesses, time } from './cards.js';
import { html, type Html } from './html.js';
import type { Cure, Ended, Incident, Told } from './told.js';
import {
  between,
  counted,
  faceOf,
  headline,
  others,
  plain,
  REMEDIES,
  sentence,
  span,
  statusFace,
  STEPS,
  whoRestarts,
} from './words.js';

const SHOWN_ENTRIES = 12;
const SHOWN_OTHERS = 4;

type Data = { readonly [key: string]: DataValue };

/** The verdict as one sentence with its remedy, and the numbers behind it. */
export function verdict(told: Told, cure: Cure): Html {
  const { look, sign, word } = faceOf(told);
  const own = told.cause && told.details[told.cause.name];
  const all = others(told).map(([name, { code }]) => headline({ name, code: code! }));
  const more =
    all.length > SHOWN_OTHERS
      ? [...all.slice(0, SHOWN_OTHERS), `and ${all.length - SHOWN_OTHERS} more`]
      : all;
  const who = whoRestarts(told, cure);
  const step = told.cause && STEPS[told.cause.code];
  const [why, setting] = (own?.message ? plain(own.message) : own ? excesses(own) : '').split('; set ');
  return html`<header class="verdict ${look}" data-look="${look}" data-sign="${sign}" data-word="${word}">
    <p class="sign" aria-hidden="true">${sign}</p>
    <div>
      <div role="status">
        <p class="word">${word}</p>
        <h1>${sentence(told)}</h1>
      </div>
      ${who && html`<p class="why who">${who}</p>`} ${why && html`<p class="why">${why}</p>`}
      ${setting ? advised(`set ${setting}`) : step && advised(step)}
      ${more.length > 0 && html`<p class="also">Also: ${more.join('; ')}.</p>`}
    </div>
  </header>`;
}

const CAUSES: Readonly<Record<string, string>> = {
  restart: 'the peer restarted or failed over',
  'idle-drop': 'a device between drops idle connections',
  'idle-timeout': 'idle connections are closed after the same silence',
  'read-timeout': 'requests are cut off after the same wait',
  'max-lifetime': 'connections are ended at the same age',
  reachability: 'connections are refused before anything comes back',
  'keep-alive-race': 'kept-alive connections are closed while they are being used',
  'no-pattern': 'no pattern that would name a cause',
  'not-enough-data': 'too few to name a cause',
};

/** Why connections are reset and what to set; the peers only for those who may see them. */
export function causes({ details }: Told): Html {
  const data = details['resets']?.data;
  if (!data) return html``;
  const origins = records(data['origins']).filter(({ direction }) => direction === 'outbound');
  const advice = Array.isArray(data['advice']) ? data['advice'] : [];
  const isHidden = !Array.isArray(data['origins']) && Number(data['total']) > 0;
  if (origins.length === 0 && advice.length === 0 && !isHidden) return html``;
  return html`<section aria-labelledby="resets">
    <h2 id="resets">Why connections are reset</h2>
    ${isHidden && html`<p>${data['total']} since the start. Whose they are, and what to set, is shown where <code>details</code> is <code>full</code>.</p>`}
    <ul class="list">
      ${origins.map(origin)}
      ${advice.map(
        (line) =>
          html`<li>
            <h3>Configuration</h3>
            <p>${line}</p>
          </li>`,
      )}
    </ul>
  </section>`;
}

function origin({ peer, pool, driver, inWindow, total, cause, setting }: Data): Html {
  const of = pool ? html` <small>pool ${pool}, ${driver}</small>` : null;
  return html`<li>
    <h3>${peer}${of}</h3>
    <p>
      ${counted(Number(inWindow), 'reset')} in the window, ${total} since the start. Cause:
      ${causeWords(cause)}.
    </p>
    ${typeof setting === 'string' && advised(setting)}
  </li>`;
}

function advised(setting: string): Html {
  return setting.startsWith('set ')
    ? html`<p class="setting"><b>Set</b> <code>${setting.slice('set '.length)}</code></p>`
    : html`<p class="setting"><b>What to do:</b> ${setting}</p>`;
}

function causeWords(value: DataValue | undefined): string {
  const [cause] = records([value ?? null]);
  if (!cause) return 'not known';
  const { name, fromMs, toMs, known, share, events } = cause;
  const words = CAUSES[String(name)] ?? String(name);
  const limit = typeof fromMs === 'number' && typeof toMs === 'number' ? `, ${between(fromMs, toMs)}` : '';
  const of = Number(share) > 0 ? `, ${Math.round(Number(share) * 100)} % of ${events} ends` : '';
  return `${words}${limit}${known ? ` (${known})` : ''}${of}`;
}

interface Entry {
  readonly at: string;
  readonly look: string;
  readonly sign: string;
  readonly what: string;
  readonly more: string;
  /** It lasts. */
  readonly isOpen?: boolean;
}

/** What the timeline tells. */
export interface Happened {
  readonly told: Told;
  readonly isFull: boolean;
  readonly incidents: readonly Incident[];
  /** How long the disk has not answered for when they were last asked for, ms; `null` when it has. */
  readonly incidentsLateMs: number | null;
  readonly ends: readonly Ended[];
}

/** What happened, the latest first: departures from `ok`, the ends of processes before this one, and its start. */
export function timeline(happened: Happened): Html {
  const { told, incidents, incidentsLateMs, isFull } = happened;
  const startedAt = new Date(Date.parse(told.checkedAt) - told.uptimeSeconds * 1000).toISOString();
  const entries: Entry[] = [
    ...incidents.map((one) => incidentEntry(one, isFull)),
    ...endsOf(happened).map((one) => endEntry(one, isFull)),
    { at: startedAt, look: 'calm', sign: '↑', what: 'This process started', more: restarts(told) },
  ];
  const shown = latest(entries);
  const late = incidentsLateMs !== null && incidentsLateMs > 0;
  return html`<section aria-labelledby="happened">
    <h2 id="happened">What happened</h2>
    ${late && html`<p class="also">The disk has not answered for ${span(incidentsLateMs)}: the latest incidents may be missing.</p>`}
    <ol class="list timeline">
      ${shown.map(
        ({ at, look, sign, what, more }) =>
          html`<li class="${look}">
            <span class="sign" aria-hidden="true">${sign}</span>
            <div>
              <h3>${what}</h3>
              <p>${time(at)}${more && ` · ${more}`}</p>
            </div>
          </li>`,
      )}
    </ol>
    ${entries.length > shown.length && html`<p class="also">${entries.length - shown.length} earlier are not shown.</p>`}
  </section>`;
}

/** What lasts stays, however long ago it began. */
function latest(entries: readonly Entry[]): Entry[] {
  const byTime = (a: Entry, b: Entry): number => Date.parse(b.at) - Date.parse(a.at);
  return entries
    .toSorted((a, b) => Number(b.isOpen ?? false) - Number(a.isOpen ?? false) || byTime(a, b))
    .slice(0, SHOWN_ENTRIES)
    .sort(byTime);
}

function incidentEntry(one: Incident, isFull: boolean): Entry {
  const { at, indicator, code, status, remedy, message, returns, ended } = one;
  const { look, sign, word } = statusFace(status);
  const end = ended ? `${ended.how} after ${span(ended.lastedMs)}` : 'it lasts';
  const again = returns ? `, came back ${counted(returns, 'time')}` : '';
  const why = isFull && message ? ` · ${plain(message)}` : '';
  const what = `${word}: ${headline({ name: indicator, code })}`;
  return { at, look, sign, what, more: `${end}${again} · ${REMEDIES[remedy]}${why}`, isOpen: !ended };
}

const ENDED_BY: Readonly<Record<string, string>> = {
  watchdog: 'The watchdog ended a process',
  recovery: 'The recovery ended a process',
  crash: 'A process crashed',
  stop: 'A process was stopped',
  exit: 'A process exited by itself',
  killed: 'A process was killed',
};

/** Where no others are known, the one before this that the answer tells of. */
function endsOf({ ends, told: { previous } }: Happened): readonly Ended[] {
  if (ends.length > 0 || !previous) return ends;
  return [{ ...previous, ranMs: previous.ranSeconds * 1000 }];
}

function endEntry({ by, code, message, at, ranMs, pid }: Ended, isFull: boolean): Entry {
  const face = by === 'stop' ? { look: 'calm', sign: '↓' } : { look: 'bad', sign: '✕' };
  // Of ours the subject is in the code; of others every word counts.
  const isOurs = by === 'recovery' || by === 'watchdog';
  const why = isOurs && message ? plain(message) : message;
  const words = isFull ? [pid && `pid ${pid}`, why].filter(Boolean) : [];
  const more = [`${code}, after ${span(ranMs)}`, ...words].join(' · ');
  return { at, ...face, what: ENDED_BY[by] ?? `A process ended: ${by}`, more };
}

function restarts({ restarts: known }: Told): string {
  if (!known) return '';
  const { lastDay, byVitalsLastHour, refused } = known;
  const refusal = typeof refused === 'string' ? `: ${refused}` : '';
  return [
    lastDay === undefined ? '' : `${counted(lastDay, 'restart')} in the last day`,
    byVitalsLastHour ? `${byVitalsLastHour} by vitals in the last hour` : '',
    refused ? `a restart is due and refused${refusal}` : '',
  ]
    .filter(Boolean)
    .join(', ');
}

function records(value: DataValue | undefined): Data[] {
  if (!Array.isArray(value)) return [];
  return value.filter((one): one is Data => typeof one === 'object' && one !== null && !Array.isArray(one));
}

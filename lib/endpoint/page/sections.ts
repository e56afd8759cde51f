/**
 * Stage 4, TELL: the verdict, why connections are reset, and what happened when. Pure.
 */
import type { DataValue } from '../../indicators/finding.js';
import { excesses, time } from './cards.js';
import { html, type Html } from './html.js';
import type { Incident, Told } from './told.js';
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
} from './words.js';

const SHOWN_INCIDENTS = 12;
const SHOWN_OTHERS = 4;

type Data = { readonly [key: string]: DataValue };

/** The verdict as one sentence with its remedy, and the numbers behind it. */
export function verdict(told: Told): Html {
  const { look, sign, word } = faceOf(told);
  const own = told.cause && told.details[told.cause.name];
  const all = others(told).map(([name, { code }]) => headline({ name, code: code! }));
  const more =
    all.length > SHOWN_OTHERS
      ? [...all.slice(0, SHOWN_OTHERS), `and ${all.length - SHOWN_OTHERS} more`]
      : all;
  const [why, setting] = (own?.message ? plain(own.message) : own ? excesses(own) : '').split('; set ');
  return html`<header class="verdict ${look}" data-look="${look}" data-sign="${sign}" data-word="${word}">
    <p class="sign" aria-hidden="true">${sign}</p>
    <div>
      <div role="status">
        <p class="word">${word}</p>
        <h1>${sentence(told)}</h1>
      </div>
      ${why && html`<p class="why">${why}</p>`} ${setting && advised(`set ${setting}`)}
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
}

/** What happened, the latest first: departures from `ok`, the end of the process before, and the start of this one. */
export function timeline(told: Told, incidents: readonly Incident[], isFull: boolean): Html {
  const startedAt = new Date(Date.parse(told.checkedAt) - told.uptimeSeconds * 1000).toISOString();
  const entries: Entry[] = [
    ...incidents.map((one) => incidentEntry(one, isFull)),
    ...endEntry(told),
    { at: startedAt, look: 'calm', sign: '↑', what: 'This process started', more: restarts(told) },
  ];
  const latest = entries.sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, SHOWN_INCIDENTS);
  return html`<section aria-labelledby="happened">
    <h2 id="happened">What happened</h2>
    <ol class="list timeline">
      ${latest.map(
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
  </section>`;
}

function incidentEntry(one: Incident, isFull: boolean): Entry {
  const { at, indicator, code, status, remedy, message, returns, ended } = one;
  const { look, sign, word } = statusFace(status);
  const end = ended ? `${ended.how} after ${span(ended.lastedMs)}` : 'it lasts';
  const again = returns ? `, came back ${counted(returns, 'time')}` : '';
  const why = isFull && message ? ` · ${plain(message)}` : '';
  const what = `${word}: ${headline({ name: indicator, code })}`;
  return { at, look, sign, what, more: `${end}${again} · ${REMEDIES[remedy]}${why}` };
}

const ENDED_BY: Readonly<Record<string, string>> = {
  watchdog: 'The watchdog ended the process before',
  recovery: 'The recovery ended the process before',
  crash: 'The process before crashed',
  stop: 'The process before was stopped',
  exit: 'The process before exited by itself',
  killed: 'The process before was killed',
};

function endEntry({ previous }: Told): Entry[] {
  if (!previous) return [];
  const { by, code, message, at, ranSeconds } = previous;
  const face = by === 'stop' ? { look: 'calm', sign: '↓' } : { look: 'bad', sign: '✕' };
  const more = `${code}, after ${span(ranSeconds * 1000)}${message ? ` · ${message}` : ''}`;
  return [{ at, ...face, what: ENDED_BY[by] ?? `The process before ended: ${by}`, more }];
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

/**
 * Stage 4, TELL: the page for people, as a document of its own, and what it asks for every few seconds. Pure.
 */
import type { Series } from '../../sources/history.js';
import { cards, lines, time } from './cards.js';
import { chartsOf, undrawn } from './charts.js';
import { html, Html, json } from './html.js';
import { SCRIPT } from './script.js';
import { causes, timeline, verdict, type Happened } from './sections.js';
import { STYLE } from './style.js';
import type { Cure } from './told.js';
import { faceOf, HEADLINES, PENDING, REMEDIES, span } from './words.js';

/** What the page tells, for one audience. */
export interface Content extends Happened {
  /** Which process it is: only for those who may see everything. */
  readonly self: { readonly host: string; readonly pid: number };
  readonly cure: Cure;
}

/** The last hour, or the end of it that the asker has not seen. */
export interface Past {
  /** Another process, another one. */
  readonly run: string;
  readonly first: number;
  readonly series: readonly Series[];
  /** How many slots an hour has, and how long one is. */
  readonly slots: number;
  readonly slotMs: number;
}

/** The whole document, with the headers that are its own. `nonce` must be new each time. */
export function documentOf(
  content: Content,
  nonce: string,
): { readonly body: string; readonly headers: Readonly<Record<string, string>> } {
  const { word } = faceOf(content.told);
  const body = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>${word} · health</title>
        <link rel="icon" id="icon" href="data:," />
        <style nonce="${nonce}">
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        <main>
          <div class="bar">
            <p id="live" role="status">As of ${time(content.told.checkedAt)}</p>
            <button type="button" id="pause" hidden>Pause</button>
          </div>
          <div id="top">${top(content)}</div>
          <section id="charts" aria-labelledby="hour" hidden>
            <h2 id="hour">The last hour</h2>
            <div class="cards" id="plots"></div>
            <p class="facts" id="undrawn"></p>
          </section>
          <div id="more">${more(content)}</div>
        </main>
        <footer>
          <p>For machines the same URL answers JSON: <code>Accept: application/json</code></p>
        </footer>
        <script type="application/json" id="boot">
          ${json({ headlines: HEADLINES, remedies: REMEDIES, pending: PENDING })}
        </script>
        <script nonce="${nonce}">
          ${new Html(SCRIPT)};
        </script>
      </body>
    </html>`;
  return { body: body.text, headers: headersOf(nonce) };
}

/** The JSON answer with the parts of the page as they are now. */
export function updateOf(content: Content, { series, ...past }: Past): string {
  const { told, isFull } = content;
  const charts = chartsOf(series, told, isFull);
  const page = {
    ...past,
    top: top(content).text,
    more: more(content).text,
    charts,
    undrawn: undrawn(charts, told),
    values: Object.fromEntries(series.map(({ id, values }) => [id, values])),
  };
  return JSON.stringify({ ...told, page });
}

function top({ told, isFull, self, cure }: Content): Html {
  const { checkedAt, uptimeSeconds, stale } = told;
  const who = isFull ? ` · host ${self.host} · pid ${self.pid}` : null;
  return html`${verdict(told, cure)}
    <p class="facts">
      Last reading ${time(checkedAt)}${stale ? ', stale' : null} · up for ${span(uptimeSeconds * 1000)}${who}
    </p>
    ${cards(told)}`;
}

function more(content: Content): Html {
  const { told } = content;
  return html`${lines(told)}${causes(told)}${timeline(content)}`;
}

/**
 * Nothing but our own two elements, and answers of our own origin. The icon is data, because a browser that finds none
 * asks the host for `/favicon.ico`.
 */
function headersOf(nonce: string): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    `script-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policy.join('; '),
    'Referrer-Policy': 'no-referrer',
  };
}

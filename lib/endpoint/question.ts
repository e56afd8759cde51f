/**
 * Stage 4, TELL: what a request asks for. Pure: from method, URL and Accept header to a question, or to "not ours".
 */

/** Which of the three URLs. */
export type Route = 'health' | 'live' | 'ready';

/** The representation asked for. */
export type Format = 'json' | 'health+json' | 'text' | 'html';

/** A request to the endpoint, understood. */
export interface Question {
  readonly route: Route;
  readonly format: Format;
  /** `?verbose`: a text answer names every indicator. */
  readonly verbose: boolean;
  /** `?exclude=name`, repeatable: judged as if those indicators were not there. */
  readonly exclude: readonly string[];
  /** `?page=...` of a JSON answer: the page asks for its parts, from what it has already; else absent. */
  readonly page?: string;
}

const SUFFIXES: ReadonlyMap<string, Route> = new Map([
  ['', 'health'],
  ['/', 'health'],
  ['/live', 'live'],
  ['/live/', 'live'],
  ['/ready', 'ready'],
  ['/ready/', 'ready'],
]);

/** Longer ones are read up to here: nobody makes us parse kilobytes. */
const MAX_HEADER_CHARS = 512;
const MAX_EXCLUDES = 32;

/** The route that `url` names below `path`, or `null` when it is somebody else's. Cheap: it is run for every request. */
export function routeOf(url: string, path: string): Route | null {
  // The absolute form, `GET http://host/path`, is what a proxy may send, and every server must take it.
  const start = url.startsWith('http') ? url.indexOf('/', url.indexOf('://') + 3) : 0;
  if (start === -1 || !url.startsWith(path, start)) return null;
  const end = start + path.length;
  const query = url.indexOf('?', end);
  const suffix = query === -1 ? url.slice(end) : url.slice(end, query);
  return SUFFIXES.get(suffix) ?? null;
}

/** Understands a request to `route`. Unknown query keys are ignored. */
export function questionOf(route: Route, url: string, accept: string | undefined): Question {
  const mark = url.indexOf('?');
  const query = mark === -1 ? null : new URLSearchParams(url.slice(mark + 1, mark + 1 + MAX_HEADER_CHARS));
  const format = formatOf(accept);
  return {
    route,
    // What stands behind the other two routes is a machine, whatever it says.
    format: format === 'html' && route !== 'health' ? 'json' : format,
    verbose: query !== null && query.has('verbose') && query.get('verbose') !== 'false',
    exclude: query ? [...new Set(query.getAll('exclude'))].slice(0, MAX_EXCLUDES).sort() : [],
    page: format === 'json' && route === 'health' ? (query?.get('page') ?? undefined) : undefined,
  };
}

/**
 * JSON unless another of our types is named and wanted no less. A wildcard, nothing, or nonsense means JSON: a
 * health endpoint never answers 406.
 */
export function formatOf(accept: string | undefined): Format {
  if (!accept || accept === '*/*') return 'json';
  let anything = 0;
  const wanted: Record<Format, number> = { json: 0, 'health+json': 0, text: 0, html: 0 };
  for (const part of accept.slice(0, MAX_HEADER_CHARS).toLowerCase().split(',')) {
    const [type, ...parameters] = part.split(';').map((piece) => piece.trim());
    const format = FORMATS.get(type ?? '');
    if (type === '*/*') anything = qualityOf(parameters);
    if (format) wanted[format] = Math.max(wanted[format], qualityOf(parameters));
  }
  const { json, text, html } = wanted;
  if (wanted['health+json'] > 0 && wanted['health+json'] >= Math.max(json, text, html)) return 'health+json';
  if (html > Math.max(json, text) && html >= anything) return 'html';
  return text > json ? 'text' : 'json';
}

const FORMATS: ReadonlyMap<string, Format> = new Map([
  ['application/json', 'json'],
  ['application/health+json', 'health+json'],
  ['text/plain', 'text'],
  ['text/html', 'html'],
]);

function qualityOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => parameter.startsWith('q='));
  if (given === undefined) return 1;
  const quality = Number(given.slice(2));
  return quality >= 0 && quality <= 1 ? quality : 0;
}

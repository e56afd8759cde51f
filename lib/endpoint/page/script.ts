/**
 * Stage 4, TELL: what the page does in a browser: asks for itself while somebody looks, changes what has changed, draws
 * the charts, and says when no answer comes. A text, since it must reach the browser as it stands here, whatever bundles
 * or instruments this module; test/page runs it in a real one.
 */
export const SCRIPT = String.raw`
(() => {
'use strict';
const EVERY = 2000, PATIENCE = 6000, SVG = 'http://www.w3.org/2000/svg';
const $ = (id) => document.getElementById(id);
const boot = JSON.parse($('boot').textContent);
const runs = new Map();
let run = null, newest = 0, isShared = false, isPaused = false, timer = 0, asking = null, hour = null;
/* When the whole page was answered last, when anything was, and since when nothing is; and what was said last. */
let answeredAt = new Date(), heardAt = answeredAt, silentAt = 0, known = '';

const make = (tag, attributes = {}, ...children) => {
  const isDrawn = /^(svg|path|line|rect|pattern)$/.test(tag);
  const node = isDrawn ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  node.append(...children);
  return node;
};

/* Changes a node into another and leaves alone what is the same: focus, selection and what a screen reader has read. */
const morph = (old, now) => {
  if (old.nodeName !== now.nodeName) return old.replaceWith(now);
  if (old.nodeType === 3) { if (old.data !== now.data) old.data = now.data; return; }
  for (const { name } of [...old.attributes]) if (!now.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const [before, after] = [[...old.childNodes], [...now.childNodes]];
  after.forEach((node, i) => (before[i] ? morph(before[i], node) : old.append(node)));
  before.slice(after.length).forEach((node) => node.remove());
};
const put = (id, markup) => {
  const now = $(id).cloneNode(false);
  now.innerHTML = markup;
  clocks(now);
  morph($(id), now);
};

const minute = { hour: '2-digit', minute: '2-digit' };
const clock = (date) => {
  const day = date.toDateString() === new Date().toDateString() ? {} : { day: 'numeric', month: 'short' };
  return date.toLocaleString([], { ...day, ...minute, second: '2-digit', timeZoneName: 'short' });
};
const clocks = (root) => root.querySelectorAll('time').forEach((one) => { one.textContent = clock(new Date(one.dateTime)); });
const say = (text) => { if ($('live').textContent !== text) $('live').textContent = text; };
const lose = (text) => { document.body.classList.add('lost'); say(text); };

const face = () => {
  const { look, sign, word } = document.querySelector('.verdict').dataset;
  document.title = word + ' · ' + location.host;
  const colorOf = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
  const color = colorOf('--' + look);
  $('icon').href = 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="' + SVG + '" viewBox="0 0 16 16"><circle cx="8" cy="8" r="8" fill="' +
    color + '"/><text x="8" y="12" font-size="11" font-weight="700" text-anchor="middle" fill="' + colorOf('--bg') + '">' + sign + '</text></svg>');
};

/* A verdict that does not come from the page's own parts. */
const overrule = (sign, word, sentence, ...lines) => {
  const header = document.querySelector('.verdict');
  header.className = 'verdict bad';
  Object.assign(header.dataset, { look: 'bad', sign, word });
  const texts = { '.sign': sign, '.word': word, h1: sentence };
  for (const part in texts) if (header.querySelector(part).textContent !== texts[part]) header.querySelector(part).textContent = texts[part];
  header.lastElementChild.replaceChildren(header.querySelector('[role]'), ...lines.map((line) => make('p', { class: 'why' }, ...line)));
  face();
};
const remember = () => {
  heardAt = new Date();
  silentAt = 0;
  known = document.querySelector('.word').textContent + '. ' + document.querySelector('h1').textContent;
};

/* An answer without the page's parts: given from outside the event loop, while that is blocked. */
const tellPlain = ({ status, cause, remedy, blocked }) => {
  const what = cause ? (boot.headlines[cause.code] || '%: ' + cause.code).replace('%', () => cause.name) : 'The service says ' + status;
  const isBlocked = cause?.code === 'LOOP_BLOCKED';
  const ending = isBlocked && remedy === 'none' ? boot.pending : boot.remedies[remedy] || boot.remedies.none;
  overrule('✕', 'Down', what + '; ' + ending + '.', ...(cause ? [[make('code', {}, cause.code), blocked ? ' ' + blocked : '']] : []));
  remember();
  lose('Answered ' + (isBlocked ? 'by the watchdog' : 'in short') + '; the rest is as of ' + clock(answeredAt));
};

/* No answer, or none of ours. One that came too late is bad luck: the verdict waits for as long as an answer may take. */
const miss = (askedAt) => {
  silentAt ||= askedAt;
  lose('No answer since ' + clock(heardAt));
  const ms = Date.now() - silentAt;
  if (ms < PATIENCE) return;
  const lasted = ms < 120000 ? Math.round(ms / 1000) + ' s' : Math.round(ms / 60000) + ' min';
  overrule('?', 'No answer', 'No answer for ' + lasted + '; the service hangs or is gone.', ['Last known at ' + clock(heardAt) + ': ' + known],
    ["The cause is in the probe's last line: ", make('code', {}, "docker inspect --format '{{json .State.Health}}' CONTAINER")]);
};

const tell = (answer) => {
  const page = answer.page;
  if (!page) return answer.status ? tellPlain(answer) : Promise.reject();
  document.body.classList.remove('lost');
  answeredAt = new Date();
  put('top', page.top);
  put('more', page.more);
  face();
  remember();
  isShared ||= run !== page.run && runs.has(page.run);
  say(isShared ? 'Live: answers come from ' + runs.size + ' processes in turn' : 'Live');
  const points = runs.get(page.run) || new Map();
  runs.set(page.run, points);
  if (runs.size > 8) runs.delete(runs.keys().next().value);
  run = page.run;
  for (const id in page.values) {
    const known = points.get(id) || [];
    points.set(id, known);
    page.values[id].forEach((value, i) => { known[page.first + i] = value; newest = page.first + i; });
    for (const slot in known) if (slot <= newest - page.slots) delete known[slot]; else break;
  }
  hour = { points, last: newest, at: answeredAt, slots: page.slots, slotMs: page.slotMs };
  page.charts.forEach(draw);
  const ids = page.charts.map(({ id }) => 'chart-' + id);
  [...$('plots').children].forEach((figure) => ids.includes(figure.id) || figure.remove());
  const ordered = ids.map($);
  /* Who has the focus there would lose it. */
  if (ordered.some((figure, i) => figure !== $('plots').children[i]) && !$('plots').contains(document.activeElement)) $('plots').append(...ordered);
  $('charts').hidden = ids.length === 0;
  $('undrawn').textContent = page.undrawn;
};

const ask = async () => {
  clearTimeout(timer);
  if (document.hidden || isPaused || asking) return;
  const mine = (asking = new AbortController()), askedAt = Date.now();
  const limit = setTimeout(() => mine.abort('late'), PATIENCE);
  try {
    const query = new URLSearchParams(location.search);
    query.set('page', run ? run + '-' + newest : '');
    const response = await fetch('?' + query, { headers: { Accept: 'application/json' }, cache: 'no-store', signal: mine.signal });
    await tell(await response.json());
  } catch {
    if (mine.signal.reason !== 'left') miss(askedAt);
  }
  clearTimeout(limit);
  asking = null;
  clearTimeout(timer);
  if (!document.hidden && !isPaused) timer = setTimeout(ask, EVERY);
};
const leave = () => { clearTimeout(timer); silentAt = 0; if (asking) asking.abort('left'); };

document.addEventListener('visibilitychange', () => (document.hidden ? leave() : ask()));
$('pause').hidden = false;
$('pause').addEventListener('click', () => {
  isPaused = !isPaused;
  $('pause').textContent = isPaused ? 'Resume' : 'Pause';
  if (isPaused) { leave(); say('Paused at ' + clock(new Date())); } else ask();
});

const UNITS = {
  ms: (v) => (v < 1000 ? +v.toFixed(v < 10 ? 1 : 0) + ' ms' : +(v / 1000).toFixed(1) + ' s'),
  ratio: (v) => Math.round(v * 100) + ' %',
  count: (v) => String(+v.toFixed(1)),
};
const slotsOf = (id) => Array.from({ length: hour.slots }, (_, i) => hour.points.get(String(id))?.[hour.last - hour.slots + 1 + i] ?? null);
const timeOf = (i) => new Date(hour.at - (hour.slots - 1 - i) * hour.slotMs).toLocaleTimeString([], minute);
/* More peers than looks are summed: see stacked(). */
const PEERS = 4, UNNAMED = { others: 's4', clients: 's5' };
const classOf = (label, n) => UNNAMED[label] || 's' + n;
const highest = (values) => values.reduce((top, v, i) => (v !== null && (top < 0 || v > values[top]) ? i : top), -1);

/* Steps, because one value stands for a whole slot; a gap where nothing was noted. */
const steps = (values, y) => values.map((v, i) => v === null ? '' : (i && values[i - 1] !== null ? 'V' : 'M' + i + ',') + y(v) + 'H' + (i + 1)).join('');
const areas = (low, high, y) => high.map((v, i) => v > low[i] ? 'M' + i + ',' + y(low[i]) + 'V' + y(v) + 'H' + (i + 1) + 'V' + y(low[i]) + 'Z' : '').join('');

/* Nobody notes a peer without resets: it had none where others were noted. */
const stacked = (all) => {
  const isNoted = (i) => all.some(({ values }) => values[i] !== null);
  const busy = all.filter(({ values }) => values.some((v) => v > 0))
    .map(({ label, values }) => ({ label, values: values.map((v, i) => v ?? (isNoted(i) ? 0 : null)) }));
  const total = ({ values }) => values.reduce((sum, v) => sum + v, 0);
  const named = busy.filter(({ label }) => !UNNAMED[label]);
  const kept = named.toSorted((a, b) => total(b) - total(a)).slice(0, PEERS);
  const rest = busy.filter((one) => !kept.includes(one) && one.label !== 'clients');
  const others = rest.length ? [{ label: 'others', values: rest[0].values.map((v, i) => v === null ? v : rest.reduce((sum, { values }) => sum + values[i], 0)) }] : [];
  return [...named.filter((one) => kept.includes(one)), ...others, ...busy.filter(({ label }) => label === 'clients')];
};

const draw = (chart) => {
  const unit = UNITS[chart.unit];
  const all = chart.series.map(({ id, label }) => ({ label, values: slotsOf(id) }));
  const series = chart.kind === 'stack' ? stacked(all) : all;
  const sums = all[0].values.map((_, i) => series.reduce((sum, { values }) => sum + (values[i] || 0), 0));
  const peak = Math.max(1, ...(chart.kind === 'stack' ? sums : series.flatMap(({ values }) => values)));
  /* A limit far above everything would press the lines to the floor. */
  const limits = chart.limits.map((limit, n) => ({ ...limit, look: n ? 'limit far' : 'limit', isNear: !n || peak > limit.value / 3 }));
  const near = limits.filter(({ isNear }) => isNear);
  const top = chart.unit === 'ratio' ? 1 : Math.ceil(Math.max(peak, ...near.map(({ value }) => value * 1.1)));
  const y = (v) => (98 - (v / top) * 96).toFixed(1);
  const figure = $('chart-' + chart.id) || figureOf(chart);
  const svg = figure.querySelector('.plot');
  svg.setAttribute('aria-label', chart.title + ' in the last hour, told below');
  svg.replaceChildren(...near.map(({ value, look }) => make('line', { class: look, x1: 0, x2: hour.slots, y1: y(value), y2: y(value) })), ...marks(chart, series, y));
  figure.querySelector('figcaption b').textContent = chart.title;
  figure.querySelector('figcaption span').textContent = '0 to ' + unit(top);
  figure.querySelector('.key').replaceChildren(...keys(chart, series, limits, unit));
  if (figure.querySelector('details').open) fill(figure, series, unit);
  figure.shown = { series, unit };
};
const marks = (chart, series, y) => {
  let low = hour && Array(hour.slots).fill(0);
  return series.flatMap(({ label, values }, n) => {
    const cls = classOf(label, n);
    if (chart.kind !== 'stack') {
      const under = areas(low, values, y);
      return [...(n ? [] : [make('path', { class: 'under ' + cls, d: under })]), make('path', { class: cls, d: steps(values, y) })];
    }
    const high = low.map((v, i) => v + (values[i] || 0));
    const path = make('path', { class: 'stack ' + cls, d: areas(low, high, y) });
    low = high;
    return [path];
  });
};
/* Patterns, because colors may not be seen, or not be there. */
const FILLS = ['', 'M0,6L6,0M-1,1L1,-1M5,7L7,5', 'M2,3H4', 'M0,3H6', 'M0,6L6,0M0,0L6,6', 'M3,0V6'];
document.body.append(make('svg', { class: 'fills', width: 0, height: 0, 'aria-hidden': 'true' }, ...FILLS.map((d, n) =>
  make('pattern', { id: 'fill' + n, class: 's' + n, width: 6, height: 6, patternUnits: 'userSpaceOnUse' },
    make('rect', { class: d && 'tint', width: 6, height: 6 }), make('path', { d })))));
/* The legend says in words what the lines say. */
const keys = (chart, series, limits, unit) => {
  const items = series.map(({ label, values }, n) => [label, said(values, unit), classOf(label, n)]);
  items.push(...limits.map(({ label, value, look, isNear }) => [label, unit(value) + (isNear ? '' : ', above this scale'), look]));
  if (items.length === 0) return [make('li', {}, 'None')];
  const isStack = chart.kind === 'stack';
  return items.map(([label, words, cls]) => make('li', {}, make('svg', { class: 'plot', viewBox: '0 0 14 6', 'aria-hidden': 'true' },
    make('path', { class: (isStack ? 'stack ' : '') + cls, d: isStack ? 'M0,0H14V6H0Z' : 'M0,3H14' })), make('b', {}, label), ' ' + words));
};
const said = (values, unit) => {
  const at = highest(values), now = values.findLast((v) => v !== null);
  return at < 0 ? 'not noted yet' : unit(now) + (values[at] > now ? ', highest ' + unit(values[at]) + ' at ' + timeOf(at) : '');
};
const figureOf = (chart) => {
  const svg = make('svg', { class: 'plot', viewBox: '0 0 ' + hour.slots + ' 100', preserveAspectRatio: 'none', role: 'img' });
  const table = make('details', {}, make('summary', {}, 'In figures'), make('table'));
  const figure = make('figure', { id: 'chart-' + chart.id }, make('figcaption', {}, make('b'), make('span')), svg,
    make('div', { class: 'axis', 'aria-hidden': 'true' }, make('span', {}, 'an hour ago'), make('span', { class: 'then' }), make('span', {}, 'now')),
    make('ul', { class: 'key' }), table);
  table.addEventListener('toggle', () => table.open && fill(figure, figure.shown.series, figure.shown.unit));
  svg.addEventListener('pointermove', (event) => read(figure, svg, event));
  svg.addEventListener('pointerleave', () => { figure.querySelector('.then').textContent = ''; svg.querySelector('.rule')?.remove(); });
  $('plots').append(figure);
  return figure;
};
const read = (figure, svg, { clientX }) => {
  const { left, width } = svg.getBoundingClientRect();
  const i = Math.max(0, Math.min(hour.slots - 1, Math.floor(((clientX - left) / width) * hour.slots)));
  const { series, unit } = figure.shown;
  const there = series.filter(({ values }) => values[i] !== null).map(({ label, values }) => label + ' ' + unit(values[i]));
  figure.querySelector('.then').textContent = timeOf(i) + ': ' + (there.join(', ') || 'nothing');
  svg.querySelector('.rule')?.remove();
  svg.append(make('line', { class: 'rule', x1: i + .5, x2: i + .5, y1: 0, y2: 100 }));
};
/* The highest of every five minutes, the latest first. */
const fill = (figure, series, unit) => {
  const step = hour.slots / 12;
  const head = make('tr', {}, make('th', { scope: 'col' }, 'Five minutes to'), ...series.map(({ label }) => make('th', { scope: 'col' }, label)));
  const rows = Array.from({ length: 12 }, (_, n) => hour.slots - n * step).map((end) => make('tr', {}, make('th', { scope: 'row' }, timeOf(end - 1)),
    ...series.map(({ values }) => {
      const span = values.slice(end - step, end), at = highest(span);
      return make('td', {}, at < 0 ? '–' : unit(span[at]));
    })));
  figure.querySelector('table').replaceChildren(head, ...rows);
};

clocks(document);
face();
remember();
ask();
})();
`.replace(/^\s+|^\/\*.*\*\/$/gm, '');

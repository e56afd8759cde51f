/**
 * Every host keeps its own routes as they are without us, and the endpoint answers as if the host were not there.
 */
import assert from 'node:assert/strict';
import { adapterOf } from '../build.mjs';
import { ask } from '../client.mjs';
import { appModuleOf, hosts } from '../hosts.mjs';
import { inParallel, until } from '../tally.mjs';

const PATHS = ['/api/v1/health', '/api/v1/health/ready', '/api/v1/health/live'];
const [HEALTH, READY, LIVE] = PATHS;

/** Runs the table on one adapter; `width` hosts at a time. */
export async function testHosts(nest, tally, { adapter, folder, width = 4 }) {
  const names = hosts(nest, { folder, adapter, log: [] });
  const works = names.flatMap(({ name, only }, index) => {
    if (only && only !== adapter) return [];
    if (!tally.wants(`${adapter} | ${name} |`)) return [];
    return [() => testHost(nest, tally, { adapter, folder, index, name })];
  });
  await inParallel(width, works);
}

async function testHost(nest, tally, { adapter, folder, index, name }) {
  const title = (claim) => `${adapter} | ${name} | ${claim}`;
  const claim = (text, prove) => tally.claim(title(text), prove);
  let host;
  await claim('boots', async () => {
    host = await start(nest, { adapter, folder, index });
  });
  if (!host) return;
  try {
    await claim('200 with the untouched body while up', () => answersWhileUp(host));
    await claim('HEAD is GET without the body', () => headIsGet(host));
    await claim('OPTIONS answers what GET does', () => optionsIsGet(host));
    if (!host.isBehind) await claim('405 to other methods', () => refusesOthers(host));
    await claim('never 304', () => neverNotModified(host));
    await claim('a slash at the end and a query', () => acceptsSlashAndQuery(host));
    await claim('a page to a browser, by itself and by what it asks for', () => answersBrowsers(host));
    await claim('503 with the untouched body while down, and back', () => answersWhileDown(host));
    await claim('the host’s routes are as without the module', () =>
      leavesTheRest(nest, host, { adapter, folder, index }),
    );
  } finally {
    await claim('closes', () => host.app.close());
  }
}

async function start(nest, { adapter, folder, index, isBare = false }) {
  const log = [];
  const shape = hosts(nest, { folder, adapter, log })[index];
  const flag = { isUp: true };
  const vitals = nest.vitals.VitalsModule.forRoot({
    everyMs: 200,
    eventLoop: false,
    resets: false,
    swallowed: false,
    drain: false,
    checks: { switchable: { check: () => flag.isUp, everyMs: 100, failAfter: 1, recoverAfter: 1 } },
    ...shape.options,
  });
  const Root = appModuleOf(nest, shape, isBare ? null : vitals);
  const httpAdapter = adapterOf(nest, adapter, shape[adapter]);
  const app = await nest.core.NestFactory.create(Root, httpAdapter, { logger: false, abortOnError: false });
  await shape.configure?.(app, adapter);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address();
  const get = (path, options) => ask(port, `${shape.through ?? ''}${path}`, options);
  return { app, port, log, shape, flag, get, isBehind: Boolean(shape.behind ?? shape.through) };
}

async function fresh(host, path, status, options) {
  // On a busy machine a snapshot may be late, and says so in the body: then it is asked for again.
  return until(
    () => host.get(path, options),
    (answer) => answer.status === status && !answer.body.includes('"stale":true'),
    `${options?.method ?? 'GET'} ${path} ${status}`,
  );
}

async function answersWhileUp(host) {
  for (const path of PATHS) {
    const { headers, body } = await fresh(host, path, 200);
    assertOwnHeaders(host, headers, Buffer.byteLength(body), 'ok');
    const { status, info, error, details, phase, cause, remedy } = JSON.parse(body);
    const names = path === LIVE ? [] : ['switchable'];
    assert.deepEqual(
      { status, error, phase, cause, remedy },
      { status: 'ok', error: {}, phase: 'running', cause: null, remedy: 'none' },
    );
    assert.deepEqual([Object.keys(info), Object.keys(details)], [names, names]);
    if (path !== LIVE) assert.equal(details.switchable.status, 'up');
    assert.equal(headers['retry-after'], undefined);
  }
}

async function answersWhileDown(host) {
  host.flag.isUp = false;
  for (const path of [HEALTH, READY]) {
    const { headers, body } = await fresh(host, path, 503);
    assertOwnHeaders(host, headers, Buffer.byteLength(body), 'error; switchable=CHECK_FAILED');
    assert.match(headers['retry-after'], /^\d+$/);
    const { status, info, error, details, cause, remedy } = JSON.parse(body);
    assert.deepEqual({ status, info, remedy }, { status: 'error', info: {}, remedy: 'none' });
    assert.deepEqual(cause, { name: 'switchable', code: 'CHECK_FAILED' });
    assert.deepEqual(error, details);
    assert.deepEqual([details.switchable.status, details.switchable.code], ['down', 'CHECK_FAILED']);
  }
  const live = await host.get(LIVE);
  assert.deepEqual([live.status, live.json().status], [200, 'ok']);
  host.flag.isUp = true;
  await fresh(host, READY, 200);
}

function assertOwnHeaders(host, headers, length, health) {
  assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(headers['cache-control'], 'no-cache, no-store, must-revalidate');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['x-health-status'], health);
  assert.equal(headers['content-length'], String(length));
  assert.match(headers['vary'], /\baccept\b/i);
  for (const name of ['etag', 'last-modified', 'set-cookie']) assert.equal(headers[name], undefined, name);
  if (host.isBehind) return;
  const foreign = Object.keys(headers).filter((name) =>
    /^(x-powered-by|x-ratelimit|access-control|content-security)/.test(name),
  );
  assert.deepEqual(foreign, []);
}

/** A snapshot may be followed by the next between two requests: then both are asked again. */
async function samePair(host, path, method) {
  return until(
    async () => {
      const before = await host.get(path);
      const other = await host.get(path, { method });
      const after = await host.get(path);
      return { before, other, after };
    },
    ({ before, after }) => before.body === after.body && before.status === 200,
    `two equal answers around ${method} ${path}`,
  );
}

async function headIsGet(host) {
  for (const path of PATHS) {
    if (host.isBehind && host.shape.fastify?.exposeHeadRoutes === false) continue;
    const { before, other } = await samePair(host, path, 'HEAD');
    assert.deepEqual([other.status, other.body], [200, '']);
    assert.deepEqual(withoutDate(other.headers), withoutDate(before.headers));
  }
}

async function optionsIsGet(host) {
  const { before, other } = await samePair(host, HEALTH, 'OPTIONS');
  assert.deepEqual([other.status, other.body], [before.status, before.body]);
  assert.equal(other.headers['allow'], 'GET, HEAD, OPTIONS');
  const preflight = { origin: 'https://shop.example', 'access-control-request-method': 'GET' };
  if (!host.isBehind)
    assert.equal((await host.get(HEALTH, { method: 'OPTIONS', headers: preflight })).status, 200);
}

async function refusesOthers(host) {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    const body = method === 'DELETE' ? undefined : JSON.stringify({ a: 1 });
    const headers = { 'content-type': 'application/json' };
    const { status, headers: answered } = await host.get(READY, { method, body, headers });
    assert.deepEqual([method, status, answered['allow']], [method, 405, 'GET, HEAD, OPTIONS']);
  }
}

async function neverNotModified(host) {
  const headers = { 'if-none-match': '*', 'if-modified-since': new Date(Date.now() + 60_000).toUTCString() };
  for (const path of PATHS) await fresh(host, path, 200, { headers });
}

async function acceptsSlashAndQuery(host) {
  const isStrict = host.isBehind && host.shape.name === 'strict routing';
  for (const path of PATHS) {
    for (const url of [`${path}?a=1&b[]=2`, ...(isStrict ? [] : [`${path}/`, `${path}/?x`])])
      await fresh(host, url, 200);
  }
}

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

async function answersBrowsers(host) {
  const { headers, body } = await fresh(host, HEALTH, 200, { headers: { accept: BROWSER } });
  assert.equal(headers['content-type'], 'text/html; charset=utf-8');
  assert.match(headers['content-security-policy'], /^default-src 'none'; style-src 'nonce-/);
  assert.match(headers['vary'], /\baccept\b/i);
  assert.ok(body.includes('All is well; there is nothing to do.'), body.slice(0, 200));
  const asked = await fresh(host, `${HEALTH}?page=`, 200);
  assert.match(asked.json().page.top, /All is well/);
  for (const path of [READY, LIVE])
    assert.match((await host.get(path, { headers: { accept: BROWSER } })).headers['content-type'], /json/);
}

const OTHERS = [
  '/',
  '/healthy',
  '/api/v1/healthy',
  '/api/v1/healthy/',
  '/api/v1/health/other',
  '/api/v1',
  '/api/v1/health-check',
];

/** The same requests to the same host without the module, in the same order, have the same answers. */
async function leavesTheRest(nest, host, { adapter, folder, index }) {
  const { own, headers, denied } = host.shape;
  const bare = await start(nest, { adapter, folder, index, isBare: true });
  try {
    for (const path of [own, ...OTHERS]) {
      const [ours, theirs] = [await host.get(path, { headers }), await bare.get(path, { headers })];
      assert.deepEqual({ path, ...plain(ours) }, { path, ...plain(theirs) });
      if (path === own)
        assert.equal(theirs.status, denied ? 401 : 200, 'the host itself is not what its table says');
    }
    const preflight = { origin: 'https://shop.example', 'access-control-request-method': 'GET' };
    const [ours, theirs] = [
      await host.get(own, { method: 'OPTIONS', headers: preflight }),
      await bare.get(own, { method: 'OPTIONS', headers: preflight }),
    ];
    assert.deepEqual(plain(ours), plain(theirs));
    assert.deepEqual(host.log, bare.log, 'the host’s logger saw other requests than its own');
  } finally {
    await bare.app.close();
  }
}

function plain({ status, headers, body }) {
  return { status, headers: withoutDate(headers), body: body.replace(/"timestamp":"[^"]*"/, '') };
}

function withoutDate({ date: _date, 'x-ratelimit-reset': _reset, 'retry-after': _retry, ...headers }) {
  return headers;
}

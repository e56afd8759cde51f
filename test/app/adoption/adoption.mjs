/**
 * The promise of the package, in one flow: an application installed from the tarball, a real database, and a pool that
 * is leaked dry; then a database that goes away and comes back.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../../tool/pack.mjs';
import { ask } from '../client.mjs';
import { freePort } from '../fixture/free-port.mjs';
import { until } from '../tally.mjs';
import { Newcomer } from './newcomer.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const FORMATS = { nest10: 'cjs', nest11: 'cjs', nest12: 'mjs' };
const PATHS = ['/api/v1/health', '/api/v1/health/ready', '/api/v1/health/live'];

/** One database, and beside each other one application for every Nest and driver. */
export async function testAdoption(tally, { node, folders }) {
  const apps = folders.flatMap((folder) => ['pg', 'knex'].map((driver) => ({ folder, driver })));
  const title = ({ folder, driver }, claim) => `adoption | ${folder.split('/').pop()} ${driver} | ${claim}`;
  const wanted = apps.filter((app) => tally.wants(title(app, '')) || tally.wants(title(app, 'POOL_WEDGED')));
  // The page is for Nest 10.
  const fixture = folders.find((folder) => folder.endsWith('nest10') && tally.wants('adoption | newcomer'));
  if (wanted.length === 0 && !fixture) return;
  const database = await speaking(process.execPath, [join(ROOT, 'example-app', 'postgres.mjs')], {
    cwd: ROOT,
  });
  const newcomer = fixture && new Newcomer(fixture);
  const follows = (claim, prove) => newcomer && tally.claim(`adoption | newcomer | ${claim}`, prove);
  try {
    const { port, user, password, database: name } = await database.next();
    const connection = { host: '127.0.0.1', port, user, password, database: name };
    await Promise.all(wanted.map((app) => begin(app, node, connection)));
    await follows('the diffs of docs/adoption.md fit a plain Nest 10 application, which compiles', () =>
      newcomer.build(),
    );
    await follows('started as it says, it is healthy by its probe', async () => {
      newcomer.start(node, connection, await freePort());
      await newcomer.becomesHealthy();
    });
    const everywhere = (claim, prove) =>
      Promise.all(wanted.map((app) => tally.claim(title(app, claim), () => prove(app))));
    await everywhere('the endpoint answers 200', isWell);
    await everywhere('a leak is 503 POOL_WEDGED, remedy restart, on /ready and /live', leaks);
    await everywhere('giving the connections back is 200 again', heals);
    database.say('stop');
    await database.next();
    await everywhere('without the database /ready is 503 DB_UNREACHABLE and /live 200', misses);
    await follows('without its databases it is unhealthy in the words of the page, and lives', () =>
      newcomer.losesItsDatabases(),
    );
    database.say('start');
    await database.next();
    await everywhere('with the database back all is 200 again', isWell);
    await everywhere('the process ends by itself when told to', ends);
    await follows('with the databases back it is healthy, and SIGTERM ends it in order', async () => {
      await newcomer.becomesHealthy();
      await newcomer.endsOnSigterm();
    });
  } finally {
    newcomer?.clear();
    for (const { process: app } of wanted) app?.end();
    database.end();
  }
}

async function begin(app, node, connection) {
  const format = FORMATS[app.folder.split('/').pop()];
  // It lies in the fixture, so that it imports what is installed there.
  copyFileSync(join(HERE, 'app.mjs'), join(app.folder, 'adoption.mjs'));
  const env = { ...process.env, FORMAT: format, DRIVER: app.driver, PG: JSON.stringify(connection) };
  app.process = await speaking(node, ['adoption.mjs'], { cwd: app.folder, env });
  app.port = (await app.process.next()).port;
}

/** 200 comes first; `ok` when the waiting that was has left the window of the readings. */
async function isWell({ port }) {
  for (const path of PATHS) {
    const isOk = ({ status, body }) => status === 200 && JSON.parse(body).status === 'ok';
    await until(() => ask(port, path), isOk, `200 and ok from ${path}`, 40_000);
  }
  assert.equal((await ask(port, PATHS[0])).json().details.main.status, 'up');
  assert.deepEqual((await ask(port, '/sick/query')).json(), { done: true });
}

async function leaks({ port }) {
  assert.equal((await ask(port, '/sick/leak')).json().leaked, 4);
  for (const path of PATHS) {
    const wedged = ({ status, body }) => status === 503 && body.includes('POOL_WEDGED');
    const { body, headers } = await until(() => ask(port, path), wedged, `POOL_WEDGED from ${path}`, 30_000);
    const { remedy, details } = JSON.parse(body);
    assert.deepEqual([remedy, details.main.code, details.main.remedy], ['restart', 'POOL_WEDGED', 'restart']);
    assert.equal(headers['x-health-status'], 'error; main=POOL_WEDGED; remedy=restart');
  }
}

async function heals(app) {
  assert.equal((await ask(app.port, '/sick/heal')).status, 200);
  await isWell(app);
}

async function misses({ port }) {
  const gone = ({ status, body }) => status === 503 && body.includes('DB_UNREACHABLE');
  const { body } = await until(() => ask(port, PATHS[1]), gone, 'DB_UNREACHABLE from /ready', 30_000);
  const { remedy, details } = JSON.parse(body);
  assert.deepEqual([remedy, details.main.code, details.main.remedy], ['none', 'DB_UNREACHABLE', 'none']);
  assert.equal((await ask(port, PATHS[2])).status, 200);
  assert.equal((await ask(port, PATHS[0])).status, 503);
}

async function ends({ process: app }) {
  app.end();
  assert.equal(await app.ended, 0, app.said());
}

/** A program that answers with lines of JSON and ends when its input does. */
async function speaking(program, args, options) {
  const child = spawn(program, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  const ended = new Promise((resolve) => child.on('close', resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${args[0]} ended: ${said}`);
    return value.startsWith('{') ? JSON.parse(value) : next();
  };
  return {
    next,
    ended,
    said: () => said,
    say: (line) => child.stdin.write(`${line}\n`),
    end: () => child.stdin.end(),
  };
}

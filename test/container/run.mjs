// The probe and the deployment files in a real Docker engine: `node test/container/run.mjs`, as root on Linux.
// Debian's packages: docker.io docker-compose busybox-static curl (and haproxy nginx-light, to check their files).
// One line per claim; ends with `N passed, N failed`.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CACHE, ROOT, pack } from '../tool/pack.mjs';
import { cases as deployCases } from './deploy.mjs';
import { startEngine } from './engine.mjs';
import { build, importAlpine, importDistroless, makeContext } from './image.mjs';
import { cases as probeCases } from './probe.mjs';
import { startRegistry } from './registry.mjs';
import { cases as todayCases } from './today.mjs';

/** More at once than this, and two cores only make each other late. */
const AT_ONCE = 3;
const count = { passed: 0, failed: 0 };
const startedAt = Date.now();
let undo = [];

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, async () => {
    await cleanUp();
    process.exit(1);
  });
}

const engine = await startEngine().catch((error) => skip(error.message));
if (engine) {
  undo.push(() => engine.stop());
  try {
    await all(await prepare());
  } catch (error) {
    fail('the engine, the base images and the service are ready', error);
  } finally {
    await cleanUp();
  }
}
const seconds = Math.round((Date.now() - startedAt) / 1000);
console.log(`${seconds} s\n${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed > 0 ? 1 : 0;

/** The service's image from its own Dockerfile: everything else stands on it. */
async function prepare() {
  const { path } = pack();
  const database = await startPostgres();
  const registry = await startRegistry({
    from: join(ROOT, 'example-app'),
    roots: [
      '@nestjs/common',
      '@nestjs/core',
      '@nestjs/platform-express',
      'knex',
      'pg',
      'reflect-metadata',
      'rxjs',
    ].concat(['typescript', '@types/node']),
    tarballs: [path],
  });
  undo.push(() => registry.stop());
  say(
    `Docker ${engine.version}, ${path.replace(`${CACHE}/`, '')}, ${registry.count} packages served on loopback`,
  );
  await Promise.all([importAlpine(engine), importDistroless(engine)]);
  const context = await makeContext(engine, ROOT, registry);
  await build(engine, context, 'service', join(context, 'deploy/Dockerfile.alpine'));
  pass('a service whose Dockerfile runs `npx --no vitals install` is built without a network');
  const given = { engine, context, database, root: ROOT };
  return [...deployCases(given), ...probeCases(given), ...todayCases(given)];
}

async function all(cases) {
  const queue = cases.values();
  const workers = Array.from({ length: AT_ONCE }, async () => {
    for (const { title, run } of queue) {
      const from = Date.now();
      try {
        pass(title, await run(), Date.now() - from);
      } catch (error) {
        fail(title, error);
      }
    }
  });
  await Promise.all(workers);
}

/** The example's own PostgreSQL, on this machine's loopback: the containers share its network. */
async function startPostgres() {
  const child = spawn(process.execPath, [join(ROOT, 'example-app/postgres.mjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = new Promise((done) => child.on('exit', done));
  undo.push(async () => {
    child.stdin.end();
    await ended;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const { user, password, port, database } = JSON.parse(line);
    return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
  }
  throw new Error('PostgreSQL did not start');
}

/** Last in, first out; each only once, and all of them whatever one of them does. */
async function cleanUp() {
  const steps = undo.reverse();
  undo = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      fail('everything that was started is ended', error);
    }
  }
}

function skip(why) {
  if (process.env.CI) return fail('a Docker engine starts', new Error(why));
  say(`SKIPPED, ALL OF IT: no Docker engine of our own can start here: ${why}`);
  return undefined;
}

function pass(title, seen, ms) {
  count.passed++;
  say(
    `ok     ${title}${ms === undefined ? '' : ` (${(ms / 1000).toFixed(1)} s)`}${seen ? `\n         ${seen}` : ''}`,
  );
}

function fail(title, error) {
  count.failed++;
  say(`FAILED ${title}\n         ${error.message.replaceAll('\n', '\n         ')}`);
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

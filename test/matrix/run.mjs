// What a hang of each kind comes to in a real Docker engine, by who is process 1 and by what it may do:
// `node test/matrix/run.mjs [--only WORD]`, as root on Linux. Debian's packages: docker.io busybox-static curl.
// Prints one row per case, the record of one hang as an operator sees it, and ends with `N passed, N failed`.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { importAlpine, ALPINE } from '../container/image.mjs';
import { startEngine } from '../container/engine.mjs';
import { ROOT, pack } from '../tool/pack.mjs';
import { fromOutside, HANGS, positive } from './hangs.mjs';
import { negatives } from './negatives.mjs';
import { tatApi } from './tat-api.mjs';
import { unshared } from './unshare.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
/** More at once than this, and two cores only make each other late. */
const AT_ONCE = 3;
const FIRSTS = ['node', 'npm', 'init'];
const USERS = ['root', 'uid 1000'];
const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const count = { passed: 0, failed: 0 };
const startedAt = Date.now();

const engine = await startEngine().catch((error) => {
  if (process.env.CI) fail('a Docker engine starts', error);
  else say(`SKIPPED, ALL OF IT: no Docker engine of our own can start here: ${error.message}`);
});
if (engine) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => void engine.stop().finally(() => process.exit(1)));
  try {
    await importAlpine(engine);
    const given = { engine, image: ALPINE, service: makeService(), root: ROOT };
    say(`Docker ${engine.version}, Node ${process.version}\n`);
    await all(casesFor(given).filter(({ title }) => title.includes(values.only)));
  } catch (error) {
    fail('the engine, the image and the service are ready', error);
  } finally {
    await engine.stop();
  }
}
say(`\n${Math.round((Date.now() - startedAt) / 1000)} s\n${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed > 0 ? 1 : 0;

function casesFor(given) {
  const rows = Object.keys(HANGS).flatMap((hang) =>
    FIRSTS.flatMap((first) => USERS.map((user) => positive(given, { hang, first, user }))),
  );
  const bare = Object.keys(HANGS).flatMap((hang) =>
    FIRSTS.flatMap((first) => USERS.map((user) => unshared(given, { hang, first, user }))),
  );
  const outside = FIRSTS.flatMap((first) =>
    USERS.map((user) => fromOutside(given, { hang: 'loop', first, user })),
  );
  return [tatApi(given), ...negatives(given), ...rows, ...bare, ...outside];
}

/** The service as it is mounted into every container: the packed library, and the app of the matrix. */
function makeService() {
  const service = join(engine.dir, 'service');
  const library = join(service, 'node_modules/nestjs-vitals');
  mkdirSync(library, { recursive: true });
  execFileSync('tar', ['xzf', pack().path, '--strip-components=1', '-C', library]);
  for (const file of ['app.cjs', 'database.cjs']) cpSync(join(HERE, file), join(service, file));
  const scripts = { 'start:prod': 'node app.cjs' };
  writeFileSync(join(service, 'package.json'), JSON.stringify({ name: 'tat-api', private: true, scripts }));
  return service;
}

async function all(cases) {
  const queue = cases.values();
  const work = async () => {
    for (const { title, run } of queue) {
      try {
        pass(title, await run());
      } catch (error) {
        fail(title, error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function pass(title, seen) {
  count.passed++;
  say(`ok     ${title.padEnd(44)} ${seen}`);
}

function fail(title, error) {
  count.failed++;
  say(`FAILED ${title}\n         ${error.message.replaceAll('\n', '\n         ')}`);
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

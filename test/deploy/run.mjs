// The host-side fallbacks against a real Docker engine: `node test/deploy/run.mjs [words of a title]`, as root on Linux.
// Debian's packages: docker.io docker-compose busybox-static haproxy shellcheck systemd util-linux.
// One line per claim; ends with `N passed, N failed`.
import { startEngine } from '../container/engine.mjs';
import { endAll, prepare } from './monitor.mjs';
import { cases as restartCases } from './restarts.mjs';
import { aloneCases, cases as otherCases } from './surroundings.mjs';

/** More at once than this, and two cores only make each other late. */
const AT_ONCE = 3;
const asked = process.argv.slice(2).join(' ');
const count = { passed: 0, failed: 0 };
const startedAt = Date.now();

const engine = await startEngine().catch((error) => skip(error.message));
if (engine) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => cleanUp().finally(() => process.exit(1)));
  try {
    await prepare(engine);
    console.log(`Docker ${engine.version}`);
    await all([...restartCases(engine), ...otherCases(engine)], AT_ONCE);
    await all(aloneCases(engine), 1);
  } catch (error) {
    fail('the engine and its image are ready', error);
  } finally {
    await cleanUp();
  }
}
console.log(`${Math.round((Date.now() - startedAt) / 1000)} s`);
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed > 0 ? 1 : 0;

async function cleanUp() {
  await endAll().catch((error) => fail('every monitor ends', error));
  await engine.stop();
}

async function all(cases, atOnce) {
  const queue = cases.filter(({ title }) => title.includes(asked)).values();
  const workers = Array.from({ length: atOnce }, async () => {
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

function skip(why) {
  if (process.env.CI) return fail('a Docker engine starts', new Error(why));
  console.log(`SKIPPED, ALL OF IT: no Docker engine of our own can start here: ${why}`);
  return undefined;
}

function pass(title, seen, ms) {
  count.passed++;
  console.log(`ok     ${title} (${(ms / 1000).toFixed(1)} s)${seen ? `\n         ${seen}` : ''}`);
}

function fail(title, error) {
  count.failed++;
  console.log(`FAILED ${title}\n         ${error.message.replaceAll('\n', '\n         ')}`);
}

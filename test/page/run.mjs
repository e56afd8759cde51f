/**
 * The page in a real Chromium: what people see in every state, and what it asks for.
 *
 *   node test/page/run.mjs [--only pattern] [--screenshots docs/pictures]
 *
 * With `--screenshots` it draws the pictures of the documentation and claims nothing.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { Tally } from '../app/tally.mjs';
import { CACHE, ROOT, run } from '../tool/pack.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const { values } = parseArgs({
  options: { only: { type: 'string' }, screenshots: { type: 'string' } },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
if (spawnSync(CHROMIUM, ['--version']).status !== 0) {
  console.log(`THE PAGE IS NOT TESTED: ${CHROMIUM} is no Chromium (apt-get install chromium)`);
  // In CI that is a failure: there it must be tested.
  process.exit(process.env.CI ? 1 : 0);
}
run(process.execPath, [join(ROOT, 'test', 'tool', 'build.mjs')], ROOT);
const folder = installed();
const { chromium } = createRequire(join(folder, 'package.json'))('playwright-core');
// Root may not use the sandbox; what is loaded is our own page.
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
try {
  if (values.screenshots) {
    const { draw } = await import('./pictures.mjs');
    await draw(browser, resolve(values.screenshots));
  } else {
    await test();
  }
} finally {
  await browser.close();
}
// A claim that failed may have left its service behind.
process.exit();

async function test() {
  const { testStates } = await import('./looks.mjs');
  const { testLife } = await import('./life.mjs');
  const tally = new Tally('page |', values.only);
  const axe = readFileSync(join(folder, 'node_modules', 'axe-core', 'axe.min.js'), 'utf8');
  await testStates(browser, tally, { axe });
  await testLife(browser, tally, { axe });
  for (const { title, why } of tally.failures) console.log(`FAILED ${title}\n${why}\n`);
  console.log(`${tally.passed} passed, ${tally.failures.length} failed`);
  process.exitCode = tally.failures.length > 0 || tally.passed === 0 ? 1 : 0;
}

/** The browser's driver and axe, as locked. */
function installed() {
  const cached = join(CACHE, 'page');
  const source = join(HERE, 'fixture');
  const lock = readFileSync(join(source, 'package-lock.json'), 'utf8');
  const stamp = join(cached, 'node_modules', '.lock');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    rmSync(cached, { recursive: true, force: true });
    mkdirSync(cached, { recursive: true });
    cpSync(source, cached, { recursive: true });
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], cached);
    cpSync(join(source, 'package-lock.json'), stamp);
  }
  return cached;
}

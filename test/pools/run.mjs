/**
 * Every driver's pool through every scenario, against a real server where there is one and a stand-in elsewhere:
 *
 *   node test/pools/run.mjs [--only postgres,mysql,tds,mongo,redis,redis-cluster,oracle] [--jobs 2]
 *
 * Prints what was expected and what was got, and ends with `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { inParallel } from '../app/tally.mjs';
import { CACHE, ROOT, run } from '../tool/pack.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const GROUPS = ['postgres', 'mysql', 'tds', 'mongo', 'redis', 'redis-cluster', 'oracle'];
const STAND_INS = ['tds', 'mongo', 'oracle'];
/** Far more than a group takes, however slow the machine. */
const LIMIT_MS = 480_000;

const { values } = parseArgs({
  options: { only: { type: 'string' }, driver: { type: 'string' }, jobs: { type: 'string', default: '3' } },
});
const startedAt = Date.now();
run(process.execPath, [join(ROOT, 'test', 'tool', 'build.mjs')], ROOT);
const folder = installed();
const queue = GROUPS.filter((name) => !values.only || values.only.split(',').includes(name));
const rows = [];
await inParallel(
  Number(values.jobs),
  Array.from({ length: Number(values.jobs) }, () => async () => {
    for (let group = queue.shift(); group; group = queue.shift()) rows.push(...(await outcomes(group)));
  }),
);
rows.sort((a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group) || a.name.localeCompare(b.name));
process.exitCode = report() ? 0 : 1;

/** The drivers as locked, and beside them what imports them. */
function installed() {
  const target = join(CACHE, 'pools');
  const source = join(HERE, 'fixture');
  const folders = ['.', 'mikro-orm7'];
  const locks = folders.map((folder) => readFileSync(join(source, folder, 'package-lock.json'), 'utf8'));
  const stamp = join(target, 'node_modules', '.lock');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== locks.join('')) {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    cpSync(source, target, { recursive: true });
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    for (const folder of folders) run('npm', ['ci', ...options], join(target, folder));
    writeFileSync(stamp, locks.join(''));
  }
  for (const from of [join(HERE, '..', 'coverage'), HERE])
    for (const file of readdirSync(from).filter((name) => name.endsWith('.mjs')))
      cpSync(join(from, file), join(target, file));
  return target;
}

async function outcomes(group) {
  const script = join(ROOT, 'example-app', 'postgres.mjs');
  const args = [join(folder, 'group.mjs'), group, join(ROOT, 'dist', 'cjs'), script];
  if (values.driver) args.push(values.driver);
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const found = [];
  let said = '';
  child.stderr.on('data', (chunk) => (said = `${said}${chunk}`.slice(-4_000)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) found.push(JSON.parse(line));
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  const skipped = found.find((row) => row.skipped)?.skipped;
  // In CI nothing is skipped.
  if (skipped && !process.env.CI) return (console.log(`${group} is not tested: ${skipped}`), []);
  if (code !== 0 || skipped)
    found.push({
      group,
      name: group,
      scenario: 'all',
      expected: 'an end',
      got: `${skipped ?? code}`,
      why: said,
    });
  return found;
}

function report() {
  console.log(line('driver', 'scenario', 'expected', 'got'));
  for (const { group, name, scenario, expected, got, queued, why } of rows) {
    const shown = STAND_INS.includes(group) ? `${name} (stand-in)` : name;
    const seen = queued ? `${got}, ${queued}` : got;
    console.log(line(shown, scenario, expected, why ? `${seen} FAILED: ${why}` : seen));
  }
  const failed = rows.filter(({ why }) => why).length;
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  const pools = new Set(rows.filter(({ name }) => !name.startsWith('all of ')).map(({ name }) => name));
  console.log(`${pools.size} pools in ${seconds} s`);
  console.log(`${rows.length - failed} passed, ${failed} failed`);
  return failed === 0 && rows.length > 0;
}

function line(driver, scenario, expected, got) {
  return `${driver.padEnd(38)}${scenario.padEnd(16)}${expected.padEnd(18)} ${got}`;
}

/**
 * The metrics of a real Nest application, scraped over HTTP and collected by OpenTelemetry's SDK:
 *
 *   node test/metrics/run.mjs
 *
 * Needs `promtool` (Debian: prometheus). Ends with `N passed, N failed`.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE, pack, run } from '../tool/pack.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const SPEC = 'claims.cjs';
const count = { passed: 0, failed: 0 };

const folder = installed('metrics', true);
const bare = installed('metrics-bare', false);
const { stdout, status, stderr } = spawnSync(process.execPath, [join(folder, SPEC)], {
  encoding: 'utf8',
  env: { ...process.env, BARE: join(bare, 'bare.cjs') },
  timeout: 120_000,
});
process.stdout.write(stdout);
for (const [, word] of stdout.matchAll(/^(ok|FAILED) /gm)) count[word === 'ok' ? 'passed' : 'failed']++;
if (status !== 0 || count.passed === 0) {
  count.failed++;
  console.log(`FAILED the claims end with exit code 0, not ${status}\n${stderr}`);
}
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed > 0 ? 1 : 0;

/** The library as it is packed, beside what it exports to, or beside nothing; Nest is found in the folder above. */
function installed(name, hasPeers) {
  const target = join(CACHE, name);
  const fixture = join(HERE, 'fixture');
  const lock = readFileSync(join(fixture, 'package-lock.json'), 'utf8');
  const stamp = join(target, '.lock');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    if (hasPeers) {
      cpSync(fixture, target, { recursive: true });
      run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], target);
    }
    // Without a package of its own the folder would belong to the repository, whose name is the library's.
    else writeFileSync(join(target, 'package.json'), '{}');
    cpSync(join(fixture, 'package-lock.json'), stamp);
  }
  const library = join(target, 'node_modules/nestjs-vitals');
  rmSync(library, { recursive: true, force: true });
  mkdirSync(library, { recursive: true });
  execFileSync('tar', ['xzf', pack().path, '--strip-components=1', '-C', library]);
  for (const file of [SPEC, 'bare.cjs']) cpSync(join(HERE, file), join(target, file));
  cpSync(join(HERE, '..', 'matrix', 'database.cjs'), join(target, 'database.cjs'));
  return target;
}

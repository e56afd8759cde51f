/**
 * The package as it would be published: what is in it, what its types are worth, what tools say of it.
 *
 *   node test/package/run.mjs [--only PATTERN] [--committed]
 */
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { install, NESTS } from '../app/fixtures.mjs';
import { Tally } from '../app/tally.mjs';
import { CACHE, pack, run } from '../tool/pack.mjs';
import { testContents } from './contents.mjs';
import { testManagers } from './managers.mjs';
import { testTypes } from './types.mjs';

const { values } = parseArgs({
  options: { only: { type: 'string' }, committed: { type: 'boolean', default: false } },
});
const HERE = dirname(fileURLToPath(import.meta.url));
const startedAt = Date.now();

const packed = pack({ isCommitted: values.committed });
const folders = await Promise.all(NESTS.map((name) => install(name, packed)));
console.log(
  `${packed.report.filename}: ${packed.report.size} bytes packed, ${packed.report.unpackedSize} unpacked, ${packed.report.entryCount} files`,
);

const tally = new Tally('', values.only);
await testContents(tally, { packed, folder: folders[0] });
await testManagers(tally, { packed });
await testTypes(tally, { folders, compilers: compilers() });

for (const { title, why } of tally.failures)
  console.log(`\nnot ok - ${title}\n${why.replace(/^/gm, '    ')}`);
console.log(`\npackage checks in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
console.log(`${tally.passed} passed, ${tally.failures.length} failed`);
process.exitCode = tally.failures.length === 0 && tally.passed > 0 ? 0 : 1;

/** TypeScript 5 and 7 beside each other, apart from the repository's own. */
function compilers() {
  const folder = join(CACHE, 'compilers');
  const lock = join(HERE, 'compilers', 'package-lock.json');
  const installed = join(folder, 'package-lock.json');
  const isThere =
    existsSync(join(folder, 'node_modules', 'typescript7')) &&
    readFileSync(installed, 'utf8') === readFileSync(lock, 'utf8');
  if (isThere) return folder;
  mkdirSync(folder, { recursive: true });
  cpSync(join(HERE, 'compilers'), folder, { recursive: true });
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], folder);
  return folder;
}

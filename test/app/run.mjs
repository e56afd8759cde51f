/**
 * The app matrix on the packed tarball: every Nest x loaded as CommonJS and as ES modules x Express and Fastify x every
 * host, and a database that comes and goes.
 *
 *   node test/app/run.mjs [--node local,22,24,26] [--nest 10,11,12] [--only PATTERN] [--jobs 2] [--committed]
 *
 * `--node` takes other Nodes from the registry; `--only` is a pattern for titles; `--committed` packs the last commit.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pack } from '../tool/pack.mjs';
import { testAdoption } from './adoption/adoption.mjs';
import { install, NESTS, nodeBinary } from './fixtures.mjs';
import { inParallel, Tally } from './tally.mjs';

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: 'local' },
    nest: { type: 'string', default: '10,11,12' },
    only: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    committed: { type: 'boolean', default: false },
  },
});
const SUITE = join(dirname(fileURLToPath(import.meta.url)), 'suite.mjs');
const FORMATS = ['cjs', 'mjs'];
/** No suite takes a minute; one that takes ten hangs. */
const LIMIT_MS = 600_000;

const startedAt = Date.now();
const nests = NESTS.filter((name) => values.nest.split(',').includes(name.slice(4)));
const packed = pack({ isCommitted: values.committed });
const folders = await Promise.all(nests.map((name) => install(name, packed)));
const nodes = await Promise.all(values.node.split(',').map(nodeBinary));
console.log(`packed and installed in ${seconds()}: ${packed.report.filename}, ${packed.report.size} bytes`);

const total = new Tally('', values.only);
const suites = nodes.flatMap((node) =>
  folders.flatMap((folder) => FORMATS.map((format) => ({ node, folder, format }))),
);
await inParallel(
  Number(values.jobs),
  suites.map((suite) => () => runSuite(suite)),
);
for (const node of nodes) await testAdoption(total, { node, folders });

for (const { title, why } of total.failures)
  console.log(`\nnot ok - ${title}\n${why.replace(/^/gm, '    ')}`);
console.log(`\napp matrix in ${seconds()}`);
console.log(`${total.passed} passed, ${total.failures.length} failed`);
process.exitCode = total.failures.length === 0 && total.passed > 0 ? 0 : 1;

async function runSuite({ node, folder, format }) {
  const env = {
    ...process.env,
    FOLDER: folder,
    FORMAT: format,
    ...(values.only ? { ONLY: values.only } : {}),
  };
  const { code, out, said } = await finish(spawn(node, [SUITE], { cwd: folder, env }));
  const result = readResult(out);
  const name = `${folder.split('/').pop()} ${format} ${node === process.execPath ? process.version : node.split('/').at(-4)}`;
  if (!result || code !== 0) {
    total.failures.push({
      title: `${name} ran to its end`,
      why: `ended with ${code}\n${said.slice(-4_000)}`,
    });
    return;
  }
  total.add(result);
  console.log(`${name}: ${result.passed} passed, ${result.failures.length} failed (${seconds()})`);
}

function finish(child) {
  return new Promise((resolve) => {
    let out = '';
    let said = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out, said });
    });
  });
}

function readResult(out) {
  try {
    return JSON.parse(out.trim().split('\n').at(-1));
  } catch {
    return null;
  }
}

function seconds() {
  return `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
}

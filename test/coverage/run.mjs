/**
 * What the reset hook sees of what the kernel counts: real drivers and servers, reset in every phase of a connection
 * by peers in a network namespace of their own.
 *
 *   node test/coverage/run.mjs [--node local,22,24,26] [--only pg,http] [--jobs 3]
 *
 * Fails below 97 % of the kernel's count, with any reset counted twice, with any miss that `misses.mjs`
 * does not explain, and with any scenario that produced no reset. `--only` takes the names of clients and listeners.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { nodeBinary } from '../app/fixtures.mjs';
import { inParallel } from '../app/tally.mjs';
import { CACHE, ROOT, run } from '../tool/pack.mjs';
import { clientScenarios } from './clients.mjs';
import { kernelClaims } from './kernel.mjs';
import { listenerScenarios } from './listeners.mjs';
import { whyMissed } from './misses.mjs';
import { newNetwork, obstacle } from './network.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const REGISTER = join(ROOT, 'dist', 'cjs', 'register.js');
const LEAST_RATIO = 0.97;
/** No scenario takes half of that, however slow the machine. */
const LIMIT_MS = 60_000;

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: 'local' },
    only: { type: 'string' },
    jobs: { type: 'string', default: '3' },
  },
});
const startedAt = Date.now();
// Leaves through `exit`, where the networks are taken down.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
const why = obstacle();
if (why) {
  console.log(`RESET COVERAGE IS NOT MEASURED: ${why}`);
  // In CI that is a failure: there it must be measured.
  process.exit(process.env.CI ? 1 : 0);
}
process.exitCode = (await measure()) ? 0 : 1;

async function measure() {
  run(process.execPath, [join(ROOT, 'test', 'tool', 'build.mjs')], ROOT);
  const folder = installed();
  const nodes = await Promise.all(values.node.split(',').map(theNode));
  const queue = nodes.flatMap(scenariosOf);
  const control = mkdtempSync(join(tmpdir(), 'vitals-coverage-'));
  const results = [];
  const lanes = Array.from({ length: Number(values.jobs) }, (_, index) => async () => {
    await inLane(index, { folder, control }, async (lane) => {
      for (let next = queue.shift(); next; next = queue.shift()) results.push(await outcome(next, lane));
    });
  });
  try {
    const claims = values.only ? [] : kernelClaims();
    await inParallel(lanes.length, lanes);
    return report(nodes, results, await claims);
  } finally {
    rmSync(control, { recursive: true, force: true });
  }
}

/** The drivers as locked, and beside them what imports them. */
function installed() {
  const folder = join(CACHE, 'coverage');
  const source = join(HERE, 'fixture');
  const lock = readFileSync(join(source, 'package-lock.json'), 'utf8');
  const stamp = join(folder, 'node_modules', '.lock');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    cpSync(source, folder, { recursive: true });
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], folder);
    cpSync(join(source, 'package-lock.json'), stamp);
  }
  for (const file of readdirSync(HERE).filter((name) => name.endsWith('.mjs')))
    cpSync(join(HERE, file), join(folder, file));
  cpSync(join(HERE, '..', 'app', 'fixture'), folder, {
    recursive: true,
    filter: (path) => !path.endsWith('.mjs'),
  });
  return folder;
}

async function theNode(name) {
  const binary = await nodeBinary(name);
  return { binary, version: run(binary, ['-p', 'process.versions.node'], ROOT).trim() };
}

function scenariosOf({ binary, version }) {
  const names = values.only?.split(',');
  return [...clientScenarios(Number(version.split('.')[0])), ...listenerScenarios]
    .filter(({ name }) => !names || names.includes(name))
    .map((scenario) => ({ ...scenario, binary, node: version }));
}

/** Runs `body` with a network and a peer of its own, and takes both away. */
async function inLane(index, { folder, control }, body) {
  const network = newNetwork(index);
  const socket = join(control, String(index));
  const [command, ...args] = network.on('peer', [process.execPath, join(folder, 'peer.mjs'), socket]);
  const peer = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await Promise.race([
      once(peer.stdout, 'data'),
      once(peer, 'exit').then(() => Promise.reject(new Error('no peer'))),
    ]);
    await body({ network, folder, socket });
  } finally {
    peer.kill('SIGKILL');
    network.remove();
  }
}

async function outcome({ binary, node, ...scenario }, { network, folder, socket }) {
  const told = { ...scenario, addresses: network.addresses, control: socket };
  const [command, ...args] = network.on('ours', [binary, '-r', REGISTER, join(folder, 'scenario.mjs')]);
  const env = {
    ...process.env,
    SCENARIO: JSON.stringify(told),
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
    NODE_NO_WARNINGS: '1',
  };
  const { out, said } = await finish(spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }));
  const known = whyMissed({ ...scenario, node });
  const row = { node, ...scenario, seen: 0, kernel: 0, doubles: 0, said: [], known };
  const found = /^\{.*\}$/m.exec(out);
  if (!found) return { ...row, problem: `did not run to its end: ${said.slice(-2_000)}` };
  const counts = { ...row, ...JSON.parse(found[0]) };
  return { ...counts, problem: problemOf(counts) };
}

function problemOf({ seen, kernel, doubles, known }) {
  if (kernel === 0) return 'the kernel counted no reset';
  if (doubles > 0) return `${doubles} counted twice`;
  if (seen > kernel) return 'more seen than there were';
  return seen < kernel && !known ? 'missed, and nobody knows why' : null;
}

function finish(child) {
  return new Promise((resolve) => {
    let out = '';
    let said = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.on('close', () => {
      clearTimeout(timer);
      resolve({ out, said });
    });
  });
}

function report(nodes, results, claims) {
  for (const { version } of nodes) {
    const rows = results.filter(({ node }) => node === version);
    console.log(`\nNode ${version}\n${line('', 'phase', 'seen', 'kernel', 'doubles', 'why')}`);
    for (const row of rows.toSorted(byName)) print(row);
    printTotal(`Node ${version}`, rows);
  }
  const ratio = printTotal('\nall of them', results);
  console.log('');
  for (const [claim, wrong] of claims) console.log(`${wrong ? `FAILED (${wrong})` : 'holds'}: ${claim}`);
  const problems = [...results.map(({ problem }) => problem), ...claims.map(([, wrong]) => wrong)].filter(
    Boolean,
  ).length;
  const failed = problems + (ratio >= LEAST_RATIO ? 0 : 1);
  console.log(
    `at least ${100 * LEAST_RATIO} % must be seen; measured in ${Math.round((Date.now() - startedAt) / 1000)} s`,
  );
  // The share as a whole is one more claim.
  console.log(`${results.length + claims.length + 1 - failed} passed, ${failed} failed`);
  return failed === 0;
}

function printTotal(title, rows) {
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  const ratio = sum('seen') / sum('kernel');
  const share = `${(100 * ratio).toFixed(1)} %`;
  console.log(line(title, `${rows.length} scenarios`, sum('seen'), sum('kernel'), sum('doubles'), share));
  return ratio;
}

function byName(a, b) {
  return a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name);
}

function print({ name, phase, seen, kernel, doubles, said, known, problem }) {
  const words = problem ? `FAILED: ${problem}` : seen < kernel ? known : said.join(', ');
  console.log(line(name, phase, seen, kernel, doubles, words));
}

function line(name, phase, seen, kernel, doubles, words) {
  const counts = [seen, kernel, doubles].map((count) => String(count).padStart(8)).join('');
  return `${name.padEnd(24)}${phase.padEnd(14)}${counts}  ${words}`;
}

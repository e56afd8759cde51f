/**
 * What one health check costs: the probe beside a program that only connects, writes, reads and exits (the floor), and
 * beside curl, busybox wget and node. Interleaved rounds against one plain `node:http` server; the ratios count, not
 * the times. Not counted is what `docker exec` adds to each of them: some 55 ms per check.
 * Fails when the probe needs more than 1.15 times the floor's CPU. `node test/bench/probe.mjs [rounds]`
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LIMIT = 1.15;
const here = dirname(fileURLToPath(import.meta.url));
const probe = join(here, '..', '..', 'lib', 'probe', 'bin', 'linux-amd64', 'vitals-probe');
const rounds = Number(process.argv[2] ?? 60);

const SERVER = `
const body = '{"status":"ok"}';
const server = require('node:http').createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'application/json', 'X-Health-Status': 'ok', 'Content-Length': body.length });
  response.end(body);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.log('the probe is not measured: the floor program is for Linux on x64');
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'vitals-bench-'));
const server = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
try {
  const [port] = await once(server.stdout, 'data');
  process.exitCode = report(measure(String(port).trim()));
} finally {
  server.kill();
  rmSync(folder, { recursive: true });
}

function measure(port) {
  const floor = compile(
    'probe-floor.c',
    '-Os',
    '-static',
    '-nostdlib',
    '-ffreestanding',
    '-fno-builtin',
    '-fno-stack-protector',
    '-fno-pie',
    '-no-pie',
    '-fno-asynchronous-unwind-tables',
    '-Wl,--build-id=none,-z,noseparate-code',
  );
  const spawner = compile('probe-spawn.c', '-O2');
  const url = `http://127.0.0.1:${port}/api/v1/health`;
  const ask = `require("node:http").get("${url}", (r) => process.exit(r.statusCode === 200 ? 0 : 1))`;
  const all = [
    { name: 'floor', runs: 100, command: [floor, port] },
    { name: 'vitals-probe', runs: 100, command: [probe, url] },
    { name: 'curl', runs: 30, command: ['curl', '-fsS', '--max-time', '2', url] },
    { name: 'busybox wget', runs: 60, command: ['busybox', 'wget', '-q', '-O', '-', url] },
    { name: 'node -e', runs: 4, command: [process.execPath, '-e', ask] },
  ];
  const present = all.filter(({ command }) => isThere(command[0]));
  for (const { name } of all.filter((a) => !present.includes(a)))
    console.log(`${name} is not measured: not installed`);
  const taken = new Map(present.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [place, { name, runs, command }] of present.entries()) {
      if (place > 1 && round % 10 !== 0) continue; // hundreds of times the cost needs no such care
      const said = spawnSync(spawner, [String(runs), ...command], { encoding: 'utf8' }).stdout;
      const [wall, cpu, peak, faults, failed] = said.split(' ').map(Number);
      if (failed > 0) throw new Error(`${name} failed ${failed} of ${runs} times`);
      if (round > 0) taken.get(name).push({ wall, cpu, peak, faults }); // the first round warms up
    }
  }
  return taken;
}

function report(taken) {
  const rows = [...taken].map(([name, samples]) => ({ name, ...medians(samples) }));
  const [floor, ours] = rows; // the ratios are to ours
  const [title, ...heads] = ['per check', 'wall ms', 'CPU ms', 'peak KiB', 'faults', 'x CPU', 'x memory'];
  console.log(line(title, heads));
  for (const { name, wall, cpu, peak, faults } of rows) {
    const times = [(wall / 1000).toFixed(2), (cpu / 1000).toFixed(3), peak, faults.toFixed(0)];
    console.log(line(name, [...times, (cpu / ours.cpu).toFixed(2), (peak / ours.peak).toFixed(1)]));
  }
  // Of one round each, so that what slows the machine down slows both down.
  const ratio = median(taken.get(ours.name).map(({ cpu }, i) => cpu / taken.get(floor.name)[i].cpu));
  console.log(`the probe needs ${ratio.toFixed(3)} of the floor's CPU (limit ${LIMIT})`);
  return ratio <= LIMIT ? 0 : 1;
}

function line(title, cells) {
  return title.padEnd(14) + cells.map((cell) => String(cell).padStart(11)).join('');
}

function medians(samples) {
  return Object.fromEntries(Object.keys(samples[0]).map((key) => [key, median(samples.map((s) => s[key]))]));
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function compile(source, ...flags) {
  const out = join(folder, source.replace('.c', ''));
  const { status, stderr } = spawnSync('gcc', [...flags, '-o', out, join(here, source)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${source} does not compile: ${stderr}`);
  return out;
}

function isThere(program) {
  return spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined;
}

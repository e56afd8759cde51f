/**
 * What `vitals report` costs: beside `grep -c ECONNRESET`, which counts lines, and beside a parser of every line.
 * Interleaved rounds over the same files in the page cache; the ratios count, not the MB/s, and each run pays its start.
 * The report does more than
 * the parser and parses less. Fails when it is slower than 0.25 of it. `node test/bench/report.mjs [megabytes] [rounds]`
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';

const LIMIT = 0.25;
const source = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'lib', 'probe');
const megabytes = Number(process.argv[2] ?? 128);
const rounds = Number(process.argv[3] ?? 5);

const PARSER = `
let carry = '', hits = 0;
require('node:fs').createReadStream(process.argv[1], { encoding: 'utf8', highWaterMark: 262144 }).on('data', (text) => {
  const lines = (carry + text).split('\\n');
  carry = lines.pop();
  for (const line of lines) { const { error } = JSON.parse(line); if (error && error.code === 'ECONNRESET') hits++; }
}).on('end', () => console.log(hits));
`;

const folder = mkdtempSync(join(tmpdir(), 'vitals-bench-'));
try {
  const cli = compile();
  const files = [
    { name: 'every line a reset', path: write('all.log', () => 'ECONNRESET') },
    { name: 'exceptions, 1 in 20', path: write('some.log', (i) => (i % 20 === 0 ? 'ECONNRESET' : 'ENOENT')) },
    {
      name: 'application, 1 in 200',
      path: write('app.log', (i) => (i % 200 === 0 ? 'ECONNRESET' : undefined)),
    },
  ];
  process.exitCode = files.map((file) => measure(file, cli)).every((ratio) => ratio >= LIMIT) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}

function measure({ name, path }, cli) {
  const commands = {
    'grep -c': ['grep', '-c', 'ECONNRESET', path],
    parser: [process.execPath, '-e', PARSER, path],
    report: [process.execPath, cli, 'report', path, '--json'],
  };
  const taken = Object.fromEntries(Object.keys(commands).map((key) => [key, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [key, command] of Object.entries(commands)) {
      const ms = run(command);
      if (round > 0) taken[key].push(ms); // the first round fills the page cache
    }
  }
  const rates = Object.entries(taken).map(([key, ms]) => `${key} ${rate(path, median(ms))} MB/s`);
  const against = (other) => median(taken.report.map((ms, i) => taken[other][i] / ms));
  const [ofParser, ofGrep] = [against('parser'), against('grep -c')];
  console.log(
    `${name.padEnd(22)} ${rates.join(', ')}; report is ${ofParser.toFixed(2)} of the parser, ${ofGrep.toFixed(2)} of grep`,
  );
  return ofParser;
}

function run([program, ...args]) {
  const began = performance.now();
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1e9 });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
  return performance.now() - began;
}

/** The lines of one second each, as winston writes them. */
function write(name, codeOf) {
  const path = join(folder, name);
  const out = openSync(path, 'w');
  for (let [bytes, i] = [0, 0]; bytes < megabytes * 1e6;) {
    let text = '';
    for (const end = i + 2000; i < end; i++) text += `${line(i, codeOf(i))}\n`;
    bytes += writeSync(out, text);
  }
  closeSync(out);
  return path;
}

function line(i, code) {
  const timestamp = new Date(Date.UTC(2026, 0) + i * 1000).toISOString();
  if (code === undefined)
    return JSON.stringify({ level: 'info', message: `GET /api/v1/ 200 ${i}`, timestamp });
  const stack = `Error: read ${code}\n    at TCP.onStreamRead (node:internal/stream_base_commons:218:20)`;
  const memoryUsage = {
    arrayBuffers: 82192,
    external: 2070024,
    heapTotal: 11329536,
    heapUsed: 7338024,
    rss: 57634816,
  };
  return JSON.stringify({
    date: `${timestamp.slice(0, 19)}Z`,
    error: { code, errno: -104, syscall: 'read' },
    exception: true,
    level: 'error',
    message: `uncaughtException: read ${code}\n${stack}`,
    os: { loadavg: [2.15, 3.42, 2.51], uptime: i },
    process: {
      argv: ['/usr/bin/node', '/app/main.js'],
      cwd: '/app',
      execPath: '/usr/bin/node',
      gid: 0,
      memoryUsage,
      pid: 880,
      uid: 0,
      version: 'v20.20.2',
    },
    stack,
    timestamp,
    trace: [
      {
        column: 20,
        file: 'node:internal/stream_base_commons',
        function: 'TCP.onStreamRead',
        line: 218,
        method: 'onStreamRead',
        native: false,
      },
    ],
  });
}

function compile() {
  for (const name of readdirSync(source, { recursive: true }).filter((file) => file.endsWith('.ts'))) {
    const out = join(folder, 'cli', name.replace(/ts$/, 'js'));
    mkdirSync(dirname(out), { recursive: true });
    const { code } = transformSync(readFileSync(join(source, name), 'utf8'), {
      filename: name,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'commonjs' },
    });
    writeFileSync(out, code);
  }
  return join(folder, 'cli', 'cli.js');
}

function rate(path, ms) {
  return Math.round(statSync(path).size / 1000 / ms);
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

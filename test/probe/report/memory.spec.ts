import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layOut } from '../implementations.js';
import { handled, lined, logged } from './lines.js';

const MEGABYTES = 64;

/** Reads a file with a heap of at most 24 MB, and tells how much it grew after a collection. */
const SCRIPT = `
const { readAll } = require(process.argv[1] + '/report.js');
const { inputsOf } = require(process.argv[1] + '/inputs.js');
const { Zone } = require(process.argv[1] + '/zone.js');
(async () => {
  gc();
  const before = process.memoryUsage().heapUsed;
  const report = await readAll(inputsOf([process.argv[2]]), new Zone('UTC'));
  gc();
  const grownBytes = process.memoryUsage().heapUsed - before;
  console.log(JSON.stringify({ grownBytes, total: report.resets.total, lines: report.files[0].lines }));
})();
`;

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'vitals-report-'))));
afterAll(() => rmSync(folder, { recursive: true }));

async function writeLog(path: string): Promise<number> {
  const out = createWriteStream(path);
  let [bytes, line] = [0, 0];
  while (bytes < MEGABYTES * 1e6) {
    const part = Array.from({ length: 500 }, () => {
      const at = new Date(Date.UTC(2026, 0) + line++ * 1000).toISOString();
      if (line % 1000 === 0) return `ECONNRESET ${'x'.repeat(1_500_000)}`;
      return line % 20 === 0
        ? handled({ at, pid: line >> 10 })
        : logged(at, `GET /api/v1/ 200 ${'y'.repeat(400)}`);
    });
    const text = lined(...part);
    bytes += text.length;
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return line;
}

it('reads 64 MB, with lines of 1.5 MB, in a heap of 24 MB and keeps less than 8 MB', async () => {
  const path = join(folder, 'a.log');
  const lines = await writeLog(path);
  const compiled = join(layOut(), 'dist', 'cjs', 'probe', 'report');
  const flags = ['--expose-gc', '--max-old-space-size=24', '-e', SCRIPT, compiled, path];
  const told = JSON.parse(execFileSync(process.execPath, flags, { encoding: 'utf8' })) as Record<
    string,
    number
  >;
  expect(told['lines']).toBe(lines - Math.floor(lines / 1000));
  expect(told['total']).toBe(Math.floor(lines / 20) - Math.floor(lines / 1000));
  expect(told['grownBytes']).toBeLessThan(8e6);
}, 120_000);

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inputsOf } from '../../../lib/probe/report/inputs.js';
import { readAll } from '../../../lib/probe/report/report.js';
import { ROOT } from '../implementations.js';
import { UTC } from './lines.js';

const VERSIONS = { winston: '3.19.0', 'winston-daily-rotate-file': '5.0.0' };
const CACHE = process.env['VITALS_CACHE'] ?? join(ROOT, '.cache');

/** The folder in the cache that has these versions; installed when it is not there. */
function packages(): string {
  const folder = join(CACHE, `winston-${Object.values(VERSIONS).join('-')}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const stage = mkdtempSync(join(CACHE, 'winston-new-'));
  writeFileSync(join(stage, 'package.json'), JSON.stringify({ private: true, dependencies: VERSIONS }));
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: stage,
  });
  renameSync(stage, folder);
  return folder;
}

let logs: string;
beforeEach(() => (logs = mkdtempSync(join(tmpdir(), 'vitals-winston-'))));
afterEach(() => rmSync(logs, { recursive: true }));

describe('the files of winston 3 with daily rotation', () => {
  it.each(['json', 'simple', 'printf'])(
    'are four resets, two exceptions and two rejections, in format %s',
    async (format) => {
      const args = [join(__dirname, 'winston.cjs'), format, packages(), logs];
      execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], timeout: 60_000 });
      const { resets, days, files } = await readAll(inputsOf([logs]), UTC);
      expect(files).toHaveLength(3);
      expect(resets).toMatchObject({
        total: 4,
        duplicates: 2,
        undated: 0,
        kinds: { kernel: 3, synthesized: 1 },
        writers: { exception: 2, rejection: 2, logged: 0 },
      });
      expect(days.reduce((all, day) => all + day.resets, 0)).toBe(4);
    },
    120_000,
  );
});

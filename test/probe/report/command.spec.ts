import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FLAGS } from '../../../lib/probe/report/report.js';
import { layOut, runCommand } from '../implementations.js';
import { handled, lined, logged } from './lines.js';

const CLI = [process.execPath, join(layOut(), 'dist', 'cjs', 'probe', 'cli.js')];
const vitals = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runCommand(['sh', '-c', 'cd "$0" && exec "$@"', folder, ...CLI, 'report', ...args], {
    env: { TZ: 'UTC', ...env },
  });

const TAKES = 'report takes log files, folders with *.log files, or - for the standard input';
const NJS = 'at Connection.send (/app/node_modules/oracledb/lib/thin/connection.js:10:3)';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitals-report-'));
  mkdirSync(join(folder, 'logs'));
  mkdirSync(join(folder, 'empty'));
  for (const [name, content] of Object.entries(story())) writeFileSync(join(folder, 'logs', name), content);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Two days of an application that loses its connections every 350 s, leaks, hangs and is started again. */
function story(): Readonly<Record<string, string | Buffer>> {
  const start = Date.UTC(2026, 10, 23, 14);
  const at = (seconds: number) => new Date(start + seconds * 1000).toISOString();
  const drizzle = (pid: number, from: number, count: number) =>
    Array.from({ length: count }, (_, i) =>
      handled({
        at: at(from + i * 350),
        pid,
        rss: 100_000_000 + i * 1_000_000,
        code: i % 5 === 4 ? 'EPIPE' : 'ECONNRESET',
      }),
    );
  const burst = Array.from({ length: 5 }, (_, i) =>
    handled({
      at: at(12_350 + i / 10),
      pid: 812,
      rss: 100_000_000,
      code: 'NJS-500',
      stack: NJS,
      handler: 'rejection',
    }),
  );
  return {
    'exceptions-2026-11-23.log.1.gz': gzipSync(lined(...drizzle(700, 0, 12))),
    'exceptions-2026-11-23.log.2':
      lined(...drizzle(700, 12 * 350, 12)) + handled({ at: at(9000) }).slice(0, 250) + '\n',
    'exceptions-2026-11-24.log': lined(...drizzle(812, 12_600, 12)),
    'rejections-2026-11-24.log': lined(...burst),
    'application-2026-11-23.log': lined(...Array.from({ length: 40 }, (_, i) => logged(at(i * 90)))),
    'application-2026-11-24.log': lined(...burst, logged(at(40_000))),
  };
}

/** `GOLDEN=1` writes them anew. */
function expectGolden(name: string, text: string): void {
  const path = join(__dirname, 'golden', name);
  if (process.env['GOLDEN']) writeFileSync(path, text);
  expect(text).toBe(readFileSync(path, 'utf8'));
}

describe('vitals report', () => {
  it.each([
    ['days.txt', ['logs', '--time-zone', 'Asia/Bangkok']],
    ['hours.txt', ['logs/*.log*', '--by=hour', '--time-zone=Asia/Bangkok']],
    ['json.txt', ['--json', '--time-zone', 'Asia/Bangkok', 'logs']],
  ])('prints %s', async (name, args) => {
    const { code, stdout, stderr } = await vitals(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expectGolden(name, stdout);
  });

  it('is no wider than the terminal, down to 40 columns', async () => {
    const { stdout } = await vitals(['logs'], { COLUMNS: '60' });
    const bars = stdout.match(/^2026.*#+$/gm) ?? [];
    expect(Math.max(...bars.map(({ length }) => length))).toBe(60);
  });

  it('takes the host’s time zone when none is given', async () => {
    expect((await vitals(['logs'], { TZ: 'Europe/Berlin' })).stdout).toMatch(/, Europe\/Berlin\)\n/);
  });

  it.each([
    ['plain', Buffer.from(lined(handled({ at: '2026-11-23T10:00:00.000Z' })))],
    ['packed', gzipSync(lined(handled({ at: '2026-11-23T10:00:00.000Z' })))],
  ])('reads the standard input, %s', (_, input) => {
    const [program = '', ...args] = [...CLI, 'report', '-', '--json'];
    const text = execFileSync(program, args, { input, encoding: 'utf8' });
    expect(JSON.parse(text)).toMatchObject({ resets: { total: 1 }, files: [{ path: '-' }] });
  });

  it('ends well when its reader has gone', async () => {
    const [program = '', ...args] = [...CLI, 'report', join(folder, 'logs'), '--json'];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('colors only for a terminal, and not where NO_COLOR is set', async () => {
    const args = [...CLI, 'report', join(folder, 'logs')].map((arg) => `'${arg}'`).join(' ');
    const inTerminal = (env: Readonly<Record<string, string>>) =>
      runCommand(['script', '-qec', args, '/dev/null'], { env: { TERM: 'xterm', TZ: 'UTC', ...env } });
    expect((await inTerminal({})).stdout).toContain('\x1b[31m#');
    expect((await inTerminal({ NO_COLOR: '1' })).stdout).not.toContain('\x1b');
    expect((await vitals(['logs'])).stdout).not.toContain('\x1b');
  });
});

describe('the progress', () => {
  const inTerminal = (path: string) =>
    runCommand(['script', '-qec', [...CLI, 'report', path].map((arg) => `'${arg}'`).join(' '), '/dev/null'], {
      env: { TERM: 'xterm' },
    });

  it.each([
    [17, true],
    [16, false],
  ])('of %i MB in a terminal is shown: %p', async (megabytes, isShown) => {
    const path = join(folder, `${megabytes}.log`);
    const line = lined(logged('2026-11-23T10:00:00.000Z', 'x'.repeat(999_900)));
    writeFileSync(path, line.repeat(megabytes));
    const { stdout } = await inTerminal(path);
    expect(stdout.includes('\r[')).toBe(isShown);
    expect(stdout.includes('\r\x1b[K')).toBe(isShown);
    expect((await vitals([path])).stderr).toBe('');
  });
});

it('explains its flags in --help as in a mistake', async () => {
  expect((await vitals(['--help'])).stdout).toContain(FLAGS);
});

describe('a mistake is named with what was given and what is accepted', () => {
  it.each([
    [[], `${TAKES}, got none; try vitals report logs`],
    [
      ['--tz', 'UTC'],
      'unknown flag "--tz": report takes LOGS... | --incidents DIR [--json] [--time-zone ZONE] [--by hour|day]',
    ],
    [['logs', '--by', 'week'], '--by must be hour or day, got "week"'],
    [['logs', '--by'], '--by must be hour or day, got ""'],
    [
      ['logs', '--time-zone', 'Mars/Base'],
      '--time-zone must be an IANA name such as UTC or Asia/Bangkok, got "Mars/Base"',
    ],
    [['logs', 'missing.log'], `there is no file "missing.log": ${TAKES}`],
    [['logs/x*.log'], `no file matches "logs/x*.log": ${TAKES}`],
    [['empty'], `the folder "empty" has no *.log files: ${TAKES}`],
  ])('%j', async (args, said) => {
    expect(await vitals(args)).toMatchObject({ code: 1, stdout: '', stderr: `vitals: ${said}\n` });
  });

  it('for a file that one may not read', async () => {
    const path = join(folder, 'secret.log');
    writeFileSync(path, '');
    chmodSync(path, 0);
    chmodSync(folder, 0o755);
    // root may read everything
    const uid = process.getuid?.() === 0 ? { uid: 65_534 } : {};
    const { code, stderr } = await runCommand([...CLI, 'report', path], uid);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `vitals: cannot read the file "${path}": EACCES; read it as its owner\n`,
    });
  });
});

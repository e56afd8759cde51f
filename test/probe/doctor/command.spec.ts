/** The command as its users run it: exit codes, and what goes where. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { transformSync } from '@swc/core';
import { ROOT, runCommand } from '../implementations.js';
import { installedYaml } from './desk.js';

let folder: string;
/** A package with `yaml` beside it, as `npx -p nestjs-vitals -p yaml` lays them out, and an empty folder to stand in. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitals-command-'));
  const home = join(folder, 'node_modules', 'nestjs-vitals');
  for (const name of readdirSync(join(ROOT, 'lib', 'probe'), { recursive: true, encoding: 'utf8' })) {
    if (!/^(cli|doctor\/.*)\.ts$/.test(name)) continue;
    const { code } = transformSync(readFileSync(join(ROOT, 'lib', 'probe', name), 'utf8'), {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'commonjs' },
    });
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name.replace(/ts$/, 'js')), code);
  }
  cpSync(join(ROOT, 'package.json'), join(home, 'package.json'));
  symlinkSync(join(installedYaml(), 'yaml'), join(folder, 'node_modules', 'yaml'));
  mkdirSync(join(folder, 'desk'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const vitals = (...args: string[]) =>
  runCommand([
    'sh',
    '-c',
    'cd "$0" && exec "$@"',
    join(folder, 'desk'),
    process.execPath,
    join(folder, 'node_modules', 'nestjs-vitals', 'cli.js'),
    ...args,
  ]);

describe('vitals doctor', () => {
  it('prints file, line, why and the corrected lines to the standard output, and ends with 1', async () => {
    const text =
      'services:\n  db:\n    image: redis\n    healthcheck:\n      test: [CMD, redis-cli, ping || exit 1]\n';
    writeFileSync(join(folder, 'desk', 'compose.yml'), text);
    expect(await vitals('doctor')).toMatchObject({
      code: 1,
      stdout:
        'compose.yml:5: error shell-in-list: no shell runs in a CMD list: "|| exit 1" becomes a part of an argument, and the check is another one\n' +
        '    test: ["CMD", "redis-cli", "ping"]\n\ncompose.yml: 1 error, 0 warnings, 0 info\n',
      stderr: '',
    });
  });

  it('ends with 0 without errors, and with 2 and a word to the error output where it cannot look', async () => {
    writeFileSync(join(folder, 'desk', 'fine.yml'), 'services: { db: { image: redis } }\n');
    expect(await vitals('doctor', 'fine.yml')).toMatchObject({
      code: 0,
      stdout: 'fine.yml: 0 errors, 0 warnings, 0 info\n',
    });
    expect(await vitals('doctor', 'none.yml')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'vitals: cannot read none.yml: ENOENT\n',
    });
  });

  it('is in the help', async () => {
    expect((await vitals('--help')).stdout).toContain('vitals doctor [compose.yml] [Dockerfile] [--json]');
    expect((await vitals('docter')).stderr).toContain('did you mean "doctor"');
  });
});

/**
 * A folder with files for the doctor to look at, and the package `yaml` beside them as its users have it: the module
 * has no dependency, so it is installed apart, as locked.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Outcome, doctor } from '../../../lib/probe/doctor/doctor.js';
import type { Finding } from '../../../lib/probe/doctor/finding.js';
import { ROOT } from '../implementations.js';

const FIXTURE = join(__dirname, 'fixture');

/** The folder that holds `yaml`. */
export function installedYaml(): string {
  const folder = join(process.env['VITALS_CACHE'] ?? join(ROOT, '.cache'), 'doctor');
  const lock = readFileSync(join(FIXTURE, 'package-lock.json'), 'utf8');
  const stamp = join(folder, 'node_modules', '.lock');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    rmSync(folder, { recursive: true, force: true });
    cpSync(FIXTURE, folder, { recursive: true });
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['ci', ...flags], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    writeFileSync(stamp, lock);
  }
  return join(folder, 'node_modules');
}

export class Desk {
  readonly folder = mkdtempSync(join(tmpdir(), 'vitals-doctor-'));
  private readonly before = process.cwd();

  constructor({ hasYaml = true } = {}) {
    if (hasYaml) symlinkSync(installedYaml(), join(this.folder, 'node_modules'));
    process.chdir(this.folder);
  }

  put(files: Readonly<Record<string, string>>): this {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, name)), { recursive: true });
      writeFileSync(join(this.folder, name), text);
    }
    return this;
  }

  run(...args: readonly string[]): Outcome {
    return doctor(args);
  }

  /** What it finds, as objects. */
  find(...args: readonly string[]): Finding[] {
    const { text } = doctor([...args, '--json']);
    return (JSON.parse(text) as { findings: Finding[] }).findings;
  }

  /** What it finds, one line each: `compose.yml:3 error shell-in-list`. */
  lines(...args: readonly string[]): string[] {
    return this.find(...args).map(({ file, line, severity, rule }) => `${file}:${line} ${severity} ${rule}`);
  }

  clear(): void {
    process.chdir(this.before);
    rmSync(this.folder, { recursive: true });
  }
}

/** Child processes that run the lib: compiled once for the process, as the package ships it. */
import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { transformSync } from '@swc/core';

const ROOT = join(__dirname, '../..');
let folder: string | null = null;

/** The lib as CommonJS in a temporary folder, which goes when this process does. */
export function compiledLib(): string {
  if (folder) return folder;
  const made = mkdtempSync(join(tmpdir(), 'vitals-lib-'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  symlinkSync(join(ROOT, 'node_modules'), join(made, 'node_modules'));
  writeFileSync(join(made, 'package.json'), '{"type":"commonjs"}');
  for (const name of readdirSync(join(ROOT, 'lib'), { recursive: true }) as string[]) {
    if (!name.endsWith('.ts')) continue;
    const { code } = transformSync(readFileSync(join(ROOT, 'lib', name), 'utf8'), {
      jsc: {
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, useDefineForClassFields: false },
        target: 'es2022',
        keepClassNames: true,
      },
      module: { type: 'commonjs' },
    });
    const path = join(made, name.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, code);
  }
  return (folder = made);
}

export interface Ended {
  /** `null` when it had to be killed. */
  readonly code: number | null;
  readonly output: string;
}

/** Runs `script` with `lib(path)` as its way to the lib; kills it after `deadlineMs`. */
export function run(script: string, deadlineMs = 15_000): Promise<Ended> {
  const prelude = `const lib = (path) => require(${JSON.stringify(compiledLib())} + '/' + path);\n`;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['-e', prelude + script],
      { timeout: deadlineMs, killSignal: 'SIGKILL' },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, output: stdout + stderr }),
    );
  });
}

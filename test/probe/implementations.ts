/**
 * The implementations of the probe and how to run each: the binaries (another machine's under qemu-user), the hosted
 * build with sanitizers, and the JavaScript. What cannot run here is skipped with its reason; in CI it fails.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformSync } from '@swc/core';

export const ROOT = join(__dirname, '..', '..');
const PROBE = join(ROOT, 'lib', 'probe');

export interface Implementation {
  readonly name: string;
  /** The command to put in front of the probe's arguments. */
  command(): readonly string[];
  /** Why it cannot run here. */
  readonly missing?: string;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly wallMs: number;
}

const QEMU: Readonly<Record<string, string>> = {
  amd64: 'qemu-x86_64-static',
  arm64: 'qemu-aarch64-static',
  arm: 'qemu-arm-static',
  riscv64: 'qemu-riscv64-static',
  ppc64le: 'qemu-ppc64le-static',
  s390x: 'qemu-s390x-static',
};

const NATIVE: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  riscv64: 'riscv64',
  s390x: 's390x',
};

export const IMPLEMENTATIONS: readonly Implementation[] = [
  ...Object.entries(QEMU).map(([architecture, qemu]) => binary(architecture, qemu)),
  hosted(),
  {
    name: 'JavaScript',
    command: () => [process.execPath, join(layOut(), 'dist', 'cjs', 'probe', 'cli.js'), 'probe'],
  },
];

function binary(architecture: string, qemu: string): Implementation {
  const path = join(PROBE, 'bin', `linux-${architecture}`, 'vitals-probe');
  if (process.platform !== 'linux')
    return { name: architecture, command: () => [], missing: 'the binaries are for Linux' };
  if (NATIVE[process.arch] === architecture) return { name: `${architecture}, here`, command: () => [path] };
  const missing = isThere(qemu) ? undefined : `${qemu} is not installed (Debian: qemu-user-static)`;
  return { name: `${architecture}, in qemu`, command: () => [qemu, path], ...(missing && { missing }) };
}

function hosted(): Implementation {
  let path: string | undefined;
  const missing =
    process.platform === 'linux' && isThere('gcc')
      ? undefined
      : 'gcc is not installed (Debian: gcc, libc6-dev)';
  const build = (): string => {
    const out = join(scratch(), 'vitals-probe-hosted');
    const flags = ['-DHOSTED', '-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    execFileSync('gcc', [...flags, '-o', out, join(PROBE, 'probe.c')], { stdio: 'inherit' });
    return out;
  };
  return {
    name: 'hosted, with sanitizers',
    command: () => [(path ??= build())],
    ...(missing && { missing }),
  };
}

let laidOut: string | undefined;

/** The command as it lies in the package: compiled, the binaries beside it, the package.json above. */
export function layOut(): string {
  if (laidOut) return laidOut;
  const folder = scratch();
  const compiled = join(folder, 'dist', 'cjs', 'probe');
  mkdirSync(compiled, { recursive: true });
  cpSync(join(PROBE, 'bin'), join(folder, 'dist', 'probe'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  writeFileSync(join(folder, 'dist', 'cjs', 'package.json'), '{"type":"commonjs"}\n');
  for (const name of ['doctor', 'report', '../indicators']) mkdirSync(join(compiled, name));
  // The one file of another stage that the report needs.
  const sources = [
    ...readdirSync(PROBE, { recursive: true, encoding: 'utf8' }),
    '../indicators/reset-setting.ts',
  ];
  for (const name of sources.filter((file) => file.endsWith('.ts'))) {
    const { code } = transformSync(readFileSync(join(PROBE, name), 'utf8'), {
      filename: name,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'commonjs' },
    });
    writeFileSync(join(compiled, name.replace(/ts$/, 'js')), code);
  }
  return (laidOut = folder);
}

/** A folder for this run that every user may read: some tests run the probe as somebody else. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'vitals-probe-test-'));
  chmodSync(folder, 0o755);
  process.once('exit', () => spawnSync('rm', ['-rf', folder]));
  return folder;
}

export function isThere(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** `it` for what can run here; a skip that says why for what cannot, and a failure in CI. */
export function runnable(name: string, missing: string | undefined): jest.It {
  if (missing === undefined) return it;
  if (process.env['CI']) {
    it(`${name} can be tested`, () => {
      throw new Error(missing);
    });
  } else console.warn(`${name} is not tested: ${missing}`);
  return it.skip;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
}

/** Runs a command to its end with nothing but the given environment. */
export function runCommand(command: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [program = '', ...args] = command;
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const { env = {}, uid } = options;
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'], ...env },
      ...(uid !== undefined && { uid }),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('latin1')));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('latin1')));
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({ code, signal, stdout, stderr, wallMs: performance.now() - began }),
    );
  });
}

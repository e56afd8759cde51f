/**
 * Installs the fixtures: for each Nest its own locked dependencies, and the packed tarball on top, never the source.
 */
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE } from '../tool/pack.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
/** What the suites need lies beside them in every fixture, so that imports are resolved from there. */
const SHARED = join(HERE, 'fixture');

/** Nest's major versions, and the module formats that an application of each may have. */
export const NESTS = ['nest10', 'nest11', 'nest12'];

/** The folder that `name` is installed in, ready to run with the tarball of `packed`. */
export async function install(name, packed) {
  const folder = join(CACHE, 'app', name);
  const source = join(HERE, name);
  const wanted = hash(join(source, 'package.json'), join(source, 'package-lock.json'));
  if (stamp(folder, 'lock') !== wanted) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const file of ['package.json', 'package-lock.json']) cpSync(join(source, file), join(folder, file));
    await npm(['ci', '--ignore-scripts'], folder);
    setStamp(folder, 'lock', wanted);
  }
  if (stamp(folder, 'tarball') !== packed.report.integrity) {
    await npm(['install', '--no-save', '--no-package-lock', '--ignore-scripts', packed.path], folder);
    setStamp(folder, 'tarball', packed.report.integrity);
  }
  cpSync(SHARED, folder, { recursive: true });
  return folder;
}

/** A Node of the given major version from the registry, or the one that runs this for `local`. */
export async function nodeBinary(major) {
  if (major === 'local') return process.execPath;
  const folder = join(CACHE, 'node', major);
  const binary = join(folder, 'package', 'bin', 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(join(CACHE, 'node'), { recursive: true });
  const stage = mkdtempSync(join(CACHE, 'node', 'new-'));
  await npm(['pack', `node-linux-${process.arch}@${major}`], stage);
  await program('sh', ['-c', 'tar xzf *.tgz && rm *.tgz'], stage);
  rmSync(folder, { recursive: true, force: true });
  renameSync(stage, folder);
  return binary;
}

function npm(args, cwd) {
  return program('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], cwd);
}

function program(name, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0
        ? resolve(said)
        : reject(new Error(`${name} ${args.join(' ')} ended with ${code} in ${cwd}\n${said}`)),
    );
  });
}

function hash(...files) {
  const sum = createHash('sha256');
  for (const file of files) sum.update(readFileSync(file));
  return sum.digest('hex');
}

function stamp(folder, what) {
  const path = join(folder, `.${what}`);
  return existsSync(path) ? readFileSync(path, 'utf8') : null;
}

function setStamp(folder, what, value) {
  writeFileSync(join(folder, `.${what}`), value);
}

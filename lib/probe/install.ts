/**
 * Stage 6, ASK: finds the binary of this machine in the package and puts it where an image wants it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

/** The name of the binary in the package, and in a folder given to `install`. */
const NAME = 'vitals-probe';

/** Node's word for a machine -> Docker's TARGETARCH. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm',
  riscv64: 'riscv64',
  ppc64: 'ppc64le',
  s390x: 's390x',
};

/** The machine a binary is for. Only tests give another one than this process' own. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly isLittleEndian: boolean;
}

const THIS_MACHINE: Machine = {
  platform: process.platform,
  arch: process.arch,
  isLittleEndian: endianness() === 'LE',
};

/** The absolute path of this machine's binary. Throws with the way out where there is none. */
export function binaryPath(machine: Machine = THIS_MACHINE): string {
  const { platform, arch, isLittleEndian } = machine;
  const architecture = arch === 'ppc64' && !isLittleEndian ? undefined : ARCHITECTURES[arch];
  if (platform !== 'linux' || architecture === undefined) {
    const known = Object.values(ARCHITECTURES).join(', ');
    throw new Error(
      `no probe for ${platform} on ${arch}: there are Linux ones for ${known}; use \`vitals probe\``,
    );
  }
  const path = join(binaries(), `linux-${architecture}`, NAME);
  if (!existsSync(path)) throw new Error(`${path} is missing: install the package again`);
  return path;
}

/**
 * Copies this machine's binary to a file, or into a folder as `vitals-probe`, executable for all, in one step: a probe
 * that runs there meanwhile is not disturbed. Returns where it is. Throws when the folder is missing or may not be
 * written, and when the binary is not the one that was packed.
 */
export function install(destination: string, machine: Machine = THIS_MACHINE): string {
  const from = binaryPath(machine);
  const bytes = readFileSync(from);
  verify(from, bytes);
  const isFolder =
    /[/\\]$/.test(destination) || (existsSync(destination) && statSync(destination).isDirectory());
  const to = isFolder ? join(resolve(destination), NAME) : resolve(destination);
  if (!existsSync(dirname(to))) throw new Error(`there is no folder ${dirname(to)}: make it first`);
  const scratch = join(dirname(to), `.${basename(to)}.${randomBytes(4).toString('hex')}`);
  try {
    writeFileSync(scratch, bytes);
    chmodSync(scratch, 0o755);
    renameSync(scratch, to);
  } catch (error) {
    rmSync(scratch, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    const wayOut = code === 'EACCES' || code === 'EPERM' ? '; in a Dockerfile, install before USER' : '';
    throw new Error(`cannot write ${to}: ${code ?? String(error)}${wayOut}`, { cause: error });
  }
  return to;
}

/** Something between here and the publisher may have rewritten the file: line ends, a scanner, a broken cache. */
function verify(path: string, bytes: Buffer): void {
  const sum = createHash('sha256').update(bytes).digest('hex');
  const architecture = basename(dirname(path));
  if (readFileSync(join(binaries(), 'SHA256SUMS'), 'utf8').includes(`${sum}  ${architecture}/${NAME}`))
    return;
  throw new Error(`${path} is not the binary that was packed (SHA-256 ${sum}): install the package again`);
}

/** `dist/probe` beside the compiled `dist/cjs/probe`; `bin` beside the source. */
function binaries(): string {
  const packed = join(__dirname, '..', '..', 'probe');
  return existsSync(join(packed, 'SHA256SUMS')) ? packed : join(__dirname, 'bin');
}

import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, isThere, runnable } from './implementations.js';

const BIN = join(ROOT, 'lib', 'probe', 'bin');
const ARCHITECTURES = ['amd64', 'arm64', 'arm', 'riscv64', 'ppc64le', 's390x'];
const COMPILERS = ['x86_64', 'aarch64', 'arm', 'riscv64', 'powerpc64le', 's390x'].map(
  (machine) => `${machine}-linux-gnu${machine === 'arm' ? 'eabihf' : ''}-gcc`,
);
const absent = COMPILERS.filter((compiler) => !isThere(compiler));

jest.setTimeout(120_000);

describe('the binaries in the repository', () => {
  it.each(ARCHITECTURES)(
    '%s has at most 7.25 KB, is executable, and is what SHA256SUMS says',
    (architecture) => {
      const path = join(BIN, `linux-${architecture}`, 'vitals-probe');
      const bytes = readFileSync(path);
      expect(bytes.length).toBeLessThanOrEqual(7.25 * 1024);
      expect(statSync(path).mode & 0o777).toBe(0o755);
      const sum = createHash('sha256').update(bytes).digest('hex');
      expect(readFileSync(join(BIN, 'SHA256SUMS'), 'utf8')).toContain(
        `${sum}  linux-${architecture}/vitals-probe\n`,
      );
    },
  );

  it.each(ARCHITECTURES)(
    '%s has one segment, read-only, and a stack that is not executable',
    (architecture) => {
      const elf = readFileSync(join(BIN, `linux-${architecture}`, 'vitals-probe'));
      expect(segmentsOf(elf)).toEqual([
        { type: 'load', flags: 'r-x' },
        { type: 'stack', flags: 'rw-' },
      ]);
    },
  );

  const rebuilt = runnable(
    'the rebuild of the binaries',
    absent.length > 0
      ? `missing: ${absent.join(', ')} (the packages are named in lib/probe/build.mjs)`
      : undefined,
  );

  rebuilt('are what probe.c builds, bit for bit, and pack to at most 23 KB', () => {
    const { status, stdout, stderr } = check(ROOT);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(Number(/^packed +(\d+) bytes/m.exec(stdout)?.[1])).toBeLessThanOrEqual(23 * 1024);
  });

  rebuilt('fail the check when the source says something else, or one of them is not executable', () => {
    const copy = mkdtempSync(join(tmpdir(), 'vitals-build-'));
    try {
      cpSync(join(ROOT, 'lib', 'probe'), join(copy, 'lib', 'probe'), { recursive: true });
      const source = join(copy, 'lib', 'probe', 'probe.c');
      writeFileSync(
        source,
        readFileSync(source, 'utf8').replace('#define DEFAULT_MS 2500', '#define DEFAULT_MS 2400'),
      );
      chmodSync(join(copy, 'lib', 'probe', 'bin', 'linux-arm', 'vitals-probe'), 0o644);
      const { status, stderr } = check(copy);
      expect(stderr.match(/is not what probe.c builds/g)).toHaveLength(6);
      expect(stderr.match(/\S+ is not executable/g)).toEqual([expect.stringContaining('linux-arm')]);
      expect(status).toBe(1);
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});

function check(root: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(root, 'lib', 'probe', 'build.mjs'), '--check'], {
    encoding: 'utf8',
  });
}

function segmentsOf(elf: Buffer): { type: string | undefined; flags: string }[] {
  const is64 = elf[4] === 2;
  const read = (at: number): number => (elf[5] === 2 ? elf.readUInt32BE(at) : elf.readUInt32LE(at));
  const half = (at: number): number => (elf[5] === 2 ? elf.readUInt16BE(at) : elf.readUInt16LE(at));
  const [first, size, count] = is64 ? [64, 56, half(56)] : [52, 32, half(44)];
  return Array.from({ length: count }, (_, i) => {
    const at = first + i * size;
    const flags = read(at + (is64 ? 4 : 24));
    const letters = (flags & 4 ? 'r' : '-') + (flags & 2 ? 'w' : '-') + (flags & 1 ? 'x' : '-');
    return {
      type: new Map([
        [1, 'load'],
        [0x6474e551, 'stack'],
      ]).get(read(at)),
      flags: letters,
    };
  });
}

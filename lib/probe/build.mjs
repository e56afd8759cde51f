/**
 * Stage 6, ASK: builds the shipped binaries from probe.c, bit for bit the same on every machine with these packages:
 *
 *   apt-get install -y --no-install-recommends gcc gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf \
 *     gcc-riscv64-linux-gnu gcc-powerpc64le-linux-gnu gcc-s390x-linux-gnu        (Debian 12: gcc 12.2.0)
 *   and for test/probe: qemu-user-static clang libclang-rt-14-dev libc6-dev
 *
 * `node lib/probe/build.mjs` writes lib/probe/bin; `--check` builds elsewhere and fails when a byte differs or a
 * limit is passed. Another compiler writes other bytes, which would say nothing about the source: that fails as well.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const HERE = dirname(fileURLToPath(import.meta.url));
const GCC = '12.2.0';
const MOST_BYTES = 7.25 * 1024;
const MOST_PACKED_BYTES = 23 * 1024;

/** Docker's TARGETARCH -> Debian's compiler and the oldest machine of that kind that Docker images run on. */
const TARGETS = {
  amd64: ['x86_64-linux-gnu-gcc'],
  arm64: ['aarch64-linux-gnu-gcc'],
  arm: ['arm-linux-gnueabihf-gcc', '-march=armv5te', '-marm', '-mfloat-abi=soft'],
  riscv64: ['riscv64-linux-gnu-gcc', '-mno-relax', '-msmall-data-limit=0'],
  ppc64le: [
    'powerpc64le-linux-gnu-gcc',
    '-mcpu=power8',
    '-mtraceback=no',
    '-msingle-pic-base',
    '-fno-forward-propagate',
    '-fguess-branch-probability',
  ],
  s390x: ['s390x-linux-gnu-gcc', '-march=z13', '-msmall-exec', '-fno-tree-vrp'], // its calls may be short: 64 KB
};

const FLAGS = [
  [
    '-std=gnu11',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-ffreestanding',
    '-fno-builtin',
    '-fno-tree-loop-distribute-patterns',
  ],
  ['-nostdlib', '-static', '-fno-pie', '-no-pie', '-fno-stack-protector', '-fno-ident'],
  ['-fno-asynchronous-unwind-tables', '-fno-unwind-tables', '-fomit-frame-pointer'],
  // Found by trying: each of these makes the six binaries smaller together.
  [
    '-Os',
    '-fno-expensive-optimizations',
    '-fno-jump-tables',
    '-fno-guess-branch-probability',
    '-fno-branch-count-reg',
  ],
  ['-fno-move-loop-invariants', '-fno-tree-tail-merge', '-fno-ipa-pure-const', '-fno-tree-forwprop'],
  ['-fno-tree-loop-im', '-fno-optimize-sibling-calls', '-fno-schedule-insns2'],
].flat();

/**
 * One read-only segment and a stack that is not executable. Text and constants share pages, so the kernel maps and
 * faults in as little as there is. 64 KiB, because arm64 and ppc64le kernels may have pages of that size.
 */
const LINKER_SCRIPT = `
ENTRY(_start)
PHDRS { all PT_LOAD FILEHDR PHDRS FLAGS(5); stack PT_GNU_STACK FLAGS(6); }
SECTIONS {
  . = 0x400000 + SIZEOF_HEADERS;
  .text : { *(.text*) *(.sfpr) *(.rodata*) } :all /* .sfpr: where ld puts ppc64le's register savers */
  /DISCARD/ : { *(.comment .note* .eh_frame* .ARM.* .riscv.* .gnu.attributes) }
  .rest : { *(*) }
}
ASSERT(SIZEOF(.rest) == 0, "something writable: it would be a second segment, one page fault more")
`;

/** Cuts off the section headers: only debuggers read them, and they are a tenth of the file. */
function withoutSections(elf) {
  const is64 = elf[4] === 2;
  const isBigEndian = elf[5] === 2;
  const u16 = (at) => (isBigEndian ? elf.readUInt16BE(at) : elf.readUInt16LE(at));
  const word = (at) => {
    if (is64) return Number(isBigEndian ? elf.readBigUInt64BE(at) : elf.readBigUInt64LE(at));
    return isBigEndian ? elf.readUInt32BE(at) : elf.readUInt32LE(at);
  };
  const programHeaders = word(is64 ? 32 : 28);
  const end = word(programHeaders + (is64 ? 8 : 4)) + word(programHeaders + (is64 ? 32 : 16));
  elf.fill(0, is64 ? 40 : 32, is64 ? 48 : 36); // where the section headers are
  elf.fill(0, is64 ? 58 : 46, is64 ? 64 : 52); // their size, number and names
  if (u16(is64 ? 56 : 44) !== 2) throw new Error('expected one segment and the stack');
  return elf.subarray(0, end);
}

function build(architecture, scratch) {
  const [compiler, ...machine] = TARGETS[architecture];
  let version;
  try {
    version = execFileSync(compiler, ['-dumpfullversion'], { encoding: 'utf8' }).trim();
  } catch {
    throw new Error(`${compiler} is not installed; the packages are named at the top of lib/probe/build.mjs`);
  }
  if (version !== GCC)
    throw new Error(`${compiler} must be ${GCC} (Debian 12), got ${version}: its bytes would differ`);
  const script = join(scratch, 'probe.ld');
  const out = join(scratch, architecture);
  writeFileSync(script, LINKER_SCRIPT);
  const link = [`-Wl,-T,${script}`, '-Wl,--build-id=none,-z,max-page-size=65536,--fatal-warnings'];
  execFileSync(compiler, [...FLAGS, ...machine, ...link, '-s', '-o', out, join(HERE, 'probe.c')], {
    stdio: 'inherit',
  });
  return withoutSections(readFileSync(out));
}

/** What six binaries weigh in a tarball, where each file begins on a multiple of 512 bytes behind a header of 512. */
function packedBytes(binaries) {
  const blocks = binaries.flatMap((b) => [
    Buffer.alloc(512),
    b,
    Buffer.alloc((512 - (b.length % 512)) % 512),
  ]);
  return gzipSync(Buffer.concat(blocks), { level: 9 }).length;
}

function buildAll() {
  const scratch = mkdtempSync(join(tmpdir(), 'vitals-probe-'));
  try {
    return new Map(Object.keys(TARGETS).map((architecture) => [architecture, build(architecture, scratch)]));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function sums(binaries) {
  const line = ([architecture, bytes]) =>
    `${createHash('sha256').update(bytes).digest('hex')}  linux-${architecture}/vitals-probe\n`;
  return [...binaries].map(line).join('');
}

function problemsWith(binaries) {
  const problems = [];
  for (const [architecture, bytes] of binaries)
    if (bytes.length > MOST_BYTES)
      problems.push(`${architecture} has ${bytes.length} bytes, at most ${MOST_BYTES}`);
  const packed = packedBytes([...binaries.values()]);
  if (packed > MOST_PACKED_BYTES)
    problems.push(`packed they have ${packed} bytes, at most ${MOST_PACKED_BYTES}`);
  return problems;
}

function differences(binaries, folder) {
  const found = [];
  for (const [architecture, bytes] of binaries) {
    const path = join(folder, `linux-${architecture}`, 'vitals-probe');
    const kept = readFileSync(path);
    if (!kept.equals(bytes)) found.push(`${path} is not what probe.c builds: run node lib/probe/build.mjs`);
    if (!(statSync(path).mode & 0o111)) found.push(`${path} is not executable`);
  }
  if (readFileSync(join(folder, 'SHA256SUMS'), 'utf8') !== sums(binaries)) found.push('SHA256SUMS differs');
  return found;
}

function write(binaries, folder) {
  for (const [architecture, bytes] of binaries) {
    const path = join(folder, `linux-${architecture}`, 'vitals-probe');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    chmodSync(path, 0o755);
  }
  writeFileSync(join(folder, 'SHA256SUMS'), sums(binaries));
}

const folder = join(HERE, 'bin');
const isCheck = process.argv.includes('--check');
const binaries = buildAll();
for (const [architecture, bytes] of binaries) console.log(`${architecture.padEnd(8)} ${bytes.length} bytes`);
console.log(`packed   ${packedBytes([...binaries.values()])} bytes, built by gcc ${GCC}`);
const problems = problemsWith(binaries);
if (isCheck) problems.push(...differences(binaries, folder));
else if (problems.length === 0) write(binaries, folder);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

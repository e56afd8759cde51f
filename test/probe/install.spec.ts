import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Machine, binaryPath, install } from '../../lib/probe/install.js';
import { ROOT, layOut, runCommand, runnable } from './implementations.js';
import { serve } from './servers.js';

const PACKAGE = layOut();
const CLI = [process.execPath, join(PACKAGE, 'dist', 'cjs', 'probe', 'cli.js')];
const BINARIES = join(PACKAGE, 'dist', 'probe');
const vitals = (...args: readonly string[]) => runCommand([...CLI, ...args]);

const LINUX: Machine = { platform: 'linux', arch: 'x64', isLittleEndian: true };

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'vitals-install-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** The permission bits, and nothing of the binary changed. */
function expectProbe(path: string): void {
  expect(statSync(path).mode & 0o777).toBe(0o755);
  expect(readFileSync(path).equals(readFileSync(binaryPath()))).toBe(true);
}

describe('vitals install', () => {
  it('copies to a file, prints where, and what it copied runs', async () => {
    const to = join(folder, 'healthprobe');
    expect(await vitals('install', to)).toMatchObject({ code: 0, stdout: `${to}\n`, stderr: '' });
    expectProbe(to);
    expect((await runCommand([to, '--version'])).stdout).toBe('vitals-probe 1.0.0\n');
  });

  it.each(['', '/'])('copies into a folder as vitals-probe (written with "%s" at its end)', async (end) => {
    const { stdout } = await vitals('install', `${folder}${end}`);
    expect(stdout).toBe(`${join(folder, 'vitals-probe')}\n`);
    expectProbe(join(folder, 'vitals-probe'));
  });

  it('is executable for everybody whatever the umask', async () => {
    const to = join(folder, 'probe');
    await runCommand(['sh', '-c', `umask 077; exec "$@"`, 'sh', ...CLI, 'install', to]);
    expectProbe(to);
  });

  it('replaces a file, a running probe and a link without writing through it', async () => {
    const [to, target] = [join(folder, 'probe'), join(folder, 'target')];
    writeFileSync(target, 'precious');
    await runCommand(['ln', '-s', target, to]);
    install(to);
    expect(readFileSync(target, 'utf8')).toBe('precious');
    expect(lstatSync(to).isSymbolicLink()).toBe(false);
    const silent = await serve(() => {});
    const running = spawn(to, [`http://${silent.where}/`, '--timeout-ms', '60000'], { stdio: 'ignore' });
    await once(running, 'spawn');
    install(to);
    expectProbe(to);
    running.kill();
    await silent.close();
    expect(readdirSync(folder).toSorted()).toEqual(['probe', 'target']);
  });

  it('says which folder is missing', async () => {
    const to = join(folder, 'no', 'probe');
    expect(await vitals('install', to)).toMatchObject({
      code: 1,
      stderr: `vitals: there is no folder ${join(folder, 'no')}: make it first\n`,
    });
  });

  const asNobody = runnable(
    'installing as another user',
    process.getuid?.() === 0 ? undefined : 'only root can',
  );

  asNobody('names the way out where it may not write, and leaves nothing behind', async () => {
    chmodSync(folder, 0o755);
    const to = join(folder, 'probe');
    const { code, stderr } = await runCommand([...CLI, 'install', to], { uid: 65_534 });
    expect(stderr).toBe(`vitals: cannot write ${to}: EACCES; in a Dockerfile, install before USER\n`);
    expect(code).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('wants exactly one destination', async () => {
    const usage = 'vitals: install takes one destination: a file or a folder\n';
    expect(await vitals('install')).toMatchObject({ code: 1, stderr: usage });
    expect(await vitals('install', folder, 'x')).toMatchObject({ code: 1, stderr: usage });
  });

  it('refuses a binary that is not the one that was packed', async () => {
    const path = (await vitals('path')).stdout.trim();
    const packed = readFileSync(path);
    try {
      writeFileSync(path, Buffer.concat([packed, Buffer.from('\n')]));
      const { code, stderr } = await vitals('install', folder);
      expect(stderr).toMatch(
        / is not the binary that was packed \(SHA-256 [0-9a-f]{64}\): install the package again\n$/,
      );
      expect(code).toBe(1);
      expect(existsSync(join(folder, 'vitals-probe'))).toBe(false);
    } finally {
      writeFileSync(path, packed);
    }
  });
});

describe('the binary of a machine', () => {
  it.each([
    ['x64', 'amd64'],
    ['arm64', 'arm64'],
    ['arm', 'arm'],
    ['riscv64', 'riscv64'],
    ['ppc64', 'ppc64le'],
    ['s390x', 's390x'],
  ])('for %s is the one under Docker’s name %s', (arch, name) => {
    expect(binaryPath({ ...LINUX, arch })).toBe(
      join(ROOT, 'lib', 'probe', 'bin', `linux-${name}`, 'vitals-probe'),
    );
  });

  it.each([
    { ...LINUX, platform: 'darwin', arch: 'arm64' },
    { ...LINUX, arch: 'mips' },
    { ...LINUX, arch: 'ppc64', isLittleEndian: false },
  ])('is missing for $platform on $arch, and the way out is named', (machine) => {
    const { platform, arch } = machine;
    expect(() => binaryPath(machine)).toThrow(
      `no probe for ${platform} on ${arch}: there are Linux ones for amd64, arm64, arm, riscv64, ppc64le, s390x; use \`vitals probe\``,
    );
  });

  it('is what `vitals path` prints, from the package itself', async () => {
    const { code, stdout } = await vitals('path');
    expect(stdout).toMatch(new RegExp(`^${BINARIES}/linux-[a-z0-9]+/vitals-probe\n$`));
    expect(code).toBe(0);
  });

  it('that the package has lost is asked for', async () => {
    const lost = join(folder, 'cjs', 'probe');
    mkdirSync(join(folder, 'probe'));
    mkdirSync(lost, { recursive: true });
    writeFileSync(join(folder, 'probe', 'SHA256SUMS'), '');
    cpSync(join(PACKAGE, 'dist', 'cjs', 'probe'), lost, { recursive: true });
    const { stderr } = await runCommand([process.execPath, join(lost, 'cli.js'), 'path']);
    expect(stderr).toMatch(/vitals-probe is missing: install the package again\n$/);
  });
});

describe('the vitals command', () => {
  it('lists its commands', async () => {
    const { code, stdout } = await vitals('--help');
    expect(stdout.match(/^ {2}vitals \S+/gm)).toEqual([
      '  vitals install',
      '  vitals path',
      '  vitals probe',
      '  vitals report',
      '  vitals doctor',
    ]);
    expect(code).toBe(0);
  });

  it('says the same to who gives no command, as an error', async () => {
    expect(await vitals()).toMatchObject({ code: 1, stdout: '', stderr: (await vitals('--help')).stdout });
  });

  it('explains one command', async () => {
    expect((await vitals('install', '--help')).stdout).toMatch(/^vitals install <dest>\n/);
  });

  it('prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await vitals('--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  it.each([
    ['instal', 'install'],
    ['isntall', 'install'],
    ['paht', 'path'],
    ['porbe', 'probe'],
  ])('takes %s for a slip of %s', async (slip, meant) => {
    expect(await vitals(slip)).toMatchObject({
      code: 1,
      stderr: `vitals: unknown command "${slip}", did you mean "${meant}"; see vitals --help\n`,
    });
  });

  it.each(['xyz', 'toString', '__proto__'])('guesses nothing for %s', async (name) => {
    expect(await vitals(name)).toMatchObject({
      code: 1,
      stderr: `vitals: unknown command "${name}"; see vitals --help\n`,
    });
  });
});

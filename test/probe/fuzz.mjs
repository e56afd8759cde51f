/**
 * Fuzzes the probe from its arguments to its line: `node test/probe/fuzz.mjs [inputs]`, one million unless told
 * otherwise. Starts from test/probe/seeds; a finding is left in .cache and named.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const findings = join(here, '..', '..', '.cache', 'probe-fuzz');
const inputs = Number(process.argv[2] ?? 1_000_000);

if (spawnSync('clang', ['--version'], { stdio: 'ignore' }).error) {
  console.log('the probe is not fuzzed: clang is not installed (Debian: clang, libclang-rt-14-dev)');
  process.exit(process.env.CI ? 1 : 0);
}
const folder = mkdtempSync(join(tmpdir(), 'vitals-fuzz-'));
try {
  process.exitCode = fuzz(folder);
} finally {
  rmSync(folder, { recursive: true });
}

function fuzz(scratch) {
  const program = join(scratch, 'fuzz');
  const corpus = join(scratch, 'corpus');
  cpSync(join(here, 'seeds'), corpus, { recursive: true });
  mkdirSync(findings, { recursive: true });
  const sanitize = '-fsanitize=fuzzer,address,undefined';
  const build = [
    '-g',
    '-O1',
    '-D_GNU_SOURCE',
    sanitize,
    '-fno-sanitize-recover=all',
    '-o',
    program,
    join(here, 'fuzz.c'),
  ];
  if (spawnSync('clang', build, { stdio: 'inherit' }).status !== 0) return 1;
  const began = performance.now();
  const options = [
    `-runs=${inputs}`,
    '-max_len=6000',
    '-len_control=0',
    '-timeout=10',
    '-print_final_stats=1',
  ];
  const { status, stderr } = spawnSync(
    program,
    [...options, `-dict=${join(here, 'fuzz.dict')}`, `-artifact_prefix=${findings}/`, corpus],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    },
  );
  const stat = (name) => new RegExp(`stat::${name}:\\s+(\\d+)`).exec(stderr)?.[1];
  const covered = [...stderr.matchAll(/cov: (\d+)/g)].at(-1)?.[1];
  const seconds = Math.round((performance.now() - began) / 1000);
  const tried = Number(stat('number_of_executed_units') ?? 0);
  console.log(
    `${tried} inputs in ${seconds} s, ${covered} edges covered, ${status === 0 ? 'no finding' : 'a finding'}`,
  );
  if (status === 0 && tried >= inputs) return 0;
  console.error(stderr.slice(-4000));
  return 1;
}

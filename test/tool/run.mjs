/**
 * Everything that `npm test` checks, in order, each stage as a command of its own. Ends with the line
 * `N passed, N failed`: every test of the runners counts, and so does every check that is not a test.
 * `npm test -- unit app` runs the named stages only; `--list` names them.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const scratch = mkdtempSync(join(tmpdir(), 'vitals-test-'));
const jestReport = join(scratch, 'jest.json');

/** A stage is one command; `count` reads from its output how many passed and failed. Without it the command is the check. */
const STAGES = [
  { name: 'build', command: ['npm', 'run', '--silent', 'build'] },
  { name: 'lint', command: ['npm', 'run', '--silent', 'lint'] },
  { name: 'types', command: ['npm', 'run', '--silent', 'types'] },
  { name: 'example', command: ['npm', 'run', '--silent', 'build', '-w', 'example-app'] },
  { name: 'package', command: ['node', 'test/package/run.mjs'], count: lastCount },
  { name: 'app', command: ['node', 'test/app/run.mjs'], count: lastCount },
  { name: 'page', command: ['node', 'test/page/run.mjs'], count: lastCount, maySkip: true },
  { name: 'metrics', command: ['node', 'test/metrics/run.mjs'], count: lastCount },
  { name: 'pools', command: ['node', 'test/pools/run.mjs'], count: lastCount },
  // These need what npm does not have: root's network namespaces, a compiler with a fuzzer, and a Docker engine that
  // may be started.
  { name: 'coverage', command: ['node', 'test/coverage/run.mjs'], count: lastCount, maySkip: true },
  { name: 'fuzz', command: ['node', 'test/probe/fuzz.mjs'] },
  { name: 'container', command: ['node', 'test/container/run.mjs'], count: lastCount, maySkip: true },
  { name: 'matrix', command: ['node', 'test/matrix/run.mjs'], count: lastCount, maySkip: true },
  { name: 'deploy', command: ['node', 'test/deploy/run.mjs'], count: lastCount, maySkip: true },
  {
    name: 'unit',
    command: ['node', 'node_modules/jest/bin/jest.js', '--json', '--outputFile', jestReport],
    count: jestCount,
  },
];

const asked = process.argv.slice(2);
if (asked.includes('--list')) {
  console.log(STAGES.map(({ name }) => name).join('\n'));
  process.exit(0);
}
const unknown = asked.filter((name) => !STAGES.some((stage) => stage.name === name));
if (unknown.length > 0) {
  console.error(`no stage ${unknown.join(', ')}; there are ${STAGES.map(({ name }) => name).join(', ')}`);
  process.exit(1);
}

const total = { passed: 0, failed: 0 };
for (const stage of STAGES.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  console.log(`\n== ${stage.name}: ${stage.command.join(' ')}`);
  const startedAt = Date.now();
  const { code, output } = await run(stage.command);
  const counted = stage.count?.(output);
  const { passed, failed } = tally(code, counted, stage);
  total.passed += passed;
  total.failed += failed;
  console.log(
    `== ${stage.name}: ${passed} passed, ${failed} failed in ${Math.round((Date.now() - startedAt) / 1000)} s`,
  );
}
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;

/** A command that failed without saying which test did, or that ran no test, is a failure of its own. */
function tally(code, counted, { count, maySkip }) {
  if (!count) return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
  // A stage that may be skipped says so itself, loudly, and fails in CI instead.
  const isNothing = !counted || counted.passed + counted.failed === 0;
  if (isNothing) return { passed: 0, failed: maySkip && code === 0 && !process.env.CI ? 0 : 1 };
  return code !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted;
}

function run([command, ...args]) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      from.on('data', (chunk) => {
        output += chunk;
        to.write(chunk);
      });
    }
    child.on('error', (error) => resolve({ code: 1, output: output + error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

function lastCount(output) {
  const [, passed, failed] = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1) ?? [];
  return passed === undefined ? null : { passed: Number(passed), failed: Number(failed) };
}

function jestCount() {
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(
      readFileSync(jestReport, 'utf8'),
    );
    return { passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites };
  } catch {
    return null;
  }
}

/**
 * Packs the package as it would be published and returns the tarball's path. It is built in a copy of its own, so that
 * nobody who uses `dist/` meanwhile sees it vanish, and packed by `npm pack`, so that `files` and `prepack` are tested.
 * `node test/tool/pack.mjs` prints the path; with `--committed` it packs the last commit, not the files as they lie there.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** Where everything lies that is installed, downloaded or packed for the tests; ignored by git. Two runs at once need two. */
export const CACHE = process.env.VITALS_CACHE ?? join(ROOT, '.cache');

const NEEDED = ['package.json', 'tsconfig.json', 'lib', 'test/tool', 'README.md', 'CHANGELOG.md', 'LICENSE'];

/** Builds and packs. Returns the tarball's path, and npm's report on it (`files`, `size`, `integrity`). */
export function pack({ isCommitted = process.argv.includes('--committed') } = {}) {
  const stage = mkdtempSync(join(tmpdir(), 'vitals-pack-'));
  try {
    if (isCommitted) run('sh', ['-c', `git archive HEAD | tar x -C '${stage}'`], ROOT);
    else
      for (const path of NEEDED.filter(isThere))
        cpSync(join(ROOT, path), join(stage, path), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(stage, 'node_modules'));
    const said = run('npm', ['pack', '--json', '--silent'], stage);
    const report = readReport(said);
    mkdirSync(CACHE, { recursive: true });
    const path = join(CACHE, report.filename);
    // In one step: of two runs at once each finds a whole tarball.
    cpSync(join(stage, report.filename), `${path}.${process.pid}`);
    renameSync(`${path}.${process.pid}`, path);
    return { path, report };
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** Runs a program to its end and returns what it printed; when it fails, throws with all of that. */
export function run(program, args, cwd, env = process.env) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status === 0) return stdout;
  throw new Error(
    `${program} ${args.join(' ')} failed in ${cwd}: ${error?.message ?? `exit ${status}`}\n${stdout}\n${stderr}`,
  );
}

function isThere(path) {
  return existsSync(join(ROOT, path));
}

/** npm 12 answers with an object by package name, older ones with a list. */
function readReport(said) {
  const answer = JSON.parse(said.slice(said.search(/^[[{]/m)));
  return Array.isArray(answer) ? answer[0] : Object.values(answer)[0];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.stdout.write(`${pack().path}\n`);
}

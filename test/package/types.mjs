/**
 * A consumer's program, compiled in every way that consumers compile: what Nest's own types fail at is not held
 * against us, everything else is.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inParallel } from '../app/tally.mjs';

const CONSUMER = join(dirname(fileURLToPath(import.meta.url)), 'consumer');
/** TypeScript 7 has given up node10. */
const WAYS = [
  { name: 'node10', compilers: [5], module: 'commonjs', resolution: 'node10', type: 'commonjs' },
  { name: 'node16 CommonJS', compilers: [5, 7], module: 'node16', resolution: 'node16', type: 'commonjs' },
  { name: 'node16 ES modules', compilers: [5, 7], module: 'node16', resolution: 'node16', type: 'module' },
  {
    name: 'nodenext CommonJS',
    compilers: [5, 7],
    module: 'nodenext',
    resolution: 'nodenext',
    type: 'commonjs',
  },
  { name: 'bundler', compilers: [5, 7], module: 'esnext', resolution: 'bundler', type: 'module' },
];

/** TypeScript 5 takes its time on a busy machine, and a cell may need it four times. */
const LIMIT_MS = 300_000;

export async function testTypes(tally, { folders, compilers }) {
  const works = [];
  for (const folder of folders) {
    rmSync(join(folder, 'types'), { recursive: true, force: true });
    for (const way of WAYS) {
      for (const version of way.compilers) {
        const title = `types | ${folder.split('/').pop()} | ${way.name} | TypeScript ${version}`;
        const tsc = join(compilers, 'node_modules', `typescript${version}`, 'bin', 'tsc');
        const id = `${works.length} ${way.name} ${version}`;
        works.push(() => tally.claim(title, () => compiles({ folder, way, tsc, id }), LIMIT_MS));
      }
    }
  }
  await inParallel(2, works);
}

/** With the declarations of others checked too; what is clean then is clean without, so that is tried only where it is not. */
async function compiles(cell) {
  const isClean = await addsNothing({ ...cell, isLibChecked: true });
  if (!isClean) await addsNothing({ ...cell, isLibChecked: false });
}

/** True when there is no error at all. Errors that are there without us as well are Nest's own. */
async function addsNothing(cell) {
  const errors = await compile(cell, 'consumer.ts');
  if (errors.length === 0) return true;
  const others = new Set(await compile(cell, 'bare.ts'));
  const isNestUsable = ![...others].some((error) => error.startsWith('bare.ts'));
  // Where Nest itself cannot be imported nothing can be said of us but that our declarations are found.
  const isOurs = (error) => isNestUsable || /nestjs-vitals.*(TS2307|TS7016)/.test(error);
  assert.deepEqual(
    errors.filter((error) => !others.has(error) && isOurs(error)),
    [],
    `errors of ours with skipLibCheck ${!cell.isLibChecked}`,
  );
  return false;
}

async function compile({ folder, way, isLibChecked, tsc, id }, file) {
  const stage = join(folder, 'types', id.replace(/\W+/g, '-'));
  mkdirSync(stage, { recursive: true });
  cpSync(join(CONSUMER, file), join(stage, file));
  writeFileSync(join(stage, 'package.json'), JSON.stringify({ type: way.type }));
  const compilerOptions = {
    target: 'es2022',
    module: way.module,
    moduleResolution: way.resolution,
    strict: true,
    noUncheckedIndexedAccess: true,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    skipLibCheck: !isLibChecked,
    noEmit: true,
    types: ['node'],
  };
  writeFileSync(join(stage, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [tsc, '-p', stage, '--pretty', 'false'], { cwd: stage });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      const errors = said.split('\n').filter((line) => /error TS\d+/.test(line));
      if (code !== 0 && errors.length === 0) reject(new Error(`tsc ended with ${code}: ${said}`));
      else resolve(errors);
    });
  });
}

/**
 * Builds the package: the one source as CommonJS, what of it imports Nest as ES modules as well, and in front of each an
 * entry that makes both export the same classes when a process happens to load both.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { minifySync } from '@swc/core';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const dist = join(root, 'dist');
const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const require = createRequire(join(root, 'package.json'));

/** Entries that export values. `register` is not one of them: what it installs is shared by a registered symbol. */
const GUARDED = ['index', 'terminus'];
const ENTRIES = [...GUARDED, 'register'];

const FORMATS = [
  { folder: 'cjs', type: 'commonjs', flags: ['--module', 'commonjs', '--moduleResolution', 'bundler'] },
  { folder: 'esm', type: 'module', flags: ['--module', 'esnext', '--moduleResolution', 'bundler'] },
];

/** An import or export of a file of ours. */
const RELATIVE = /(?:from|import|import\()\s*['"](\.[^'"]+)['"]/g;

rmSync(dist, { recursive: true, force: true });
for (const { folder, type, flags } of FORMATS) {
  const out = join(dist, folder);
  // Twice: comments are for whoever reads the types in an editor, and would be a third of the code.
  compile(out, [...flags, '--declaration', 'false', '--removeComments']);
  compile(out, [...flags, '--emitDeclarationOnly']);
  writeFileSync(join(out, 'package.json'), `${JSON.stringify({ type })}\n`);
}
const exported = Object.fromEntries(
  GUARDED.map((entry) => [entry, Object.keys(require(join(dist, 'cjs', `${entry}.js`)))]),
);
for (const entry of GUARDED) {
  for (const { folder } of FORMATS) guard(join(dist, folder), entry, folder === 'esm', exported[entry]);
}
copyProbes();
leaveOutTheCommandsSecondCopy();
for (const { folder } of FORMATS) leaveOutPrivateTypes(join(dist, folder));
for (const extension of ['.js', '.d.ts'])
  shareWhatKnowsNoNest(join(dist, 'esm'), join(dist, 'cjs'), extension);
for (const { folder, type } of FORMATS) {
  minify(join(dist, folder), type === 'module');
}

function compile(out, flags) {
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '-p', join(root, 'lib'), '--outDir', out, ...flags], {
    stdio: 'inherit',
  });
}

/**
 * The first build of this version that is loaded beside a given copy of Nest wins, and the other one exports the same
 * values. Keyed by Nest's own class, so that two copies of Nest, or two Jest registries, stay apart.
 */
function guard(folder, entry, isEsm, names) {
  renameSync(join(folder, `${entry}.js`), join(folder, `${entry}.impl.js`));
  const key = `globalThis[Symbol.for('${name}@${version}/${entry}')] ??= new WeakMap()`;
  const pick = [
    `const registry = (${key});`,
    'let api = registry.get(HttpAdapterHost);',
    'if (!api) registry.set(HttpAdapterHost, (api = impl));',
  ];
  const lines = isEsm
    ? [
        `import * as impl from './${entry}.impl.js';`,
        "import { HttpAdapterHost } from '@nestjs/core';",
        ...pick,
        ...names.map((n) => `export const ${n} = api.${n};`),
      ]
    : [
        "'use strict';",
        "Object.defineProperty(exports, '__esModule', { value: true });",
        // Node finds the names that an ES module may import from here by reading these lines.
        ...names.map((n) => `exports.${n} = void 0;`),
        `const impl = require('./${entry}.impl.js');`,
        "const { HttpAdapterHost } = require('@nestjs/core');",
        ...pick,
        ...names.map((n) => `exports.${n} = api.${n};`),
      ];
  writeFileSync(join(folder, `${entry}.js`), `${lines.join('\n')}\n`);
}

/** The probe's binaries are in the repository, built and checked apart; here they and their source only take their place. */
function copyProbes() {
  const probe = join(root, 'lib', 'probe');
  cpSync(join(probe, 'bin'), join(dist, 'probe'), { recursive: true });
  cpSync(join(probe, 'probe.c'), join(dist, 'probe', 'probe.c'));
}

/** The command is run and never imported: it needs one format. */
function leaveOutTheCommandsSecondCopy() {
  rmSync(join(dist, 'esm', 'probe'), { recursive: true });
}

/**
 * Only what imports Nest must be there in Nest's own format. All else is taken from the CommonJS build, which every
 * Node.js can import: two fifths of the package, and no state twice.
 */
function shareWhatKnowsNoNest(esm, cjs, extension) {
  const files = readdirSync(esm, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith(extension),
  );
  const code = new Map(files.map((name) => [join(esm, name), readFileSync(join(esm, name), 'utf8')]));
  const target = (file, path) => join(dirname(file), path.replace(/\.js$/, extension));
  const knowsNest = (file, seen = new Set()) => {
    if (seen.has(file)) return false;
    seen.add(file);
    const text = code.get(file);
    const paths = [...text.matchAll(RELATIVE)].map(([, path]) => target(file, path));
    return /['"]@nestjs\//.test(text) || paths.some((path) => knowsNest(path, seen));
  };
  const twin = (file, path) => relative(dirname(file), join(cjs, relative(esm, join(dirname(file), path))));
  for (const [file, text] of code) {
    const entry = ENTRIES.find((name) => file === join(esm, `${name}${extension}`));
    if (knowsNest(file)) {
      const shared = text.replace(RELATIVE, (said, path) =>
        knowsNest(target(file, path)) ? said : said.replace(path, twin(file, path)),
      );
      writeFileSync(file, shared);
    } else if (entry) writeFileSync(file, `import '${twin(file, `./${entry}.js`)}';\n`);
    else rmSync(file);
  }
}

/** Types that no entry leads to are nobody's. */
function leaveOutPrivateTypes(folder) {
  const reached = new Set();
  const reach = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const [, path] of readFileSync(file, 'utf8').matchAll(/['"](\.[^'"]+)\.js['"]/g))
      reach(join(dirname(file), `${path}.d.ts`));
  };
  for (const entry of ENTRIES) reach(join(folder, `${entry}.d.ts`));
  for (const name of readdirSync(folder, { recursive: true })) {
    const file = join(folder, name);
    if (name.endsWith('.d.ts') && !reached.has(file)) rmSync(file);
  }
}

/** Blanks and the names of local variables are a tenth of the package. Names of functions and classes stay: stacks carry them. */
function minify(folder, isModule) {
  for (const name of readdirSync(folder, { recursive: true })) {
    if (!name.endsWith('.js')) continue;
    const file = join(folder, name);
    const { code } = minifySync(readFileSync(file, 'utf8'), {
      compress: false,
      mangle: { keep_fnames: true, keep_classnames: true },
      module: isModule,
    });
    writeFileSync(file, code);
  }
}

/**
 * What is in the tarball and what is not, what it exports, and what loading it costs.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, run } from '../tool/pack.mjs';

const MAX_BYTES = 212 * 1024;
const WANTED = ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE'];
const ALLOWED =
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|dist\/(cjs|esm)\/([\w.-]+\/)*[\w.-]+(\.js|\.d\.ts)|dist\/(cjs|esm)\/package\.json|dist\/probe\/[\w./-]+)$/;
/** The public names, once more by hand: a name that comes or goes is a decision. */
const API = {
  'nestjs-vitals': [
    'CODES',
    'VITALS_OPTIONS',
    'VitalsController',
    'VitalsModule',
    'VitalsOptionsError',
    'VitalsService',
  ],
  'nestjs-vitals/terminus': [
    'EventLoopHealthIndicator',
    'PoolHealthIndicator',
    'ResetsHealthIndicator',
    'VitalsTerminusModule',
  ],
  'nestjs-vitals/register': [],
};

export async function testContents(tally, { packed, folder }) {
  const claim = (title, prove) => tally.claim(`tarball | ${title}`, prove);
  const installed = join(folder, 'node_modules', 'nestjs-vitals');
  const about = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const files = packed.report.files.map(({ path }) => path);
  await testFiles({ claim, packed, files, installed, about });
  await testApi({ claim, folder });
  await testCost({ claim, folder, installed });
  await testTools({ claim, packed });
}

async function testFiles({ claim, packed, files, installed, about }) {
  await claim(`at most ${MAX_BYTES} bytes packed`, () =>
    assert.ok(packed.report.size <= MAX_BYTES, `${packed.report.size} bytes`),
  );
  for (const name of WANTED) await claim(`${name} is in it`, () => assert.ok(files.includes(name)));
  await claim('nothing is in it that is not meant to be', () =>
    assert.deepEqual(
      files.filter((path) => !ALLOWED.test(path)),
      [],
    ),
  );
  await claim(
    'the probe comes with its source and its sums, and the command in one format without types',
    () => {
      const inProbe = files.filter((path) => /^dist\/probe\/[^/]+$/.test(path)).sort();
      assert.deepEqual(inProbe, ['dist/probe/SHA256SUMS', 'dist/probe/probe.c']);
      assert.deepEqual(
        files.filter((path) => /^dist\/(esm\/probe\/|cjs\/probe\/.*\.d\.ts$)/.test(path)),
        [],
      );
    },
  );
  await claim('the six probes are packed as executable for all', () => {
    const probes = packed.report.files.filter(({ path }) => path.endsWith('/vitals-probe'));
    assert.deepEqual(
      probes.map(({ mode }) => mode),
      Array(6).fill(0o755),
    );
  });
  await claim('no source map, and no path of the machine that built it', () => {
    const text = files.filter((path) => /\.(js|ts|json|md)$/.test(path));
    const leaking = text.filter((path) =>
      /sourceMappingURL|\/(root|home|tmp|work)\/[\w-]+/.test(readFileSync(join(installed, path), 'utf8')),
    );
    assert.deepEqual(leaking, []);
  });
  await claim('no dependency, and nothing is run at install', () => {
    assert.deepEqual(
      [about.dependencies, about.optionalDependencies, about.bundleDependencies],
      [undefined, undefined, undefined],
    );
    assert.deepEqual(
      Object.keys(about.scripts ?? {}).filter((name) => /^(pre|post)?install$|^prepare$/.test(name)),
      [],
    );
  });
  await claim('every path that package.json names is in it', () => {
    const named = JSON.stringify([
      about.main,
      about.module,
      about.types,
      about.bin,
      about.exports,
      about.typesVersions,
    ]).match(/\.\/[\w./-]+\.\w+/g);
    assert.deepEqual(
      named.filter((path) => !existsSync(join(installed, path))),
      [],
    );
  });
}

async function testApi({ claim, folder }) {
  const require = createRequire(join(folder, 'package.json'));
  for (const [entry, names] of Object.entries(API)) {
    await claim(`${entry} exports exactly ${names.length} values`, () =>
      assert.deepEqual(Object.keys(require(entry)).sort(), names),
    );
  }
}

async function testCost({ claim, folder, installed }) {
  const loaded = (code) =>
    JSON.parse(
      run(
        process.execPath,
        ['--eval', `${code}; console.log(JSON.stringify(Object.keys(require.cache)))`],
        folder,
      ),
    );
  const nest = "require('reflect-metadata'); require('@nestjs/common'); require('@nestjs/core');";
  await claim('loading it loads nothing but Nest and itself', () => {
    const before = new Set(loaded(nest));
    const foreign = loaded(`${nest} require('nestjs-vitals')`).filter(
      (path) => !before.has(path) && !path.startsWith(installed),
    );
    assert.deepEqual(foreign, []);
  });
  await claim('register loads nothing but its own few files', () => {
    const paths = loaded("require('nestjs-vitals/register')");
    assert.ok(paths.length < 10, paths.join('\n'));
    assert.deepEqual(
      paths.filter((path) => !path.startsWith(installed)),
      [],
    );
  });
  await claim('it starts where no optional peer is installed, and /terminus names what is missing', () => {
    const stage = mkdtempSync(join(tmpdir(), 'vitals-bare-'));
    try {
      mkdirSync(join(stage, 'node_modules', '@nestjs'), { recursive: true });
      cpSync(installed, join(stage, 'node_modules', 'nestjs-vitals'), { recursive: true });
      for (const name of ['@nestjs/common', '@nestjs/core', 'reflect-metadata', 'rxjs', 'tslib']) {
        symlinkSync(join(folder, 'node_modules', name), join(stage, 'node_modules', name));
      }
      const code = `${nest} const { VitalsModule } = require('nestjs-vitals');
        require('@nestjs/core').NestFactory.createApplicationContext(VitalsModule.forRoot(), { logger: false, abortOnError: false })
          .then((app) => app.close()).then(() => console.log('closed'));
        try { require('nestjs-vitals/terminus') } catch (error) { console.log(error.code, error.message.split('\\n')[0]) }`;
      const said = run(process.execPath, ['--eval', code], stage);
      assert.match(said, /MODULE_NOT_FOUND.*@nestjs\/terminus/);
      assert.match(said, /closed/);
    } finally {
      rmSync(stage, { recursive: true, force: true });
    }
  });
  await claim('a Jest registry has classes of its own', () => {
    cpSync(join(ROOT, 'test', 'package', 'registries.js'), join(folder, 'registries.js'));
    const config = {
      rootDir: folder,
      testEnvironment: 'node',
      testMatch: ['<rootDir>/registries.js'],
      transform: {},
    };
    const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
    run(process.execPath, [jest, '--config', JSON.stringify(config), '--ci'], folder);
  });
}

async function testTools({ claim, packed }) {
  const bin = (name) => join(ROOT, 'node_modules', '.bin', name);
  await claim('publint --strict has nothing to say', () =>
    run(bin('publint'), ['--strict', packed.path], ROOT),
  );
  await claim('attw finds the types of every entry under node10, node16 and bundler', () =>
    run(bin('attw'), [packed.path, '--format', 'table-flipped', '--no-color'], ROOT),
  );
}

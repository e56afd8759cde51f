// A Docker engine of our own, with its own data, socket and containerd: no bridge, no firewall rule, no registry.
// Ends with everything it holds; what a killed run left behind is ended and removed by the next one.
import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import { promisify } from 'node:util';

const PREFIX = 'vitals-container-';
/** A newer client may lie in front of it in PATH; the distribution's own one fits its engine. */
const DOCKER = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker';
const execute = promisify(execFile);

/** Starts the engine; throws with the reason where it cannot. */
export async function startEngine() {
  if (process.platform !== 'linux') throw new Error('a Docker engine of our own needs Linux');
  if (process.getuid() !== 0) throw new Error('a Docker engine of our own needs root');
  for (const tool of ['dockerd', 'docker', 'docker-compose']) {
    await execute(tool, ['--version']).catch(() => {
      throw new Error(`${tool} is not installed; Debian has it in docker.io and docker-compose`);
    });
  }
  for (const name of readdirSync(tmpdir())) {
    if (name.startsWith(PREFIX)) await sweep(join(tmpdir(), name));
  }
  const dir = mkdtempSync(join(tmpdir(), PREFIX));
  writeFileSync(join(dir, 'runner.pid'), String(process.pid));
  mkdirSync(join(dir, 'config'));
  const engine = new Engine(dir);
  try {
    await engine.start();
    return engine;
  } catch (error) {
    await engine.stop();
    throw error;
  }
}

class Engine {
  constructor(dir) {
    this.dir = dir;
    this.env = {
      PATH: process.env.PATH,
      HOME: dir,
      DOCKER_HOST: `unix://${dir}/docker.sock`,
      DOCKER_CONFIG: join(dir, 'config'),
      // The engine of Debian 12 has no BuildKit, and the compose file's builds must be ours to see.
      DOCKER_BUILDKIT: '0',
      COMPOSE_DOCKER_CLI_BUILD: '0',
    };
  }

  async start() {
    const { dir } = this;
    const log = openSync(join(dir, 'dockerd.log'), 'w');
    const flags =
      '--storage-driver=overlay2 --bridge=none --userland-proxy=false --iptables=false --ip6tables=false';
    const quiet = '--ip-forward=false --ip-masq=false';
    const places = [
      '--data-root',
      `${dir}/data`,
      '--exec-root',
      `${dir}/exec`,
      '--pidfile',
      `${dir}/docker.pid`,
    ];
    this.daemon = spawn(
      'dockerd',
      [...places, '-H', this.env.DOCKER_HOST, ...flags.split(' '), ...quiet.split(' ')],
      // A process group of its own: Ctrl-C reaches us, and we end it in order.
      { stdio: ['ignore', log, log], detached: true },
    );
    this.ended = new Promise((done) => {
      this.daemon.on('exit', done);
      this.daemon.on('error', done);
    });
    let isOver = false;
    void this.ended.then(() => (isOver = true));
    const isUp = () => this.docker('version', '--format', '{{.Server.Version}}').catch(() => '');
    for (const deadline = Date.now() + 60_000; !(this.version = await isUp()); await later(100)) {
      if (!isOver && Date.now() < deadline) continue;
      const said = readFileSync(join(dir, 'dockerd.log'), 'utf8').trim().split('\n').slice(-5).join('\n');
      throw new Error(`dockerd ${isOver ? 'ended' : 'did not answer in 60 s'}:\n${said}`);
    }
  }

  /** Runs one docker command; answers what it printed, throws with all of it when it fails. */
  async docker(...args) {
    return this.run(DOCKER, args);
  }

  async compose(project, file, ...args) {
    return this.run('docker-compose', ['--no-ansi', '-p', project, '-f', file, ...args]);
  }

  async run(program, args, env = {}) {
    const options = { env: { ...this.env, ...env }, maxBuffer: 1 << 26 };
    try {
      return (await execute(program, args, options)).stdout.trim();
    } catch (error) {
      throw new Error(
        `${program} ${args.join(' ')} failed: ${error.code}\n${error.stdout}\n${error.stderr}`.trim(),
      );
    }
  }

  async stop() {
    if (this.version) {
      const all = await this.docker('ps', '-aq').catch(() => '');
      if (all) await this.docker('rm', '-f', ...all.split('\n')).catch(() => {});
    }
    if (this.daemon?.pid) {
      this.daemon.kill('SIGTERM');
      const patience = setTimeout(() => this.daemon.kill('SIGKILL'), 30_000);
      await this.ended;
      clearTimeout(patience);
    }
    await remove(this.dir);
  }
}

/** A folder of a run that is gone: its engine is ended, if it is indeed that folder's. */
async function sweep(dir) {
  if (isAlive(numberIn(join(dir, 'runner.pid')))) return;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isOf(dir, name));
  for (const pid of pids) {
    // One may end with another: the last process of a container takes its shim along.
    if (isAlive(pid)) spawnSync('kill', ['-KILL', pid]);
  }
  for (const deadline = Date.now() + 10_000; pids.some(isAlive) && Date.now() < deadline;) await later(50);
  await remove(dir);
}

async function remove(dir) {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1])
    .filter((path) => path?.startsWith(`${dir}/`));
  for (const path of mounts.reverse()) await execute('umount', ['-l', path]).catch(() => {});
  rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
}

function numberIn(file) {
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
}

function isAlive(pid) {
  return pid > 0 && existsSync(`/proc/${pid}/stat`);
}

/** The engine and its shims name the folder; a process in a container has its root on a layer that lies there. */
function isOf(dir, pid) {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${dir}/`)) return true;
    const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n');
    return mounts.some((line) => line.split(' ')[4] === '/' && line.includes(`=${dir}/data/`));
  } catch {
    return false;
  }
}

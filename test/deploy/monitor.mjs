// What the cases share: a container that can be made sick, and the monitor as a process of its own beside a spy.
import { execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import { ROOT } from '../tool/pack.mjs';

export const HOST = join(ROOT, 'example-app/deploy/host');
export const MONITOR = join(HOST, 'monitor.sh');
const DOCKER = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker';
const SAYS = '503 POOL_WEDGED: 10 of 10 used';
const CHECK = `test -e /ok || { echo "${SAYS}"; false; }`;
/** Healthy from each start on, unless it is to stay sick; ends with SIGTERM unless it is deaf. */
const APP = `[ -e /deaf ] && trap : TERM || trap 'exit 0' TERM
[ -e /stays ] || touch /ok
while :; do sleep 0.1; done`;

/** Those whose case failed are still there at the end. */
const running = new Set();

/** What the monitor asks of Docker, one line a call: what was asked, how it ended, what came back. */
const SPY = `#!/bin/sh
case $1 in
inspect)
  said=$(${DOCKER} "$@")
  code=$?
  [ -z "$said" ] || printf '%s\\n' "$said"
  echo "inspect $code $(echo "$said" | sed -n '1s/ [0-9a-f]*  *[^ ]*$//p')" >>"$SPY"
  exit "$code"
  ;;
esac
echo "$*" >>"$SPY"
[ -z "\${SPY_REFUSES:-}" ] || { echo "Error response from daemon: $SPY_REFUSES" >&2 && exit 1; }
exec ${DOCKER} "$@"
`;

export async function prepare(engine) {
  const root = join(engine.dir, 'sick');
  for (const dir of ['bin', 'tmp']) mkdirSync(join(root, dir), { recursive: true });
  cpSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['sh', 'sleep', 'touch', 'rm']) symlinkSync('busybox', join(root, 'bin', name));
  execFileSync('tar', ['cf', `${root}.tar`, '-C', root, '.']);
  await engine.docker('import', '-c', 'ENV PATH=/bin', `${root}.tar`, 'sick:1');
  mkdirSync(join(engine.dir, 'bin'));
  writeFileSync(join(engine.dir, 'bin/docker'), SPY, { mode: 0o755 });
}

/** `docker run`, or another command that makes one. */
export async function make(engine, name, { how = ['run', '-d'], flags = [], check = CHECK, app = APP } = {}) {
  const health = check ? ['--health-cmd', check, '--health-interval=200ms', '--health-retries=1'] : [];
  const given = [...how, '--name', name, '--network', 'none', ...health, ...flags];
  await engine.docker(...given, 'sick:1', 'sh', '-c', app);
  const inspect = async () => JSON.parse(await engine.docker('inspect', name))[0];
  const state = async () => (await inspect()).State;
  const exec = (line) => engine.docker('exec', name, 'sh', '-c', line);
  const becomes = (status) =>
    until(`${name} is ${status}`, async () => (await state()).Health.Status === status);
  return {
    name,
    inspect,
    state,
    becomes,
    exec,
    /** Until it is started again, or, if it stays so, for good. */
    sicken: async ({ stays = false } = {}) => {
      await exec(`${stays ? 'touch /stays; ' : ''}rm /ok`);
      await becomes('unhealthy');
    },
    cure: async () => {
      await exec('touch /ok');
      await becomes('healthy');
    },
  };
}

/** Starts the monitor; `shell` reads it, `env` and `args` are what a user gives. */
export function watch(engine, args, { shell = ['sh'], env = {}, hasSpy = true, line } = {}) {
  const scratch = mkdtempSync(join(engine.dir, 'monitor-'));
  const spy = join(scratch, 'spy');
  const tmp = join(scratch, 'tmp');
  mkdirSync(tmp);
  writeFileSync(spy, '');
  const path = hasSpy ? `${join(engine.dir, 'bin')}:${process.env.PATH}` : process.env.PATH;
  const [program, ...rest] = line ? ['sh', '-c', line] : [...shell, MONITOR, ...args];
  const child = spawn(program, rest, {
    env: { ...engine.env, PATH: path, SPY: spy, TMPDIR: tmp, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const seen = { out: '', err: '' };
  child.stdout.on('data', (chunk) => (seen.out += chunk));
  child.stderr.on('data', (chunk) => (seen.err += chunk));
  const ended = new Promise((done) => child.on('close', (code, signal) => done(code ?? signal)));
  running.add(child);
  void ended.then(() => running.delete(child));
  const lines = () => seen.out.split('\n').filter(Boolean);
  const calls = () => readFileSync(spy, 'utf8').split('\n').filter(Boolean);
  return {
    pid: child.pid,
    tmp,
    ended,
    lines,
    calls,
    error: () => seen.err,
    checks: () => calls().filter((call) => call.startsWith('inspect')).length,
    restarts: () => calls().filter((call) => call.startsWith('restart')),
    says: (pattern, times = 1) =>
      until(
        `${times} x ${pattern}`,
        () => lines().filter((one) => pattern.test(one)).length >= times,
        () => `${seen.out}${seen.err}${calls().join('\n')}`,
      ),
    async checksAgain(times) {
      const goal = this.checks() + times;
      await until(
        `${times} more checks`,
        () => this.checks() >= goal,
        () => seen.out + seen.err,
      );
    },
    async stop() {
      child.kill('SIGTERM');
      return Promise.race([ended, later(5000, 'still there after 5 s', { ref: false })]);
    },
  };
}

export async function endAll() {
  for (const child of running) child.kill('SIGTERM');
  await until('every monitor has ended', () => running.size === 0);
}

/** One check with `--once`; answers what it printed and how it ended. */
export async function once(engine, state, args, options) {
  const monitor = watch(engine, ['--once', '--state', state, ...args], options);
  const code = await monitor.ended;
  return { code, lines: monitor.lines(), error: monitor.error(), restarts: monitor.restarts() };
}

export async function until(what, isSo, seen = () => '') {
  for (const deadline = Date.now() + 60_000; !(await isSo()); await later(50)) {
    if (Date.now() > deadline) throw new Error(`not within 60 s: ${what}\nseen: ${seen()}`);
  }
}

/** Real database servers for the pool tests, each in a process of its own, and ways to make them sick. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

export interface Server {
  port: number;
  readonly user: string;
  readonly password: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** SIGSTOP to the server process alone: the kernel accepts, nobody answers; connections there are live on. */
  freezeListener(): void;
  /** SIGSTOP to the server and everything it has started. */
  freeze(): void;
  thaw(): void;
  end(): Promise<void>;
}

/** Waits for `condition` to hold, looking every 20 ms. */
export async function until(what: string, condition: () => unknown, deadlineMs = 20_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

export async function startPostgres(): Promise<Server> {
  const script = resolve(__dirname, '../../../example-app/postgres.mjs');
  const child = spawn(process.execPath, [script, '--port', '0'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, never>> => JSON.parse((await lines.next()).value as string);
  const told = await next();
  let pid: number = told['pid']!;
  let frozen: number[] = [];
  const server: Server = {
    port: told['port']!,
    user: told['user']!,
    password: told['password']!,
    stop: async () => {
      child.stdin!.write('stop\n');
      await next();
    },
    start: async () => {
      child.stdin!.write('start\n');
      const again = await next();
      pid = again['pid']!;
      if (again['port'] !== server.port) throw new Error('the server moved to another port');
    },
    freezeListener: () => freeze([pid]),
    freeze: () => freeze([pid, ...childrenOf(pid)]),
    thaw: () => {
      for (const each of frozen.splice(0)) signal(each, 'SIGCONT');
    },
    end: async () => {
      server.thaw();
      child.stdin!.end();
      await exitOf(child);
    },
  };
  const freeze = (pids: number[]): void => {
    frozen = pids;
    for (const each of pids) signal(each, 'SIGSTOP');
  };
  return server;
}

/** The path of a MariaDB or MySQL server, or `null`. */
export function findMysql(): string | null {
  for (const name of ['mariadbd', 'mysqld']) {
    const found = spawnSync('sh', ['-c', `command -v ${name} || ls /usr/sbin/${name} 2>/dev/null`], {
      encoding: 'utf8',
    });
    if (found.stdout.trim()) return found.stdout.trim();
  }
  return null;
}

export async function startMysql(binary: string): Promise<Server> {
  const dir = mkdtempSync(join(tmpdir(), 'vitals-mysql-'));
  chmodSync(dir, 0o755);
  const account = process.getuid?.() === 0 ? nobody() : {};
  const data = join(dir, 'data');
  if (account.uid) chownSync(dir, account.uid, account.gid!);
  const made = spawnSync(
    'mariadb-install-db',
    ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
    { ...account, cwd: dir, encoding: 'utf8' },
  );
  if (made.status !== 0)
    throw new Error(`mariadb-install-db: ${made.error?.message ?? made.stderr + made.stdout}`);
  const port = await freePort();
  let child: ChildProcess;
  let isFrozen = false;
  const server: Server = {
    port,
    user: 'root',
    password: '',
    start: async () => {
      child = spawn(
        binary,
        [
          '--no-defaults',
          `--datadir=${data}`,
          `--port=${port}`,
          '--bind-address=127.0.0.1',
          `--socket=${dir}/s`,
        ].concat(
          '--innodb-buffer-pool-size=8M',
          '--innodb-flush-log-at-trx-commit=0',
          `--pid-file=${dir}/pid`,
        ),
        { ...account, cwd: dir, stdio: 'ignore' },
      );
      await untilListening(port);
    },
    stop: async () => {
      child.kill('SIGTERM');
      await exitOf(child);
    },
    freezeListener: () => server.freeze(),
    freeze: () => {
      isFrozen = child.kill('SIGSTOP');
    },
    thaw: () => {
      if (isFrozen) child.kill('SIGCONT');
      isFrozen = false;
    },
    end: async () => {
      server.thaw();
      child.kill('SIGKILL');
      await exitOf(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((entry) => {
      try {
        const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}

function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => child.once('exit', () => done()));
}

function nobody(): { uid?: number; gid?: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'));
  const [, , uid, gid] = (line ?? '').split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

async function untilListening(port: number): Promise<void> {
  let isListening = false;
  const ask = (): void => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      isListening = true;
      socket.destroy();
    });
    socket.once('error', () => setTimeout(ask, 50));
  };
  ask();
  await until('MySQL answers', () => isListening, 60_000);
}

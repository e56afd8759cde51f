/**
 * The servers behind the pools, each with the same ways to make it sick: `stop`, `start`, `freeze`, `thaw`, `end`; and
 * `counted`, what the server itself says of connections made and questions asked while something goes on.
 */
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

import mysql from 'mysql2/promise';
import pg from 'pg';

/** The embedded PostgreSQL of the example application. */
export async function postgres(script) {
  const child = spawn(process.execPath, [script, '--port', '0'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value);
  const { port, user, password, ...told } = await next();
  let pid = told.pid;
  let frozen = [];
  const at = { host: '127.0.0.1', port, user, password, database: 'postgres' };
  return {
    at,
    freeze() {
      frozen = [pid, ...childrenOf(pid)];
      signal(frozen, 'SIGSTOP');
    },
    thaw: () => signal(frozen.splice(0), 'SIGCONT'),
    async stop() {
      child.stdin.write('stop\n');
      await next();
    },
    async start() {
      child.stdin.write('start\n');
      pid = (await next()).pid;
    },
    /** Each statement has its start in the activity of its connection, seen there for as long as no other follows. */
    async counted(body) {
      const client = new pg.Client({ ...at, database: 'template1' });
      await client.connect();
      const [questions, connections] = [new Set(), new Set()];
      const look = async (isFirst) => {
        const { rows } = await client.query(
          "select pid, query_start::text as at from pg_stat_activity where datname = 'postgres'",
        );
        for (const { pid, at: since } of rows) {
          questions.add(`${pid} ${since}`);
          connections.add(pid);
        }
        if (isFirst) before = [questions.size, connections.size];
      };
      let before;
      let isOver = false;
      await look(true);
      const end = body().then(() => (isOver = true));
      while (!isOver) await look(false).then(() => wait(20));
      await end;
      await client.end();
      return { requests: questions.size - before[0], connections: connections.size - before[1] };
    },
    async end() {
      this.thaw();
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

/** MariaDB or MySQL from the system's packages; `null` where there is none. */
export async function mariadb() {
  const binary = ['/usr/sbin/mariadbd', '/usr/sbin/mysqld'].find(
    (path) => spawnSync(path, ['--version']).status === 0,
  );
  if (!binary) return null;
  const dir = mkdtempSync(join(tmpdir(), 'vitals-pools-'));
  const owner = process.getuid() === 0 ? nobody() : {};
  chmodSync(dir, 0o755);
  if (owner.uid) chownSync(dir, owner.uid, owner.gid);
  const data = `--datadir=${join(dir, 'data')}`;
  const made = spawnSync(
    'mariadb-install-db',
    ['--no-defaults', data, '--auth-root-authentication-method=normal', '--skip-test-db'],
    { ...owner, cwd: dir, encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`mariadb-install-db: ${made.stderr}${made.stdout}`);
  const port = await freePort();
  const at = { host: '127.0.0.1', port, user: 'root', password: '' };
  let child;
  const server = {
    at,
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    async start() {
      const settings = [
        data,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        `--socket=${dir}/s`,
        `--pid-file=${dir}/pid`,
        '--innodb-buffer-pool-size=8M',
        '--innodb-flush-log-at-trx-commit=0',
      ];
      child = spawn(binary, ['--no-defaults', ...settings], { ...owner, cwd: dir, stdio: 'ignore' });
      for (let isThere = false; !isThere; await wait(50)) isThere = await speaks(port);
    },
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
    async counted(body) {
      const connection = await mysql.createConnection(at);
      const counts = async () => {
        const [rows] = await connection.query(
          "show global status where Variable_name in ('Connections', 'Questions', 'Com_admin_commands')",
        );
        const count = Object.fromEntries(rows.map((row) => [row.Variable_name, Number(row.Value)]));
        // A ping is no question here, and an admin command.
        return { connections: count.Connections, requests: count.Questions + count.Com_admin_commands };
      };
      const counted = await difference(counts, body);
      await connection.end();
      // The second look is one of the questions.
      return { ...counted, requests: counted.requests - 1 };
    },
    async end() {
      server.thaw();
      child.kill('SIGKILL');
      await once(child, 'exit');
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

/** A stand-in; `isFull`: frozen, it does not even accept. */
export async function standIn(name, script, isFull = false) {
  let port = 0;
  let child;
  let knocking = [];
  const server = {
    at: { host: '127.0.0.1' },
    async start() {
      child = fork(script, [name, String(port), ...(isFull ? ['full'] : [])], { execArgv: [] });
      [{ port }] = await once(child, 'message');
      server.at.port = port;
    },
    async stop() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    freeze() {
      child.kill('SIGSTOP');
      if (!isFull) return;
      knocking = Array.from({ length: 4 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
    },
    thaw() {
      for (const socket of knocking.splice(0)) socket.destroy();
      child.kill('SIGCONT');
    },
    counted(body) {
      const counts = async () => {
        child.send('counts');
        return (await once(child, 'message'))[0];
      };
      return difference(counts, body);
    },
    end: () => server.stop(),
  };
  await server.start();
  return server;
}

async function difference(counts, body) {
  const before = await counts();
  await body();
  const after = await counts();
  return { requests: after.requests - before.requests, connections: after.connections - before.connections };
}

function signal(pids, name) {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended meanwhile.
    }
  }
}

function childrenOf(pid) {
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

function nobody() {
  const line = readFileSync('/etc/passwd', 'utf8').match(/^nobody:.*$/m)?.[0] ?? '';
  const [, , uid, gid] = line.split(':').map(Number);
  return { uid, gid };
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

function speaks(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('data', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('data', () => socket.destroy());
  });
}

/**
 * The servers behind the pools, each with the same ways to make it sick: `stop`, `start`, `freeze`, `thaw`, `end`; and
 * `look`, how many questions and connections the server itself has counted, and `born`, how many at its last start.
 */
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

import Redis from 'ioredis';
import mysql from 'mysql2/promise';
import pg from 'pg';

/** What is in the log only a moment after it happened. */
const LOG_MS = 50;
const LOGGED = { log_statement: 'all', log_connections: 'on', log_line_prefix: '%d ' };

/** The embedded PostgreSQL of the example application, counting in its log: that takes no connection of ours. */
export async function postgres(script) {
  const args = [script, '--port', '0', '--verbose'];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value);
  const count = { requests: 0, connections: 0 };
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (/^postgres LOG: {2}(statement|execute)/.test(line)) count.requests += 1;
    // Also of those that never log in.
    else if (/LOG: {2}connection received/.test(line)) count.connections += 1;
    else if (line.startsWith('postgres.mjs:')) process.stderr.write(`${line}\n`);
  });
  const { port, user, password, ...told } = await next();
  let pid = told.pid;
  let frozen = [];
  const at = { host: '127.0.0.1', port, user, password, database: 'postgres' };
  await logging({ ...at, database: 'template1' });
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
      this.born = { ...count };
      child.stdin.write('start\n');
      pid = (await next()).pid;
    },
    async look() {
      await wait(LOG_MS);
      return { ...count };
    },
    async end() {
      this.thaw();
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

async function logging(at) {
  const client = new pg.Client(at);
  await client.connect();
  for (const [name, value] of Object.entries(LOGGED))
    await client.query(`alter system set ${name} = '${value}'`);
  await client.query('select pg_reload_conf()');
  await client.end();
  await wait(200);
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
  let monitor;
  let looks;
  const server = {
    at,
    born: null,
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
      looks = 0;
      monitor = await mysql.createConnection(at);
      monitor.on('error', () => {});
      server.born ??= await server.look();
    },
    async stop() {
      monitor.destroy();
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
    async look() {
      const [rows] = await monitor.query(
        "show global status where Variable_name in ('Connections', 'Questions', 'Com_admin_commands')",
      );
      const count = Object.fromEntries(rows.map((row) => [row.Variable_name, Number(row.Value)]));
      looks += 1;
      // A ping is no question here, and an admin command; each look is a question.
      return {
        connections: count.Connections,
        requests: count.Questions + count.Com_admin_commands - looks,
      };
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

/** Redis from the system's packages; `null` where there is none. */
export async function redis(...more) {
  if (spawnSync('redis-server', ['--version']).status !== 0) return null;
  const port = await freePort();
  const at = { host: '127.0.0.1', port };
  const settings = ['--port', `${port}`, '--bind', at.host, '--save', '', '--appendonly', 'no', ...more];
  let child;
  let monitor;
  let looks;
  const server = {
    at,
    born: null,
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    async start() {
      child = spawn('redis-server', settings, { cwd: tmpdir(), stdio: 'ignore' });
      looks = 0;
      monitor = new Redis({ ...at, enableReadyCheck: false, retryStrategy: () => 20 });
      monitor.on('error', () => {});
      await monitor.ping();
      server.born ??= await server.look();
    },
    async stop() {
      monitor.disconnect();
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
    async look() {
      const said = await monitor.info('all');
      const calls = [...said.matchAll(/^cmdstat_[^:]+:calls=(\d+)/gm)];
      const [, connections] = /^total_connections_received:(\d+)/m.exec(said);
      // A look is not in what it sees, and in what the next one sees.
      const requests = calls.reduce((sum, [, count]) => sum + Number(count), 0) - looks;
      looks += 1;
      return { connections: Number(connections), requests };
    },
    async end() {
      server.thaw();
      await server.stop();
    },
  };
  await server.start();
  return server;
}

/** Three masters of Redis that are one cluster. `one` is one of them. */
export async function redisCluster() {
  const dir = mkdtempSync(join(tmpdir(), 'vitals-pools-'));
  const nodes = [];
  for (const name of ['a', 'b', 'c']) {
    const own = ['--dir', dir, '--cluster-config-file', name, '--cluster-port', `${await freePort()}`];
    const node = await redis('--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', ...own);
    if (!node) return null;
    nodes.push(node);
  }
  const made = spawnSync(
    'redis-cli',
    ['--cluster', 'create', ...nodes.map(({ at }) => `${at.host}:${at.port}`), '--cluster-yes'],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`redis-cli: ${made.stderr}${made.stdout}`);
  const all = (call) => Promise.all(nodes.map(call));
  const sum = (counts) => ({
    requests: counts.reduce((total, { requests }) => total + requests, 0),
    connections: counts.reduce((total, { connections }) => total + connections, 0),
  });
  return {
    at: nodes.map(({ at }) => at),
    one: nodes[1],
    born: sum(nodes.map(({ born }) => born)),
    freeze: () => nodes.forEach((node) => node.freeze()),
    thaw: () => nodes.forEach((node) => node.thaw()),
    start: () => all((node) => node.start()),
    stop: () => all((node) => node.stop()),
    look: async () => sum(await all((node) => node.look())),
    async end() {
      await all((node) => node.end());
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A stand-in; `isFull`: frozen, it does not even accept. */
export async function standIn(name, script, isFull = false) {
  let port = 0;
  let child;
  let knocking = [];
  const server = {
    at: { host: '127.0.0.1' },
    born: { requests: 0, connections: 0 },
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
    async look() {
      child.send('counts');
      return (await once(child, 'message'))[0];
    },
    end: () => server.stop(),
  };
  await server.start();
  return server;
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

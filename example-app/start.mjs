// Starts a real PostgreSQL and the built app on it, says what to try, and ends both together:
// `npm run example`, `npm run example -- --port 3001`.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: process.env.PORT ?? '3000' } },
});
const BOOT_MS = 60_000;
const main = inThisFolder('dist/main.js');
if (!existsSync(main)) fail('the app is not built; run: npm run example');
if (!/^\d{1,5}$/.test(options.port) || Number(options.port) > 65_535) {
  fail(`--port must be a port from 0 to 65535, got ${options.port}`);
}

let app;
let ending = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end);

// Both in process groups of their own: Ctrl-C reaches this process alone, which ends them in order. When this
// process dies without a word, the closed stdin ends PostgreSQL and the closed channel ends the app.
const postgres = spawn(process.execPath, [inThisFolder('postgres.mjs')], {
  stdio: ['pipe', 'pipe', 'inherit'],
  detached: true,
});
const answers = createInterface({ input: postgres.stdout })[Symbol.asyncIterator]();
const postgresEnded = new Promise((done) => postgres.on('exit', done));
postgres.stdin.on('error', () => {});

const database = await answer();
if (database && !ending) startApp();
else if (!ending) process.exitCode = 1;

function startApp() {
  const { user, password, port, database: name } = database;
  app = spawn(process.execPath, ['--enable-source-maps', main], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
    env: {
      ...process.env,
      PORT: options.port,
      DATABASE_URL: `postgres://${user}:${password}@127.0.0.1:${port}/${name}`,
    },
  });
  app.on('message', async (message) => {
    if (message.listening) await showWhatToTry(`http://127.0.0.1:${message.listening}`);
    if (!message.database) return;
    const told = { ...message, answer: await tellPostgres(message.database) };
    if (app.connected) app.send(told);
  });
  app.on('exit', async (code, signal) => {
    postgres.stdin.end();
    await postgresEnded;
    process.stdout.write(`the app ended with ${signal ?? `code ${code}`}\n`);
    process.exit(code ?? (ending ? 0 : 1));
  });
}

async function showWhatToTry(url) {
  const deadline = Date.now() + BOOT_MS;
  const health = `${url}/api/v1/health`;
  while (!(await isOk(health))) {
    if (ending) return;
    if (Date.now() > deadline) return process.stderr.write(`${health} did not answer 200 in ${BOOT_MS} ms\n`);
    await new Promise((later) => setTimeout(later, 100));
  }
  const routes = await (await fetch(`${url}/api/v1`)).json();
  const lines = Object.entries(routes).map(([route, what]) => {
    const [method, path] = route.split(' ');
    return `  curl -i ${method === 'POST' ? '-X POST ' : ''}'${url}${path}'\n      ${what}\n`;
  });
  process.stdout.write(`\nListening on ${url}. In another terminal, watch it:\n\n`);
  process.stdout.write(
    `  watch -n 1 curl -s ${health} -H 'Accept: text/plain'\n\nand try:\n\n${lines.join('')}\n`,
  );
  process.stdout.write('Ctrl-C ends the app and its database.\n\n');
}

async function isOk(url) {
  const response = await fetch(url).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.ok ?? false;
}

async function tellPostgres(command) {
  postgres.stdin.write(`${command}\n`);
  return answer();
}

async function answer() {
  const { value } = await answers.next();
  return value && JSON.parse(value);
}

/** The first signal is the app's: SIGTERM drains, Ctrl-C does not. The second one ends it. PostgreSQL follows. */
function end(signal) {
  if (app) app.kill(ending ? 'SIGKILL' : signal);
  else postgres.stdin.end();
  ending = true;
}

function inThisFolder(path) {
  return fileURLToPath(new URL(path, import.meta.url));
}

function fail(message) {
  process.stderr.write(`start.mjs: ${message}\n`);
  process.exit(1);
}

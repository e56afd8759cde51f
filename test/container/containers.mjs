// What the cases do with containers: start one, wait for its health, read what Docker keeps of it.
import { createServer } from 'node:net';
import { setTimeout as later } from 'node:timers/promises';

/** Short enough to wait for, and longer than the probe's own 2500 ms. */
export const SOON = ['--health-interval=1s', '--health-timeout=5s', '--health-retries=2'];
let made = 0;

/** Starts a container of the service on a port of its own. */
export async function start(
  { engine, database },
  { flags = SOON, image = 'service', network = 'host', env = {} } = {},
) {
  const name = `case-${++made}`;
  const port = await freePort();
  const variables = { PORT: port, HOST: '127.0.0.1', DATABASE_URL: database, ...env };
  const set = Object.entries(variables).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
  await engine.docker('run', '-d', '--name', name, '--network', network, ...set, ...flags, image);
  return { name, port, ...toolFor(engine, name), ask: (path) => ask(port, path) };
}

export function toolFor(engine, name) {
  const inspect = async () => JSON.parse(await engine.docker('inspect', name))[0];
  const outputs = (state) =>
    (state.Health?.Log ?? []).map((check) => ({ ...check, Output: check.Output.trim() }));
  const until = async (what, isSo, ms = 90_000) => {
    for (const deadline = Date.now() + ms; ; await later(100)) {
      const seen = await inspect();
      const log = outputs(seen.State);
      if (isSo(seen.State, log)) return { ...seen, log, last: log.at(-1) };
      if (Date.now() < deadline) continue;
      const said = await engine.docker('logs', '--tail', '20', name).catch((error) => error.message);
      throw new Error(`${name} was not ${what} in ${ms} ms: ${JSON.stringify(seen.State.Health)}\n${said}`);
    }
  };
  return {
    inspect,
    until,
    untilHealth: (status, ms) => until(status, (state) => state.Health?.Status === status, ms),
    exec: (...args) => engine.docker('exec', name, ...args),
    remove: () => engine.docker('rm', '-f', name),
  };
}

/** Blocks the service's event loop and does not wait for the answer. */
export function block(container, ms) {
  container.ask(`/api/v1/sick/block?ms=${ms}`).catch(() => {});
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => server.on('listening', listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

export function expect(isTrue, claim, seen) {
  if (!isTrue)
    throw new Error(`not so: ${claim}\nseen: ${typeof seen === 'string' ? seen : JSON.stringify(seen)}`);
}

async function ask(port, path) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

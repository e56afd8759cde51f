/**
 * What the kernel knows and Node does not, in a network of its own: a reset of a connection that no hook saw, and a
 * connection whose peer vanishes without a word. With an argument it is the process that watches.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { newNetwork } from './network.mjs';

const SELF = fileURLToPath(import.meta.url);
const PORT = 4000;
const LOOK_EVERY_MS = 250;
/** Six retransmissions take about 13 s; a loaded machine is given time. */
const LIMIT_MS = 60_000;

const ROLES = { watch, serve, call };
if (process.argv[2] in ROLES) ROLES[process.argv[2]](process.argv[3]);

/** Answers, for each claim, what was wrong with it; `null` where it holds. */
export async function kernelClaims() {
  const network = newNetwork('kernel');
  const children = [];
  const start = (side, ...args) => {
    const [command, ...rest] = network.on(side, [process.execPath, SELF, ...args]);
    const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    return child;
  };
  try {
    await once(start('peer', 'serve').stdout, 'data');
    const watcher = start('ours', 'watch', network.addresses.peer);
    const looks = createInterface({ input: watcher.stdout });
    await until(looks, ({ resets }) => resets === 0);
    start('ours', 'call', network.addresses.peer);
    const claims = [];
    claims.push([
      'a reset of another process is outside of Node',
      await until(looks, (look) => look.resets === 1 && look.outsideNode === 1 && look.counted === 0),
    ]);
    watcher.stdin.write('reset\n');
    claims.push([
      'a reset of our own is not',
      await until(looks, (look) => look.resets === 2 && look.outsideNode === 1 && look.counted === 1),
    ]);
    network.vanish('peer');
    watcher.stdin.write('ask\n');
    const peer = `${network.addresses.peer}:${PORT}`;
    claims.push([
      'data sent to a peer that vanished is a stalled connection',
      await until(
        looks,
        ({ stalled: [one] }) => one?.peer === peer && one.connections === 1 && one.retransmits >= 6,
      ),
    ]);
    network.reappear('peer');
    claims.push(['a peer that is back is not', await until(looks, ({ stalled }) => stalled.length === 0)]);
    return claims;
  } finally {
    for (const child of children) child.kill('SIGKILL');
    network.remove();
  }
}

async function until(looks, holds) {
  let last = 'nothing';
  const timer = setTimeout(() => looks.emit('late'), LIMIT_MS);
  const late = once(looks, 'late').then(() => `last seen: ${last}`);
  const found = (async () => {
    for (;;) {
      [last] = await once(looks, 'line');
      if (holds(JSON.parse(last))) return null;
    }
  })();
  return Promise.race([found, late]).finally(() => clearTimeout(timer));
}

/** Prints each look as a line; `reset` has its connection reset, `ask` sends something on it. */
async function watch(host) {
  const require = createRequire(SELF);
  const { holdResetHook } = require('../../dist/cjs/sources/reset-hook.js');
  const { KernelSource } = require('../../dist/cjs/sources/kernel.js');
  const ledger = holdResetHook('watch');
  const source = new KernelSource(ledger, { everyMs: LOOK_EVERY_MS });
  const socket = net.connect(PORT, host);
  await once(socket, 'connect');
  setInterval(() => {
    const look = source.sample(performance.now());
    if (look) console.log(JSON.stringify({ ...look, counted: ledger.resets }));
  }, LOOK_EVERY_MS);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'ask') socket.write('hello');
    else
      net
        .connect(PORT, host)
        .on('error', () => {})
        .write('reset');
  }
}

/** A client without the hook, whose connection is reset. */
function call(host) {
  net
    .connect(PORT, host)
    .on('error', () => {})
    .write('reset');
}

function serve() {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      if (bytes.includes('reset')) socket.resetAndDestroy();
    });
  });
  server.listen(PORT, '0.0.0.0', () => console.log('listening'));
}

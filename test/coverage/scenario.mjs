/**
 * One reset of one client or server, in a process of its own and in the namespace where the kernel counts nobody else:
 * loaded after `nestjs-vitals/register`, as an application would, it prints what the hook saw and what the kernel counted.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

import { CLIENTS } from './clients.mjs';
import { callFor, LISTENERS } from './listeners.mjs';

const { kind, name, phase, addresses, control } = JSON.parse(process.env.SCENARIO);

/** How long the kernel may take until it has counted one, the hook after that, and others to come after the last. */
const FIRST_LIMIT_MS = 15_000;
const SEEN_LIMIT_MS = 2_000;
const QUIET_MS = 150;
const TURN_MS = 20;
/** The connection is at rest for that long before it is reset as an idle one. */
const REST_MS = 80;
/** What the gate waits for when the reset belongs to the beginning of a connection. */
const FIRST_WORDS = { connect: 'accept', handshake: 'data', greeting: 'answer' };
/** Above those that the kernel gives to peers which ask for none, and allowed to browsers. */
const NOBODYS_PORT = 65_000;

// Drivers tell of a reset where nobody listens, too: that ends an application, and not this measurement.
process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});

main().then(
  (result) => process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0)),
  (error) => process.stderr.write(`${error.stack}\n`, () => process.exit(1)),
);

async function main() {
  const peer = await controlled(control);
  const ends = heard();
  // Refused is what never was established; everything else must have been.
  const field = phase === 'refused' ? 'AttemptFails' : 'EstabResets';
  const before = kernel(field);
  const counted = () => kernel(field) - before;
  await (kind === 'client' ? resetClient(peer) : resetListener(peer));
  await settled(counted, ends);
  const seen = new Set(ends.map(({ connection }) => connection)).size;
  return { seen, kernel: counted(), doubles: ends.length - seen, said: [...new Set(ends.map(said))] };
}

async function resetClient(peer) {
  const { gate, open } = CLIENTS[name];
  const at = { host: addresses.peer, port: phase === 'refused' ? NOBODYS_PORT : (await peer('ports'))[gate] };
  if (phase === 'refused') return attempt(async () => (await open(at))());
  const first = FIRST_WORDS[phase];
  if (first) {
    await peer('arm', { gate, on: first });
    return attempt(async () => (await open(at))());
  }
  const ask = await inTime(open(at));
  await inTime(ask());
  await wait(REST_MS);
  if (phase === 'idle') return peer('reset', { gate });
  await peer('arm', { gate, on: phase === 'mid' ? 'answer' : 'data' });
  attempt(ask);
}

async function resetListener(peer) {
  const listener = LISTENERS[name];
  const server = await listener.make();
  for (const event of ['error', 'sessionError', 'tlsClientError']) server.on(event, () => {});
  await new Promise((resolve) => server.listen(0, addresses.ours, resolve));
  await peer('call', { host: addresses.ours, port: server.address().port, ...callFor(listener, phase) });
}

/** Not waited for: what it comes to is seen by the hook and the kernel, and some drivers try again for ever. */
function attempt(body) {
  body().catch(() => {});
}

/** Resets that the kernel reported to Node are news, and so is what came before there was a connection. */
function heard() {
  const symbols = Object.getOwnPropertySymbols(net.Socket.prototype);
  const shared = symbols.find(({ description }) => description?.startsWith('nestjs-vitals.resets@'));
  if (!shared) throw new Error('the hook is not installed');
  const list = [];
  net.Socket.prototype[shared].ledger.subscribers.add((end) => {
    if (end.outcome === 'reset' || end.outcome === 'connect-failed') list.push(end);
  });
  return list;
}

function said({ syscall, code }) {
  return `${syscall} ${code}`;
}

function kernel(field) {
  const [names, values] = readFileSync('/proc/self/net/snmp', 'utf8').match(/^Tcp:.*$/gm);
  return Number(values.split(' ')[names.split(' ').indexOf(field)]);
}

/**
 * Until both counts agree and nothing more comes, or until that cannot be expected any more. Counted in turns of the
 * loop, not by the clock: a process that was stopped for a while has had no chance to see anything.
 */
async function settled(counted, ends) {
  let last = '';
  let quietTurns = 0;
  for (let turn = 0; ; turn++) {
    const count = counted();
    const state = `${count} ${ends.length}`;
    quietTurns = state === last ? quietTurns + 1 : 0;
    last = state;
    if (count > 0 && quietTurns * TURN_MS > (ends.length >= count ? QUIET_MS : SEEN_LIMIT_MS)) return;
    if (count === 0 && turn * TURN_MS > FIRST_LIMIT_MS) return;
    await wait(TURN_MS);
  }
}

/** A driver that waits for ever for its stand-in has found it out. */
function inTime(promise) {
  const late = wait(FIRST_LIMIT_MS).then(() => Promise.reject(new Error(`${name} has no answer yet`)));
  return Promise.race([promise, late]);
}

/** How to tell the peer what to do. */
async function controlled(path) {
  const socket = net.connect(path);
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  return async (command, options) => {
    socket.write(`${JSON.stringify({ command, ...options })}\n`);
    const { value, error } = JSON.parse((await lines.next()).value);
    if (error) throw new Error(`${command}: ${error}`);
    return value;
  };
}

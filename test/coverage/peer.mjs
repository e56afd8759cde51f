/**
 * The other end of every connection, in a namespace of its own: stand-ins for servers, each behind a gate that passes
 * bytes on until it is told to reset, and a caller for the servers under test. Told what to do over a Unix socket,
 * which belongs to no network namespace, one JSON line each way. `node peer.mjs <socket>`
 */
import { rmSync } from 'node:fs';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import tls from 'node:tls';

import { STAND_INS } from './stand-ins.mjs';

/** Long enough for the other side to have taken what came before the reset. */
const A_MOMENT_MS = 40;
/** A caller waits that long for an answer before it gives up: an error of the bench, which then says so. */
const ANSWER_LIMIT_MS = 10_000;

/** Passes bytes between its callers and a stand-in. `armed` is the one reset to come, `null` afterwards. */
class Gate {
  armed = null;
  #live = new Set();
  #standIn;

  constructor(standIn) {
    this.#standIn = standIn;
  }

  async open() {
    const inner = await listening(this.#standIn(), '127.0.0.1');
    return listening(
      net.createServer((caller) => this.#accept(caller, inner)),
      '0.0.0.0',
    );
  }

  /** Resets everybody who is connected. */
  resetAll() {
    for (const caller of this.#live) caller.resetAndDestroy();
  }

  #accept(caller, port) {
    caller.on('error', () => {});
    if (this.#fires('accept')) return setTimeout(() => caller.resetAndDestroy(), A_MOMENT_MS);
    const server = net.connect(port, '127.0.0.1');
    let isHeld = false;
    this.#live.add(caller);
    caller.on('close', () => {
      this.#live.delete(caller);
      server.destroy();
    });
    server.on('error', () => {});
    server.on('end', () => caller.end());
    caller.on('end', () => server.end());
    caller.on('data', (bytes) => (this.#fires('data') ? caller.resetAndDestroy() : server.write(bytes)));
    server.on('data', (bytes) => {
      if (isHeld) return;
      isHeld = this.#fires('answer');
      if (!isHeld) return caller.write(bytes);
      caller.write(bytes.subarray(0, Math.max(1, bytes.length >> 1)));
      setTimeout(() => caller.resetAndDestroy(), A_MOMENT_MS);
    });
  }

  #fires(on) {
    if (this.armed !== on) return false;
    this.armed = null;
    return true;
  }
}

/** Calls a server under test, sends what it is given, each time waiting for an answer, and resets. */
async function call({ host, port, isSecure, protocol, sends, awaitsAnswers, last }) {
  const raw = net.connect(port, host);
  await event(raw, 'connect');
  const options = { socket: raw, rejectUnauthorized: false, ALPNProtocols: protocol && [protocol] };
  const socket = isSecure ? tls.connect(options) : raw;
  if (isSecure) await event(socket, 'secureConnect');
  for (const bytes of sends) {
    const answer = awaitsAnswers ? event(socket, 'data') : wait(0);
    socket.write(Buffer.from(bytes, 'base64'));
    await answer;
  }
  if (last) socket.write(Buffer.from(last, 'base64'));
  await wait(A_MOMENT_MS);
  for (const one of [raw, socket]) one.on('error', () => {});
  raw.resetAndDestroy();
}

function event(emitter, name) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} in ${ANSWER_LIMIT_MS} ms`)), ANSWER_LIMIT_MS);
    emitter.once('error', reject);
    emitter.once(name, (value) => {
      clearTimeout(timer);
      emitter.off('error', reject);
      resolve(value);
    });
  });
}

function listening(server, host) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, () => resolve(server.address().port));
  });
}

const gates = new Map();
const ports = {};
for (const [name, standIn] of Object.entries(STAND_INS)) {
  const gate = new Gate(standIn);
  gates.set(name, gate);
  ports[name] = await gate.open();
}

const COMMANDS = {
  ports: () => ports,
  arm: ({ gate, on }) => (gates.get(gate).armed = on),
  reset: ({ gate }) => gates.get(gate).resetAll(),
  /** What the last scenario left behind is no business of the next. */
  clear: () => {
    for (const gate of gates.values()) {
      gate.armed = null;
      gate.resetAll();
    }
  },
  call,
};

const path = process.argv[2];
rmSync(path, { force: true });
net
  .createServer((control) => {
    control.on('error', () => {});
    createInterface({ input: control }).on('line', async (line) => {
      const { command, ...rest } = JSON.parse(line);
      const answer = await Promise.resolve(COMMANDS[command](rest)).then(
        (value) => ({ value: value ?? null }),
        (error) => ({ error: error.message }),
      );
      control.write(`${JSON.stringify(answer)}\n`);
    });
  })
  .listen(path, () => console.log('ready'));
// Whoever started us is gone when nobody holds the other end of this any more.
process.stdin.on('end', () => process.exit()).resume();

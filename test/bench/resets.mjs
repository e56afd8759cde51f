/**
 * What counting resets costs: CPU per connection and per keep-alive request, with and without the hook, and what the
 * module and its hook take while 200, 2000 and 10 000 connections do nothing. Every round runs each variant once, in
 * processes of their own, and ratios are of one round each: what slows the machine down slows all of them down.
 * `npm run build && node test/bench/resets.mjs [rounds]`; it fails on nothing but an error: the figures are for readers.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CONNECTIONS = 4_000;
const REQUESTS = 8_000;
/** The first of each run, in which the code is compiled, are not counted. */
const WARM_UP_RATIO = 0.25;
/** Of so many spans the median counts: V8 tidies up once, some seconds after the connections were made. */
const IDLE_SPANS = 7;
const IDLE_SPAN_MS = 1_000;
const LEAD_MS = 3_000;
const OPEN = [200, 2_000, 10_000];
/** One source port each is needed, and Linux has some 28 000 of them for each listener. */
const LISTENERS = 2;

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const REGISTER = join(root, 'dist', 'cjs', 'register.js');
const require = createRequire(join(root, 'package.json'));

const TASKS = {
  /** Both ends in this process: a connection costs what a client's and a server's life cost together. */
  async connection(count) {
    const server = net.createServer((socket) => socket.on('data', () => socket.end()));
    const port = await listening(server);
    return perTurn(count, async () => {
      const socket = net.connect(port, '127.0.0.1');
      socket.end('x');
      await once(socket.resume(), 'close');
    });
  },
  async request(count) {
    const server = http.createServer((request, response) => response.end('ok'));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const port = await listening(server);
    return perTurn(count, async () => {
      const request = http.get({ port, host: '127.0.0.1', agent });
      const [response] = await once(request, 'response');
      await once(response.resume(), 'end');
    });
  },
};

const [task, variant, count] = process.env.VITALS_BENCH?.split(' ') ?? [];
if (task === 'idle') await idle(variant, Number(count));
else if (task) await busy();
else await compare(Number(process.argv[2] ?? 11));

async function busy() {
  process.send(await TASKS[task](Number(count)));
  process.exit();
}

async function perTurn(turns, turn) {
  for (let done = 0; done < turns * WARM_UP_RATIO; done++) await turn();
  const before = process.cpuUsage();
  for (let done = 0; done < turns; done++) await turn();
  return usedMicroseconds(before) / turns;
}

/** CPU of this process in ms per second, while `open` connections are open and silent. Their other ends are elsewhere. */
async function idle(kind, open) {
  if (kind === 'module') await startModule();
  const ports = await new Promise((resolve) => process.once('message', resolve));
  const sockets = [];
  for (let made = 0; made < open; made++) {
    const socket = net.connect(ports[made % ports.length], '127.0.0.1');
    sockets.push(socket);
    if (made % 100 === 99) await once(socket, 'connect');
  }
  while (sockets.some(({ connecting }) => connecting)) await pause(50);
  globalThis.gc();
  await pause(LEAD_MS);
  const spans = [];
  while (spans.length < IDLE_SPANS) {
    const before = process.cpuUsage();
    await pause(IDLE_SPAN_MS);
    spans.push(usedMicroseconds(before) / IDLE_SPAN_MS);
  }
  process.send(median(spans));
  process.disconnect();
  process.exit();
}

/** The whole module in a Nest application without HTTP, with its defaults: what an application has, less its work. */
async function startModule() {
  require('reflect-metadata');
  const { Module } = require('@nestjs/common');
  const { NestFactory } = require('@nestjs/core');
  const { VitalsModule } = require(join(root, 'dist', 'cjs', 'index.js'));
  class App {}
  Module({ imports: [VitalsModule.forRoot()] })(App);
  await NestFactory.createApplicationContext(App, { logger: false });
}

async function compare(rounds) {
  const variants = [
    { name: 'without', flags: [] },
    { name: 'hook', flags: ['-r', REGISTER] },
  ];
  const lines = [['', 'without', 'with', 'difference', 'ratio']];
  for (const [name, turns] of [
    ['connection', CONNECTIONS],
    ['request', REQUESTS],
  ]) {
    const taken = await interleaved(rounds, variants, (one) => measured(one.flags, [name, one.name, turns]));
    lines.push(row(`CPU per ${name}, us`, taken));
  }
  const idlers = [...variants, { name: 'module', flags: ['-r', REGISTER] }];
  for (const open of OPEN) {
    const taken = await interleaved(Math.max(3, rounds >> 2), idlers, (one) =>
      measured([...one.flags, '--expose-gc'], ['idle', one.name, open], true),
    );
    lines.push(row(`hook, ${open} open, CPU ms per idle s`, taken));
    lines.push(
      row(`module, ${open} open, CPU ms per idle s`, { without: taken.without, hook: taken.module }),
    );
  }
  const widths = [36, 12, 12, 12, 8];
  for (const cells of lines)
    console.log(
      cells.map((cell, place) => (place ? cell.padStart(widths[place]) : cell.padEnd(widths[0]))).join(''),
    );
}

/** Each round takes every variant once, in turns from the other side, so that none is always first. */
async function interleaved(rounds, variants, measure) {
  const taken = Object.fromEntries(variants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 ? variants.toReversed() : variants;
    for (const one of order) taken[one.name].push(await measure(one));
  }
  return taken;
}

function row(title, { without, hook }) {
  const ratio = median(hook.map((taken, round) => taken / without[round]));
  const difference = median(hook.map((taken, round) => taken - without[round]));
  const numbers = [median(without), median(hook), difference].map((number) => number.toFixed(2));
  return [title, ...numbers, ratio.toFixed(3)];
}

/** Runs this file as a child that measures one thing. With `isIdle` it is given somebody to connect to. */
async function measured(flags, what, isIdle = false) {
  const child = spawn(process.execPath, [...flags, fileURLToPath(import.meta.url)], {
    env: { ...process.env, VITALS_BENCH: what.join(' ') },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const servers = isIdle ? Array.from({ length: LISTENERS }, () => net.createServer(silent)) : [];
  const ports = await Promise.all(servers.map(listening));
  if (isIdle) child.send(ports);
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`${what.join(' ')} said nothing`)));
  const [answer] = await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => {});
  for (const server of servers) server.close();
  return answer;
}

function silent(socket) {
  socket.on('error', () => {});
  socket.resume();
}

function listening(server) {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', 16_384, () => resolve(server.address().port));
  });
}

function usedMicroseconds(before) {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

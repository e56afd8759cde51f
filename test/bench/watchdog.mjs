/**
 * What the watchdog costs, with it and without it side by side in one run: memory, time to start, CPU while nothing is
 * wrong. Needs the build in dist/. Prints medians of `ROUNDS` pairs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROUNDS = Number(process.argv[2] ?? 5);
const STEADY_MS = 5_000;
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const HOST = `
  require('reflect-metadata');
  const { Module } = require('@nestjs/common');
  const { NestFactory } = require('@nestjs/core');
  const { VitalsModule } = require('./dist/cjs');
  class App {}
  Module({ imports: [VitalsModule.forRoot({ watchdog: process.argv[1] === 'true' })] })(App);
  const begun = performance.now();
  NestFactory.create(App, { logger: false }).then((app) => app.listen(0, '127.0.0.1')).then(() => {
    const startMs = performance.now() - begun;
    setTimeout(() => {
      const before = process.cpuUsage();
      setTimeout(() => {
        const { user, system } = process.cpuUsage(before);
        const rssMb = process.memoryUsage.rss() / 2 ** 20;
        console.log(JSON.stringify({ startMs, rssMb, cpuMs: (user + system) / 1000 }));
        process.exit();
      }, ${STEADY_MS});
    }, 2000);
  });`;

async function measure(watchdog) {
  const child = spawn(process.execPath, ['-e', HOST, String(watchdog)], { cwd: root });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  child.stderr.pipe(process.stderr);
  await once(child, 'close');
  return JSON.parse(text);
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const rounds = [];
for (let i = 0; i < ROUNDS; i++) rounds.push({ off: await measure(false), on: await measure(true) });
const row = (name, pick) => {
  const [off, on] = ['off', 'on'].map((one) => median(rounds.map((round) => pick(round[one]))));
  console.log(
    `${name.padEnd(34)}${off.toFixed(2).padStart(9)}${on.toFixed(2).padStart(9)}${(on - off).toFixed(2).padStart(9)}`,
  );
};
console.log(
  `Node.js ${process.versions.node}, medians of ${ROUNDS}`.padEnd(34) +
    ['off', 'on', 'cost'].map((w) => w.padStart(9)).join(''),
);
row('memory, MB RSS', ({ rssMb }) => rssMb);
row('create and listen, ms', ({ startMs }) => startMs);
row('CPU while idle, % of one', ({ cpuMs }) => (cpuMs / STEADY_MS) * 100);

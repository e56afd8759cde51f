/**
 * A host whose main thread can be blocked with a word on its input, in each of the ways there are. OPTIONS: of the
 * module. It prints `listening PORT` and its log. BEFORE: code that is run first of all.
 */
const { execSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');

const requireHere = createRequire(join(process.cwd(), 'package.json'));
requireHere('reflect-metadata');
const { Module } = requireHere('@nestjs/common');
const { NestFactory } = requireHere('@nestjs/core');

if (process.env.BEFORE) new Function('require', process.env.BEFORE)(require);

const HANGS = {
  loop: function parseTours() {
    for (;;);
  },
  regex: function matchTours() {
    return /^(a+)+$/.test(`${'a'.repeat(60)}b`);
  },
  wait: function waitForTours() {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
  exec: function convertTours() {
    execSync('exec sleep 54321', { stdio: 'ignore' });
  },
  fifo: function readTours() {
    readFileSync(process.env.FIFO);
  },
  microtasks: async function floodWithTours() {
    for (;;) await Promise.resolve();
  },
  ticks: function tickTours() {
    process.nextTick(tickTours);
  },
  garbage: function collectTours() {
    let kept = new Map();
    for (;;) {
      kept = new Map([...kept].slice(0, 100_000));
      for (let i = 0; i < 100_000; i++) kept.set({}, { i });
    }
  },
  /** Ends by itself. */
  pause: function pauseForTours() {
    const until = Date.now() + Number(process.env.PAUSE_MS ?? 1_500);
    while (Date.now() < until);
  },
};

async function main() {
  const { VitalsModule, VitalsService } = await load(process.env.VITALS ?? 'nestjs-vitals');
  class AppModule {}
  Module({
    imports: [VitalsModule.forRoot({ everyMs: 100, drain: 200, ...JSON.parse(process.env.OPTIONS ?? '{}') })],
  })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: ['log', 'warn', 'error'] });
  await app.listen(0, '127.0.0.1');
  process.stdin.on('data', (chunk) => {
    for (const word of String(chunk).split('\n')) obey(app, word.trim(), VitalsService);
  });
  console.log(`listening ${app.getHttpServer().address().port}`);
}

function load(where) {
  return where.includes('esm') ? import(where) : Promise.resolve(requireHere(where));
}

function obey(app, word, VitalsService) {
  if (HANGS[word]) setImmediate(HANGS[word]);
  if (word === 'exit') process.exit(4);
  if (word === 'close') void app.close().then(() => process.stdin.destroy());
  if (word === 'leave') process.stdin.destroy();
  if (word === 'incidents') console.log(`incidents ${JSON.stringify(app.get(VitalsService).incidents)}`);
  if (word.startsWith('run '))
    console.log(`ran ${new Function('require', 'app', word.slice(4))(require, app)}`);
}

void main();

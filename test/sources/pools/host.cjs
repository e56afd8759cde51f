// A host process of its own for host.spec.ts: node host.cjs <scenario>, settings as JSON in HOST. Compiles lib on the fly.
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { transformSync } = require('@swc/core');

Module._extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'commonjs' },
  });
  module._compile(code, filename);
};
const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  const isOurs = request.startsWith('.') && parent?.filename?.endsWith('.ts');
  return resolveFilename.call(this, isOurs ? request.replace(/\.js$/, '.ts') : request, parent, ...rest);
};

const { Pool } = require('pg');
const { PoolSource } = require('../../../lib/sources/pools/source.ts');

const { settings, isWatched, hasListener } = JSON.parse(process.env.HOST);
const pool = new Pool({ ...settings, max: 2, idleTimeoutMillis: 1_000 });
if (hasListener) pool.on('error', (error) => console.log(`pool error ${error.code}`));
const asking = { pingEveryMs: 200, pingTimeoutMs: 1_000, wedgedAfterMs: 1_500, windowMs: 5_000 };
const source = new PoolSource('main', () => pool, asking);
let reading = null;

async function run() {
  await pool.query('select 1');
  if (isWatched) setInterval(() => (reading = source.sample(performance.now())), 50).unref();
  if (process.argv[2] === 'idle') return;
  // An idle connection that is known to be there, then whatever the test does to the server.
  setInterval(() => {}, 1_000);
  pool.options.idleTimeoutMillis = 60_000;
  await pool.query('select 1');
  while (isWatched && reading?.database.knownBy !== 'ping') await new Promise((done) => setTimeout(done, 20));
  console.log('ready');
  process.stdin.on('data', () => process.exit(0));
}
run();

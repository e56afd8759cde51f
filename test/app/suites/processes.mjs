/**
 * What only a process of its own can show: that it ends, what it has loaded, and that there is one copy of everything.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { inParallel } from '../tally.mjs';

const LIMIT_MS = 45_000;
const ENTRIES = ['nestjs-vitals', 'nestjs-vitals/terminus'];

export async function testProcesses(nest, tally, { folder }) {
  const works = [...alone(nest, tally, folder), ...registering(tally, folder, nest)];
  // Both builds in one process: once per Nest is enough.
  if (nest.format === 'mjs') works.push(...mixed(tally, folder));
  await inParallel(2, works);
}

function alone(nest, tally, folder) {
  const kinds = [
    'context',
    'context, closed',
    'microservice, closed',
    'HTTP, never listening',
    'HTTP, closed',
  ];
  return kinds.map(
    (kind) => () =>
      tally.claim(`an application that is ${kind} has the service and lets its process end`, async () => {
        const { code, lines, said } = await node(folder, ['alone.mjs'], { KIND: kind, FORMAT: nest.format });
        assert.equal(code, 0, said);
        const names = ['eventLoop', 'resets', 'swallowed', 'one'];
        assert.deepEqual(lines[0], { phase: 'running', status: lines[0].status, names });
        if (kind.endsWith('closed')) assert.equal(lines[1], 'draining');
      }),
  );
}

/** Nest is the heaviest thing there is: `register` comes before it and must not bring it in. */
function registering(tally, folder, nest) {
  const flag = nest.format === 'cjs' ? '--require' : '--import';
  const script = `
    const loaded = Object.keys(require.cache).filter((path) => path.includes('node_modules'));
    const hooked = Object.getOwnPropertySymbols(require('node:net').Socket.prototype).map(String).filter((s) => s.includes('nestjs-vitals'));
    console.log(JSON.stringify({ foreign: loaded.filter((path) => !path.includes('nestjs-vitals')), hooked: hooked.length }));`;
  return [
    () =>
      tally.claim(`node ${flag} nestjs-vitals/register hooks and loads nothing else`, async () => {
        const { code, lines, said } = await node(
          folder,
          [flag, 'nestjs-vitals/register', '--eval', script],
          {},
        );
        assert.equal(code, 0, said);
        assert.deepEqual(lines, [{ foreign: [], hooked: 1 }]);
      }),
  ];
}

/** The first entry that is loaded decides which build wins; every pair of first ones is tried. */
function mixed(tally, folder) {
  const all = ENTRIES.flatMap((entry) => ['require', 'import'].map((how) => `${how}:${entry}`));
  const firsts = ['require', 'import'].flatMap((main) =>
    ['require', 'import'].map((terminus) => [`${main}:${ENTRIES[0]}`, `${terminus}:${ENTRIES[1]}`]),
  );
  return [...firsts, ...firsts.map((pair) => [...pair].reverse())].map(
    (first) => () =>
      tally.claim(`one copy of everything when ${first.join(' is followed by ')}`, async () => {
        const order = [...first, ...all.filter((step) => !first.includes(step))].join(' ');
        const { code, lines, said } = await node(folder, ['mixed.mjs'], { ORDER: order });
        assert.equal(code, 0, said);
        assert.ok(lines[0].compared >= 9, said);
      }),
  );
}

/** Runs Node there to its end; a process that does not end is ended, and its code is then `null`. */
function node(folder, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...env } });
    let said = '';
    let out = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      const lines = out.split('\n').flatMap((line) => (/^[{["]/.test(line) ? [JSON.parse(line)] : []));
      resolve({ code, lines, said: code === null ? `did not end in ${LIMIT_MS} ms\n${said}` : said });
    });
  });
}

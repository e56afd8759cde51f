/** What is uncaught ends a process or not: each case is a process of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { child, compiled } from './resets-peers.js';

jest.setTimeout(120_000);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'swallowed-'));
  compiled(join(folder, 'one'), 'commonjs');
  compiled(join(folder, 'two'), 'commonjs');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let scripts = 0;
function script(code: string): string {
  const file = join(folder, `script-${scripts++}.cjs`);
  writeFileSync(file, code);
  return file;
}

const open = (copy: 'one' | 'two'): string =>
  `const ${copy} = new (require('./${copy}/sources/swallowed.js').SwallowedSource)(60000);\n`;
/** Prints the reading when whatever happened is old enough to be survived. */
const READ = `
setTimeout(() => {
  const { inWindow, total, codes } = one.sample(performance.now());
  console.log(JSON.stringify({ inWindow, total, codes }));
}, 1500);
`;
const THROW = `setImmediate(() => { throw Object.assign(new Error('x'), { code: 'ECONNRESET' }); });`;
const REJECT = `setImmediate(() => void Promise.reject(new TypeError('x')));`;
const CATCH = `process.on('uncaughtException', () => {});`;
const CATCH_REJECTIONS = `process.on('unhandledRejection', () => {});`;
const PASS_ON = `process.on('unhandledRejection', (error) => { throw error; });`;

const reset = { code: 'ECONNRESET', total: 1 };
const type = { code: 'TypeError', total: 1 };

test.each([
  ['a thrown error, swallowed', CATCH, THROW, [reset]],
  ['a rejection, swallowed by its own handler', CATCH_REJECTIONS, REJECT, [type]],
  ['a rejection, swallowed by the handler of exceptions', CATCH, REJECT, [type]],
  ['both', CATCH + CATCH_REJECTIONS, THROW + REJECT, [reset, type]],
  ['one error that passes both handlers', CATCH + PASS_ON, REJECT, [type]],
  ['a value that is no error', CATCH, 'setImmediate(() => { throw null; });', [{ code: 'object', total: 1 }]],
  [
    'an error with a text for a code',
    CATCH,
    `setImmediate(() => { throw { code: 'a b', name: 'N' }; });`,
    [{ code: 'N', total: 1 }],
  ],
  ['nothing', CATCH, '', []],
])('%s is counted once, by its code, whoever listened first', async (_, handlers, trigger, codes) => {
  const orders = [open('one') + handlers + trigger, handlers + open('one') + trigger];
  for (const { stdout, stderr } of await Promise.all(orders.map((code) => child(script(code + READ))))) {
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ inWindow: codes.length, total: codes.length, codes });
  }
});

test.each([
  ['a thrown error that nobody handles', THROW],
  ['a rejection that nobody handles', REJECT],
  [
    'a rejection whose handler was taken away again',
    `const f = () => {}; process.on('unhandledRejection', f); process.off('unhandledRejection', f);${REJECT}`,
  ],
  [
    'a rejection whose handlers were all taken away',
    `${CATCH_REJECTIONS}process.removeAllListeners('unhandledRejection');${REJECT}`,
  ],
  [
    'a rejection after a handler for one',
    `process.once('unhandledRejection', () => setImmediate(() => Promise.reject(new Error('second'))));${REJECT}`,
  ],
  ['a handler that throws', `process.on('uncaughtException', (e) => { throw e; });${THROW}`],
])('%s ends the process as it would without us, with two copies of us as well', async (_, code) => {
  // One line before the code, whatever is in it: the messages name lines.
  const befores = ['', open('one'), open('one') + open('two')].map(
    (text) => `${text.replaceAll('\n', ' ')}\n`,
  );
  const [without, ...withUs] = await Promise.all(
    befores.map(async (before) => {
      const file = script(`${before}${code}setTimeout(() => {}, 3000);`);
      const { stderr, ...rest } = await child(file);
      return { ...rest, stderr: stderr.replaceAll(file, 'file') };
    }),
  );
  expect(without!.code).not.toBe(0);
  expect(without!.stderr).toMatch(/x|second/);
  for (const one of withUs) expect(one).toEqual(without);
});

test('it does not keep a process alive, and leaves nothing behind', async () => {
  const code = `
    const names = () => process.eventNames().map((name) => [name, process.listenerCount(name)]).sort().join();
    process.on('unhandledRejection', () => {});
    const before = names();
    ${open('one')}
    const during = names();
    one.close();
    one.close();
    console.log(before === names(), before === during);`;
  expect(await child(script(code))).toEqual({ code: 0, signal: null, stdout: 'true false\n', stderr: '' });
  expect(await child(script(open('one')))).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
});

test('past twenty codes the rest is counted as other', async () => {
  const many = `${CATCH}
    for (let i = 0; i < 30; i++) setImmediate(() => { throw Object.assign(new Error('x'), { code: 'E' + i }); });`;
  const { stdout } = await child(script(open('one') + many + READ));
  const { total, codes } = JSON.parse(stdout) as { total: number; codes: { code: string; total: number }[] };
  expect(total).toBe(30);
  expect(codes).toHaveLength(21);
  expect(codes[0]).toEqual({ code: 'other', total: 10 });
});

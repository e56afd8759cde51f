import { run } from './child.js';

// Real timers and processes on a machine that may be busy.
jest.setTimeout(30_000);

/** A runtime whose only check fails from its second flight on, in a process of its own. */
const script = (onTransition: string): string => `
  const { resolveOptions } = lib('options.js');
  const { Runtime } = lib('runtime.js');
  let flights = 0;
  const options = resolveOptions({
    eventLoop: false, resets: false, drain: false, everyMs: 100,
    checks: { api: { check: () => { if (flights++ > 0) throw new Error('no'); }, everyMs: 100, failAfter: 1 } },
    onTransition: ${onTransition},
  });
  const say = (text) => console.log(text.split('\\n')[0]);
  const runtime = new Runtime(options, { log: () => {}, warn: () => {}, error: say });
  let told = 0;
  runtime.follow({ next: () => (told += 1), complete: () => console.log('complete') });
  const keep = setInterval(() => {}, 1000);
  runtime.start().then(function wait() {
    if (runtime.snapshot.status !== 'error') return setTimeout(wait, 20);
    clearInterval(keep);
    console.log('told ' + told);
    return runtime.stop();
  });`;

const LINES = /^api: up -> down CHECK_FAILED .*\n/gm;
const said = (output: string): string[] => output.replace(LINES, '').trim().split('\n');

describe('onTransition', () => {
  it('that throws is told of in the log, and others are told of the transition all the same', async () => {
    const { code, output } = await run(script(`() => { throw new Error('pager is gone'); }`));
    expect(code).toBe(0);
    expect(said(output)).toContain('onTransition failed: Error: pager is gone');
    expect(said(output)).toContain('told 2');
  });

  it('that rejects does not end the process: an alert that cannot be sent is no reason to die', async () => {
    const { code, output } = await run(script(`async () => { throw new Error('pager is gone'); }`));
    expect(code).toBe(0);
    expect(said(output)).toContain('onTransition failed: Error: pager is gone');
    expect(said(output)).toContain('told 2');
  });
});

import { type Case, ANSWERS, BREAKERS, LIARS, MISTAKES, PLACES, RIGHT, STRANGERS } from './cases.js';
import { IMPLEMENTATIONS, type Outcome, runCommand, runnable } from './implementations.js';
import { type Place, nowhere } from './servers.js';

/** What a loaded machine may add: to start a process, qemu and all, and to end it. */
const SLACK_MS = 8000;
const LIMIT_MS = 20_000;

const CASES: Readonly<Record<string, readonly Case[]>> = {
  'an answer': ANSWERS,
  'a server that lies or floods': LIARS,
  'a stranger': STRANGERS,
  'a server that breaks off or waits': BREAKERS,
  'a place': PLACES,
  'a mistake in the command line': MISTAKES,
  'a right command line': RIGHT,
};

jest.setTimeout(60_000);

describe.each(IMPLEMENTATIONS)('the probe ($name)', ({ name, command, missing }) => {
  const test = runnable(`the probe (${name})`, missing);

  describe.each(Object.entries(CASES))('tells of %s:', (_kind, cases) => {
    test.each(cases)('$name', async (row) => {
      const at = await (row.start?.() ?? nowhere());
      try {
        const limitMs = row.limitMs ?? LIMIT_MS;
        const args = row.args?.(at) ?? [`http://${at.where}/health`];
        const timeout = row.limitMs === undefined && !row.start ? [] : ['--timeout-ms', String(limitMs)];
        const outcome = await runCommand([...command(), ...timeout, ...args], { env: row.env?.(at) });
        expect(said(outcome)).toEqual({ code: row.code, line: expectation(row, at) });
        expectForm(outcome);
        expect(outcome.wallMs).toBeLessThan((row.isUsedUp ? limitMs : 0) + SLACK_MS);
        if (row.isUsedUp) expect(elapsed(outcome)).toBeGreaterThanOrEqual(limitMs);
      } finally {
        await at.close();
      }
    });
  });
});

function said({ code, stdout, stderr }: Outcome): { code: number | null; line: string } {
  return { code, line: `${stdout}${stderr}`.replace(/\(\d+ ms\)/, '(T ms)').replace(/\n$/, '') };
}

function expectation(row: Case, at: Place): unknown {
  return typeof row.says === 'string'
    ? row.says.replace('{where}', at.where)
    : expect.stringMatching(row.says);
}

function elapsed({ stdout }: Outcome): number {
  return Number(/\((\d+) ms\)/.exec(stdout)?.[1]);
}

/** One line of printable ASCII, under 500 bytes: to the output what was learned, to the error output what was wrong. */
function expectForm({ stdout, stderr, signal }: Outcome): void {
  expect(signal).toBeNull();
  const [line, nothing] = stderr.startsWith('cannot ask') ? [stderr, stdout] : [stdout, stderr];
  expect(nothing).toBe('');
  expect(line).toMatch(/^(healthy|unhealthy|cannot ask): [ -~]+\n$/);
  expect(line.length).toBeLessThanOrEqual(500);
}

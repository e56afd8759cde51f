import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { USAGE, VERSION } from '../../lib/probe/sentences.js';
import {
  type Case,
  ANSWERS,
  BREAKERS,
  LIARS,
  MISTAKES,
  PLACES,
  RIGHT,
  STRANGERS,
  WATCHDOGS,
} from './cases.js';
import { IMPLEMENTATIONS, type Outcome, runCommand, runnable } from './implementations.js';
import { type Place, answers, drips, nowhere, serve } from './servers.js';

/** What a loaded machine may add: to start a process, qemu and all, and to end it. */
const SLACK_MS = 8000;
const LIMIT_MS = 20_000;

const CASES: Readonly<Record<string, readonly Case[]>> = {
  'an answer': ANSWERS,
  'a server that lies or floods': LIARS,
  'a stranger': STRANGERS,
  'a server that breaks off or waits': BREAKERS,
  'a place': PLACES,
  'a watchdog': WATCHDOGS,
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

  describe('asks', () => {
    const target: readonly [string, (at: Place) => readonly string[], string, string][] = [
      ['the default path on PORT', () => [], '/api/v1/health', '127.0.0.1:{port}'],
      [
        'a path on PORT',
        () => ['/api/v1/health/live?exclude=db%20x'],
        '/api/v1/health/live?exclude=db%20x',
        '127.0.0.1:{port}',
      ],
      [
        'a URL without a path',
        ({ port }) => [`http://127.0.0.1:${port}`],
        '/api/v1/health',
        '127.0.0.1:{port}',
      ],
      ['a URL with the path /', ({ port }) => [`http://127.0.0.1:${port}/`], '/', '127.0.0.1:{port}'],
      [
        'localhost under its name',
        ({ port }) => [`http://localhost:${port}/a;b`],
        '/a;b',
        'localhost:{port}',
      ],
      [
        'a path as long as allowed',
        () => [`/${'a'.repeat(1023)}`],
        `/${'a'.repeat(1023)}`,
        '127.0.0.1:{port}',
      ],
    ];

    test.each(target)('%s', async (_name, args, path, host) => {
      const at = await serve(answers('HTTP/1.1 200 OK\r\n\r\n'));
      try {
        const outcome = await runCommand([...command(), ...args(at)], { env: { PORT: String(at.port) } });
        expect(said(outcome)).toEqual({ code: 0, line: 'healthy: 200 (T ms)' });
        const hostLine = `Host: ${host.replace('{port}', String(at.port))}`;
        expect(at.received()).toBe(`GET ${path} HTTP/1.0\r\n${hostLine}\r\nUser-Agent: vitals-probe\r\n\r\n`);
      } finally {
        await at.close();
      }
    });

    test('a unix socket without a path for the default one', async () => {
      const at = await serve(answers('HTTP/1.1 200 OK\r\n\r\n'), 'unix');
      try {
        const outcome = await runCommand([...command(), at.where]);
        expect(said(outcome)).toEqual({ code: 0, line: 'healthy: 200 (T ms)' });
        expect(at.received()).toMatch(/^GET \/api\/v1\/health HTTP\/1.0\r\nHost: localhost\r\n/);
      } finally {
        await at.close();
      }
    });

    test('the service and not the proxy that the environment names', async () => {
      const [at, proxy] = [await serve(answers('HTTP/1.1 200 OK\r\n\r\n')), await serve(answers())];
      try {
        const env = {
          PORT: String(at.port),
          http_proxy: `http://${proxy.where}`,
          HTTP_PROXY: `http://${proxy.where}`,
        };
        expect((await runCommand([...command(), '/x'], { env })).code).toBe(0);
        expect(proxy.received()).toBe('');
      } finally {
        await Promise.all([at.close(), proxy.close()]);
      }
    });
  });

  test('takes an empty PORT for none', async () => {
    const { stderr } = await runCommand([...command(), '--timeout-ms', '200'], { env: { PORT: '' } });
    expect(stderr).toBe('');
  });

  const inOwnNetwork = runnable(`${name} in a network of its own`, missing ?? ownNetwork());

  inOwnNetwork('says which error the kernel has where there is no way', async () => {
    const outcome = await runCommand(['unshare', '-n', ...command(), 'http://127.0.0.1:1/']);
    expect(said(outcome)).toEqual({
      code: 1,
      line: 'unhealthy: refused: no way to 127.0.0.1:1, errno 101 (T ms)',
    });
  });

  inOwnNetwork('says that localhost refuses also where there is no IPv6', async () => {
    const script = 'ip link set lo up && echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && exec "$@"';
    const outcome = await runCommand([
      'unshare',
      '-n',
      'sh',
      '-c',
      script,
      'sh',
      ...command(),
      'http://localhost:1/',
    ]);
    expect(said(outcome)).toEqual({
      code: 1,
      line: 'unhealthy: refused: nothing listens on localhost:1 (T ms)',
    });
  });

  test('leaves its exit code even when nobody reads its line', async () => {
    const at = await serve(drips(['HTTP/1.1 200 OK\r\n\r\n'], 100));
    try {
      expect(await codeWithoutReader([...command(), `http://${at.where}/`])).toEqual([0, null]);
    } finally {
      await at.close();
    }
  });

  const asNobody = runnable(
    `${name} as another user`,
    missing ?? (process.getuid?.() === 0 ? undefined : 'only root can run it as another user'),
  );

  asNobody('names the missing permission for a socket', async () => {
    const at = await serve(answers(), 'unix');
    try {
      const outcome = await runCommand([...command(), `${at.where}:/x`], { uid: 65_534 });
      expect(said(outcome)).toEqual({
        code: 1,
        line: `unhealthy: refused: no permission for ${at.where} (T ms)`,
      });
    } finally {
      await at.close();
    }
  });

  test('prints its usage and its version', async () => {
    const [help, version] = [
      await runCommand([...command(), '--help']),
      await runCommand([...command(), '--version']),
    ];
    expect(help).toMatchObject({ code: 0, stdout: USAGE, stderr: '' });
    expect(version).toMatchObject({ code: 0, stdout: `vitals-probe ${VERSION}\n`, stderr: '' });
  });
});

/** Why no network namespace can be made here. */
function ownNetwork(): string | undefined {
  const { status, error } = spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up'], {
    stdio: 'ignore',
  });
  return error || status !== 0 ? 'it needs root, unshare and ip (Debian: util-linux, iproute2)' : undefined;
}

/** Runs a command whose output is closed before it writes: exit code and signal. */
async function codeWithoutReader([program = '', ...args]: readonly string[]): Promise<unknown[]> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  child.stderr.destroy();
  return once(child, 'exit');
}

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

/**
 * The table every implementation is held to: each binary, the sanitized build and the probe in JavaScript.
 * In a line `{where}` is where the server is and `(T ms)` the time; everything else is literal.
 */
import {
  type Family,
  type Place,
  answers,
  blocked,
  drips,
  floods,
  nowhere,
  resets,
  serve,
  stays,
  watched,
} from './servers.js';

export interface Case {
  readonly name: string;
  /** Absent: nobody is asked. */
  readonly start?: () => Promise<Place>;
  /** Default: the server's own URL with the path `/health`. */
  readonly args?: (at: Place) => readonly string[];
  readonly env?: (at: Place) => Readonly<Record<string, string>>;
  /** Default 20 s, so that a busy machine decides nothing. */
  readonly limitMs?: number;
  /** The line tells that the limit was used up. */
  readonly isUsedUp?: true;
  readonly says: string | RegExp;
  readonly code: 0 | 1;
}

const ok = (body = '{"status":"ok"}', headers = ''): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;

function server(
  name: string,
  behavior: Parameters<typeof serve>[0],
  code: 0 | 1,
  says: string | RegExp,
): Case {
  return { name, start: () => serve(behavior), code, says };
}

function late(name: string, behavior: Parameters<typeof serve>[0], says: string | RegExp): Case {
  return { ...server(name, behavior, 1, says), limitMs: 400, isUsedUp: true };
}

export const ANSWERS: readonly Case[] = [
  server('200 with our header', answers(ok('{}', 'X-Health-Status: ok\r\n')), 0, 'healthy: 200 ok (T ms)'),
  server('200 without our header', answers(ok()), 0, 'healthy: 200 (T ms)'),
  server('204', answers('HTTP/1.1 204 No Content\r\n\r\n'), 0, 'healthy: 204 (T ms)'),
  server('299, the last of the good', answers('HTTP/1.1 299 X\r\n\r\n'), 0, 'healthy: 299 (T ms)'),
  server(
    'a degraded service',
    answers(ok('{}', 'x-health-status:degraded; db=POOL_STARVED\r\n')),
    0,
    'healthy: 200 degraded db=POOL_STARVED (T ms)',
  ),
  server(
    '503 with cause and remedy',
    answers('HTTP/1.1 503 X\r\nA: b\r\nX-HEALTH-STATUS: error; db=POOL_WEDGED; remedy=restart\r\n\r\n{}'),
    1,
    'unhealthy: 503 error db=POOL_WEDGED remedy=restart (T ms)',
  ),
  server(
    '404 of a wrong path, with where, path and body',
    answers(
      'HTTP/1.1 404 Not Found\r\nContent-Length: 52\r\n\r\n{"message":"Cannot GET /health",\r\n  "statusCode":404}',
    ),
    1,
    'unhealthy: 404 for /health at {where}: {"message":"Cannot GET /health", "statusCode":404} (T ms)',
  ),
  server(
    '500 without a body',
    answers('HTTP/1.1 500 X\r\n\r\n'),
    1,
    'unhealthy: 500 for /health at {where} (T ms)',
  ),
  server(
    'a redirect',
    answers('HTTP/1.1 301 Moved\r\nLocation: https://example.com/\r\n\r\nMoved. See elsewhere'),
    1,
    'unhealthy: 301 for /health at {where}: https://example.com/ (T ms)',
  ),
  server(
    '304',
    answers('HTTP/1.1 304 Not Modified\r\n\r\n'),
    1,
    'unhealthy: 304 for /health at {where} (T ms)',
  ),
  server('HTTP/1.0', answers('HTTP/1.0 200 OK\r\n\r\n'), 0, 'healthy: 200 (T ms)'),
  server('no reason phrase', answers('HTTP/1.1 200\r\n\r\n'), 0, 'healthy: 200 (T ms)'),
  server('a blank instead of a reason', answers('HTTP/1.1 200 \r\n\r\n'), 0, 'healthy: 200 (T ms)'),
  server(
    'line feeds alone',
    answers('HTTP/1.1 200 OK\nX-Health-Status: ok\n\nx'),
    0,
    'healthy: 200 ok (T ms)',
  ),
  server(
    'no end of the headers',
    answers('HTTP/1.1 200 OK\r\nX-Health-Status: ok\r\n'),
    0,
    'healthy: 200 ok (T ms)',
  ),
  server('half a header', answers('HTTP/1.1 200 OK\r\nX-Health-Status: o'), 0, 'healthy: 200 (T ms)'),
  server('an empty header of ours', answers(ok('', 'X-Health-Status:\r\n')), 0, 'healthy: 200 (T ms)'),
  server('a header like ours in the body', answers(ok('\nX-Health-Status: bad\n')), 0, 'healthy: 200 (T ms)'),
  server('a longer header name', answers(ok('', 'X-Health-Status-2: bad\r\n')), 0, 'healthy: 200 (T ms)'),
  server('100 first', answers(`HTTP/1.1 100 Continue\r\n\r\n${ok()}`), 0, 'healthy: 200 (T ms)'),
  server(
    '103 with headers first',
    answers(
      'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX-Health-Status: no\r\n\r\nHTTP/1.1 503 X\r\nX-Health-Status: error\r\n\r\n',
    ),
    1,
    'unhealthy: 503 error (T ms)',
  ),
  server(
    'several of them, byte by byte',
    drips([...'HTTP/1.1 100 C\r\n\r\nHTTP/1.1 102 P\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'], 1),
    0,
    'healthy: 200 (T ms)',
  ),
  server('101', answers('HTTP/1.1 101 Switching\r\n\r\n'), 1, 'unhealthy: 101 for /health at {where} (T ms)'),
  server('600', answers('HTTP/1.1 600 X\r\n\r\n'), 1, 'unhealthy: 600 for /health at {where} (T ms)'),
  server('999', answers('HTTP/1.1 999 X\r\n\r\n'), 1, 'unhealthy: 999 for /health at {where} (T ms)'),
  server(
    'colors, line ends and bytes that no terminal should see',
    answers(Buffer.from('HTTP/1.1 500 X\r\n\r\n\x1b[31mred\x1b[0m\r\n\t\tnext\0\xe4\xff \n', 'latin1')),
    1,
    'unhealthy: 500 for /health at {where}: [31mred [0m next??? (T ms)',
  ),
  server(
    'a header of 2000 bytes, cut',
    answers(ok('', `X-Health-Status: ${'x'.repeat(2000)}\r\n`)),
    0,
    `healthy: 200 ${'x'.repeat(160)}... (T ms)`,
  ),
  server(
    'a header behind 4096 bytes, not seen',
    answers(ok('', `Big: ${'x'.repeat(5000)}\r\nX-Health-Status: ok\r\n`)),
    0,
    'healthy: 200 (T ms)',
  ),
];

export const LIARS: readonly Case[] = [
  server(
    'a body shorter than announced',
    answers('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}'),
    0,
    'healthy: 200 (T ms)',
  ),
  server(
    'a body longer than announced',
    answers('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{"a":1}'),
    0,
    'healthy: 200 (T ms)',
  ),
  server(
    'a negative length',
    answers('HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}'),
    0,
    'healthy: 200 (T ms)',
  ),
  server('no length and no end', stays('HTTP/1.1 200 OK\r\n\r\n{'), 0, 'healthy: 200 (T ms)'),
  server(
    'an endless slow body',
    drips(['HTTP/1.1 200 OK\r\n\r\n', ...'x'.repeat(999)], 20, 'stay'),
    0,
    'healthy: 200 (T ms)',
  ),
  server('a flood behind 200', floods('HTTP/1.1 200 OK\r\n\r\n', 'x'), 0, 'healthy: 200 (T ms)'),
  server(
    'a flood behind 503',
    floods('HTTP/1.1 503 X\r\n\r\n', 'abcdefg '),
    1,
    `unhealthy: 503 for /health at {where}: ${'abcdefg '.repeat(20)}... (T ms)`,
  ),
  server('endless headers', floods('HTTP/1.1 200 OK\r\n', 'A: b\r\n'), 0, 'healthy: 200 (T ms)'),
  server(
    'an endless status line',
    floods('HTTP/1.1 200 ', 'x'),
    1,
    `unhealthy: not HTTP: {where} answered "HTTP/1.1 200 ${'x'.repeat(147)}..." (T ms)`,
  ),
  server(
    'endless headers behind 100',
    floods('HTTP/1.1 100 C\r\n', 'A: b\r\n'),
    1,
    'unhealthy: 100 for /health at {where} (T ms)',
  ),
  late(
    'endless 100',
    floods('', 'HTTP/1.1 100 C\r\n\r\n'),
    /^unhealthy: timed out: \S+ sent \d+ bytes and no status line \(T ms\)$/,
  ),
];

export const STRANGERS: readonly Case[] = [
  server(
    'a banner',
    (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'),
    1,
    'unhealthy: not HTTP: {where} answered "SSH-2.0-OpenSSH_9.2 " (T ms)',
  ),
  server(
    'a TLS alert',
    answers(Buffer.from([21, 3, 1, 0, 2, 2, 70])),
    1,
    /^unhealthy: not HTTP: \S+ answered ".*F" \(T ms\)$/,
  ),
  server('nothing but a page', answers('<html>'), 1, 'unhealthy: not HTTP: {where} answered "<html>" (T ms)'),
  server(
    'HTTP/2',
    answers('HTTP/2 200\r\n\r\n'),
    1,
    'unhealthy: not HTTP: {where} answered "HTTP/2 200 " (T ms)',
  ),
  server(
    'lower case',
    answers('http/1.1 200 OK\r\n\r\n'),
    1,
    'unhealthy: not HTTP: {where} answered "http/1.1 200 OK " (T ms)',
  ),
  server(
    'a status of two digits',
    answers('HTTP/1.1 20 OK\r\n\r\n'),
    1,
    'unhealthy: not HTTP: {where} answered "HTTP/1.1 20 OK " (T ms)',
  ),
  server(
    'a status of four digits',
    answers('HTTP/1.1 2000\r\n\r\n'),
    1,
    'unhealthy: not HTTP: {where} answered "HTTP/1.1 2000 " (T ms)',
  ),
  server(
    'a status below 100',
    answers('HTTP/1.1 099 X\r\n\r\n'),
    1,
    'unhealthy: not HTTP: {where} answered "HTTP/1.1 099 X " (T ms)',
  ),
  server(
    'a status of 000',
    answers('HTTP/1.1 000 X\r\n\r\n'),
    1,
    'unhealthy: not HTTP: {where} answered "HTTP/1.1 000 X " (T ms)',
  ),
  server(
    'a status and a byte above 127',
    answers(Buffer.from('HTTP/1.1 200\xe4\r\n', 'latin1')),
    1,
    'unhealthy: not HTTP: {where} answered "HTTP/1.1 200? " (T ms)',
  ),
  server('NUL bytes', answers('\0\0\0'), 1, 'unhealthy: not HTTP: {where} answered "???" (T ms)'),
  server('an empty line first', answers('\r\nHTTP/1.1 200 OK\r\n\r\n'), 1, /^unhealthy: not HTTP: /),
];

export const BREAKERS: readonly Case[] = [
  server('closes at once', answers(), 1, 'unhealthy: cut off: {where} closed after 0 bytes (T ms)'),
  server(
    'closes within the status line',
    answers('HTTP/1.1 2'),
    1,
    'unhealthy: cut off: {where} closed after 10 bytes (T ms)',
  ),
  server(
    'closes before the line ends',
    answers('HTTP/1.1 200 OK'),
    1,
    'unhealthy: cut off: {where} closed after 15 bytes (T ms)',
  ),
  server(
    'closes behind 100',
    answers('HTTP/1.1 100 C\r\n\r\n'),
    1,
    'unhealthy: cut off: {where} closed after 18 bytes (T ms)',
  ),
  server('resets at once', resets(''), 1, 'unhealthy: cut off: {where} reset after 0 bytes (T ms)'),
  server('resets behind the status line', resets('HTTP/1.1 200 OK\r\n\r\n'), 0, 'healthy: 200 (T ms)'),
  server(
    'half-closes without a byte',
    (socket) => socket.end(),
    1,
    'unhealthy: cut off: {where} closed after 0 bytes (T ms)',
  ),
  server(
    'half-closes behind the answer',
    (socket) => socket.once('data', () => socket.end(ok())),
    0,
    'healthy: 200 (T ms)',
  ),
  server('answers before it is asked', (socket) => socket.end(ok()), 0, 'healthy: 200 (T ms)'),
  server('drips, but in time', drips([...'HTTP/1.1 200 OK\r\n\r\n'], 5), 0, 'healthy: 200 (T ms)'),
  late(
    'never answers',
    () => {},
    'unhealthy: silent: {where} accepted and sent nothing (event loop blocked?) (T ms)',
  ),
  late(
    'drips too slowly',
    drips([...'HTTP/1.1 200'.repeat(9)], 120),
    /^unhealthy: timed out: \S+ sent [1-4] bytes and no status line \(T ms\)$/,
  ),
  late(
    'stays silent behind 100',
    stays('HTTP/1.1 100 C\r\n\r\n'),
    'unhealthy: timed out: {where} sent 18 bytes and no status line (T ms)',
  ),
  late(
    'stays silent within the line',
    stays('HTTP/1.1 200 O'),
    'unhealthy: timed out: {where} sent 14 bytes and no status line (T ms)',
  ),
];

function socketCase(name: string, start: () => Promise<Place>, code: 0 | 1, says: string | RegExp): Case {
  return { name, start, args: (at) => [`${at.where}:/health`], code, says };
}

const on =
  (family: Family, body: string): (() => Promise<Place>) =>
  () =>
    serve(answers(body), family);
const localhost = (at: Place): readonly string[] => [`http://localhost:${at.port}/health`];

export const PLACES: readonly Case[] = [
  { name: 'refused', start: nowhere, code: 1, says: 'unhealthy: refused: nothing listens on {where} (T ms)' },
  { name: 'IPv6', start: on('ipv6', ok()), code: 0, says: 'healthy: 200 (T ms)' },
  {
    name: 'IPv6 refused',
    start: () => nowhere('ipv6'),
    code: 1,
    says: 'unhealthy: refused: nothing listens on {where} (T ms)',
  },
  {
    name: 'localhost on 127.0.0.1',
    start: on('ipv4', ok()),
    args: localhost,
    code: 0,
    says: 'healthy: 200 (T ms)',
  },
  {
    name: 'localhost on ::1',
    start: on('ipv6', ok()),
    args: localhost,
    code: 0,
    says: 'healthy: 200 (T ms)',
  },
  {
    name: 'localhost on neither',
    start: nowhere,
    args: localhost,
    code: 1,
    says: /^unhealthy: refused: nothing listens on localhost:\d+ \(T ms\)$/,
  },
  socketCase('a unix socket', on('unix', ok()), 0, 'healthy: 200 (T ms)'),
  socketCase(
    '503 on a unix socket',
    on('unix', 'HTTP/1.1 503 X\r\n\r\n'),
    1,
    'unhealthy: 503 for /health at {where} (T ms)',
  ),
  socketCase(
    'no unix socket',
    () => nowhere('unix'),
    1,
    'unhealthy: refused: there is no socket {where} (T ms)',
  ),
  {
    name: 'an event loop that stands still',
    start: () => blocked('ipv4', 0),
    limitMs: 400,
    isUsedUp: true,
    code: 1,
    says: 'unhealthy: silent: {where} accepted and sent nothing (event loop blocked?) (T ms)',
  },
  {
    name: 'a full backlog',
    start: () => blocked('ipv4', 4),
    limitMs: 400,
    isUsedUp: true,
    code: 1,
    says: 'unhealthy: timed out: no connection to {where} (T ms)',
  },
  {
    ...socketCase(
      'a full backlog of a unix socket',
      () => blocked('unix', 4),
      1,
      'unhealthy: timed out: no connection to {where} (T ms)',
    ),
    limitMs: 400,
    isUsedUp: true,
  },
  socketCase(
    'a unix socket whose backlog empties in time',
    () => blocked('unix', 4, 1500),
    0,
    'healthy: 200 (T ms)',
  ),
];

const BLOCKED =
  'HTTP/1.1 503 X\r\nX-Health-Status: error; eventLoop=LOOP_BLOCKED; remedy=restart\r\nContent-Length: 0\r\n\r\n';
const WATCHED = 'unhealthy: 503 from the watchdog: error eventLoop=LOOP_BLOCKED remedy=restart (T ms)';
const SILENT = 'unhealthy: silent: {where} accepted and sent nothing (event loop blocked?) (T ms)';

/** A service that ends in this way, and what the watchdog beside it says. */
function beside(
  name: string,
  service: () => Promise<Place>,
  watchdog: Parameters<typeof watched>[1],
  says: string,
  more: Partial<Case> = {},
): Case {
  return { name, start: () => watched(service(), watchdog), limitMs: 2000, code: 1, says, ...more };
}

const silent = (): Promise<Place> => blocked('ipv4', 0);

export const WATCHDOGS: readonly Case[] = [
  beside('behind silence it is asked', silent, answers(BLOCKED), WATCHED),
  beside('behind a full backlog', () => blocked('ipv4', 4), answers(BLOCKED), WATCHED),
  beside('behind a refusal', nowhere, answers(BLOCKED), WATCHED),
  beside('behind localhost', silent, answers(BLOCKED), WATCHED, { args: localhost }),
  beside('behind IPv6', () => serve(() => {}, 'ipv6'), answers(BLOCKED), WATCHED),
  beside('answering byte by byte', silent, drips([...BLOCKED], 1), WATCHED),
  beside(
    'that sees nothing wrong proves nothing',
    silent,
    answers(ok('', 'X-Health-Status: ok\r\n')),
    SILENT,
    {
      isUsedUp: true,
    },
  ),
  beside('that says 503 without a reason proves nothing', silent, answers('HTTP/1.1 503 X\r\n\r\n'), SILENT, {
    isUsedUp: true,
  }),
  beside('that is silent too keeps the deadline', silent, () => {}, SILENT, { isUsedUp: true }),
  beside('that closes', silent, answers(), SILENT, { isUsedUp: true }),
  beside(
    'is not asked about an answer',
    () => serve(answers(ok())),
    answers(BLOCKED),
    'healthy: 200 (T ms)',
    {
      code: 0,
    },
  ),
  beside(
    'is not asked about a broken answer',
    () => serve(answers()),
    answers(BLOCKED),
    'unhealthy: cut off: {where} closed after 0 bytes (T ms)',
  ),
  beside(
    'that sees nothing wrong does not end the wait for a slow answer',
    () => serve((socket) => socket.once('data', () => setTimeout(() => socket.end(ok()), 3250))),
    answers(ok()),
    'healthy: 200 (T ms)',
    { code: 0, limitMs: 4000 },
  ),
];

function mistake(
  name: string,
  args: readonly string[],
  says: string,
  env: Readonly<Record<string, string>> = {},
): Case {
  return { name, args: () => args, env: () => env, code: 1, says: `cannot ask: ${says}` };
}

const SHELL = '; no shell runs here: leave out "|| exit 1"';

export const MISTAKES: readonly Case[] = [
  mistake(
    '|| exit 1 in the URL',
    ['http://127.0.0.1:1/ || exit 1'],
    `the URL has a blank in it, got "http://127.0.0.1:1/ || exit 1"${SHELL}`,
  ),
  mistake('|| exit 1 as arguments', ['/health', '||', 'exit', '1'], `one URL is enough, got "||"${SHELL}`),
  mistake('a line feed in the path', ['/a\nb'], 'the URL is not printable ASCII, got "/a b"'),
  mistake('a request split by CR and LF', ['/a\r\nX: y'], 'the URL is not printable ASCII, got "/a X: y"'),
  mistake('a tab', ['/a\tb'], 'the URL is not printable ASCII, got "/a b"'),
  mistake('a letter beyond ASCII', ['/ä'], 'the URL is not printable ASCII, got "/??"'),
  mistake(
    'a path of 1025 bytes',
    [`/${'a'.repeat(1024)}`],
    `a URL has at most 1024 bytes, a socket 107, got "/${'a'.repeat(159)}..."`,
  ),
  mistake(
    'a socket path of 108 bytes',
    [`unix:/${'a'.repeat(107)}:/x`],
    `a URL has at most 1024 bytes, a socket 107, got "/${'a'.repeat(107)}"`,
  ),
  mistake(
    'https',
    ['https://127.0.0.1/'],
    'a URL begins with http:// (not https), unix:/ or /, got "https://127.0.0.1/"',
  ),
  mistake(
    'no scheme',
    ['localhost:3000/health'],
    'a URL begins with http:// (not https), unix:/ or /, got "localhost:3000/health"',
  ),
  mistake(
    'a relative socket',
    ['unix:app.sock'],
    'a URL begins with http:// (not https), unix:/ or /, got "unix:app.sock"',
  ),
  mistake('nothing at all', [''], 'a URL begins with http:// (not https), unix:/ or /, got ""'),
  mistake('no host', ['http:///health'], 'the URL has no host, got "http://"'),
  mistake('a port without a host', ['http://:3000/health'], 'the URL has no host, got "http://:3000"'),
  mistake('a name', ['http://db:3000/'], 'the host must be localhost or an IP, got "db"'),
  mistake(
    'a name that begins like localhost',
    ['http://localhost2/'],
    'the host must be localhost or an IP, got "localhost2"',
  ),
  ...[
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '1.2.3.',
    '1.2.3.04',
    '1.2..4',
    '0x7f.0.0.1',
    '127.1',
    'user@127.0.0.1',
  ].map((host) =>
    mistake(`the host ${host}`, [`http://${host}/`], `the host must be localhost or an IP, got "${host}"`),
  ),
  ...[
    '[::1',
    '[]',
    '[:]',
    '[:::]',
    '[1:2]',
    '[1::2::3]',
    '[12345::]',
    '[::g]',
    '[1:2:3:4:5:6:7:8:9]',
    '[1:]',
    '[::1]x',
    '[::127.0.0.1]',
    '[fe80::1%25lo]',
    '[1:2:3:4:5:6:7:8::]',
  ].map((host) =>
    mistake(`the host ${host}`, [`http://${host}/`], `the host must be localhost or an IP, got "${host}"`),
  ),
  ...['0', '70000', '65536', 'abc', '', '30 00', '-1', '99999999999999999999', '3000x']
    .filter((port) => !port.includes(' '))
    .map((port) =>
      mistake(
        `the port "${port}"`,
        [`http://127.0.0.1:${port}/`],
        `the port must be 1 to 65535, got "${port}"`,
      ),
    ),
  ...['abc', '0', '70000', '3000 ', '-1', '3e3'].map((port) =>
    mistake(`PORT="${port}"`, [], `PORT must be 1 to 65535, got "${port}"`, { PORT: port }),
  ),
  ...['0', '600001', 'abc', '', '1.5', '-5'].map((ms) =>
    mistake(`--timeout-ms "${ms}"`, ['--timeout-ms', ms], `--timeout-ms must be 1 to 600000, got "${ms}"`),
  ),
  mistake('--timeout-ms at the end', ['/x', '--timeout-ms'], '--timeout-ms must be 1 to 600000, got ""'),
  ...['0', '1001', 'abc', '', '1.5', '-5'].map((times) =>
    mistake(
      `--restart-after "${times}"`,
      ['--restart-after', times],
      `--restart-after must be 1 to 1000, got "${times}"`,
    ),
  ),
  mistake(
    '--restart-after at the end',
    ['/x', '--restart-after'],
    '--restart-after must be 1 to 1000, got ""',
  ),
  mistake('an unknown flag', ['--retries', '3'], 'unknown flag, got "--retries"'),
  mistake('a flag and its value in one', ['--timeout-ms 500'], 'unknown flag, got "--timeout-ms 500"'),
  mistake('a second URL', ['/a', '/b'], `one URL is enough, got "/b"${SHELL}`),
];

/** Hosts and ports that are right, though nobody answers there: the mistake must not be in the command line. */
export const RIGHT: readonly Case[] = [
  ['http://[::1]:1/x', '[::1]:1'],
  ['http://[0:0:0:0:0:0:0:1]:1', '[0:0:0:0:0:0:0:1]:1'],
  ['http://[::0001]:1/', '[::0001]:1'],
  ['http://127.0.0.1:1', '127.0.0.1:1'],
  ['http://127.255.255.254:1', '127.255.255.254:1'],
].map(([url = '', where = '']) => ({
  name: url,
  args: () => [url],
  code: 1 as const,
  says: `unhealthy: refused: nothing listens on ${where} (T ms)`,
}));

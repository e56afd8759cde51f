import { type Fields, understandEntry } from '../../../lib/probe/report/record.js';
import { UTC } from './lines.js';

const KERNEL = { code: 'ECONNRESET', errno: -104, syscall: 'read' };
const reset = (fields: Fields) => understandEntry(fields, UTC).reset;

describe('a reset is named by', () => {
  it.each<[string, Fields, string, string]>([
    ['error.code', { error: KERNEL, message: 'connect ETIMEDOUT' }, 'ECONNRESET', 'kernel'],
    ['error.cause.code', { error: { cause: { ...KERNEL, code: 'EPIPE' } } }, 'EPIPE', 'kernel'],
    ['err.code of a buried error', { message: 'query failed', err: KERNEL }, 'ECONNRESET', 'kernel'],
    ['code of an entry that is the error', { level: 'error', ...KERNEL }, 'ECONNRESET', 'kernel'],
    ['the first code that is a reset', { error: { code: 'EREQUEST' }, err: KERNEL }, 'ECONNRESET', 'kernel'],
    ['the message', { message: 'uncaughtException: write EPIPE' }, 'EPIPE', 'kernel'],
    [
      'the stack',
      { message: 'failed', stack: 'Error: connect ECONNREFUSED ::1:80' },
      'ECONNREFUSED',
      'kernel',
    ],
    ['a thrown string', { error: 'read ECONNABORTED' }, 'ECONNABORTED', 'kernel'],
    ['a bare word', { message: 'pool: ETIMEDOUT' }, 'ETIMEDOUT', 'synthesized'],
    ['a hang-up', { message: 'Error: socket hang up' }, 'ECONNRESET', 'synthesized'],
    [
      'a code without errno',
      { error: { code: 'ECONNRESET' }, message: 'aborted' },
      'ECONNRESET',
      'synthesized',
    ],
    ['oracledb', { message: 'NJS-500: connection broken\nread ECONNRESET' }, 'NJS-500', 'driver'],
    ['tedious', { error: { code: 'ESOCKET' } }, 'ESOCKET', 'driver'],
    ['mysql2', { error: { code: 'PROTOCOL_CONNECTION_LOST' } }, 'PROTOCOL_CONNECTION_LOST', 'driver'],
    ['undici', { error: { cause: { code: 'UND_ERR_SOCKET' } } }, 'UND_ERR_SOCKET', 'driver'],
  ])('%s', (_, fields, code, kind) => {
    expect(reset(fields)).toMatchObject({ code, kind });
  });

  it.each<[string, Fields]>([
    ['another code', { error: { code: 'ERR_HTTP_HEADERS_SENT' }, message: 'headers sent' }],
    ['a word that only begins so', { message: 'ESOCKETTIMEDOUT and MYECONNRESETS' }],
    ['values of strange kinds', { error: null, err: [1], message: 5, stack: {}, trace: 'x', process: 3 }],
  ])('nothing in %s', (_, fields) => {
    expect(reset(fields)).toBeUndefined();
  });
});

describe('the origin of a reset is', () => {
  const frames = (...paths: readonly string[]) => paths.map((path) => `    at f (${path}:1:2)`).join('\n');
  it.each<[string, Fields]>([
    [
      'pg-pool',
      { stack: frames('/app/node_modules/pg-pool/index.js', '/app/node_modules/pg/lib/client.js') },
    ],
    ['@redis/client', { stack: frames('/app/node_modules/@redis/client/dist/x.js') }],
    ['ioredis', { stack: frames('/app/node_modules/.pnpm/ioredis@5.0.0/node_modules/ioredis/built/x.js') }],
    ['tedious', { stack: frames('C:\\app\\node_modules\\tedious\\lib\\x.js') }],
    ['mysql2', { trace: [{ file: '/app/dist/main.js' }, { file: '/app/node_modules/mysql2/lib/x.js' }] }],
    ['oracledb', { error: { code: 'NJS-503' } }],
    ['fetch', { stack: frames('node:internal/deps/undici/undici') }],
    ['node:http', { stack: frames('node:_http_client') }],
    ['raw socket, unknown peer', { stack: frames('node:internal/stream_base_commons') }],
  ])('%s', (origin, fields) => {
    expect(reset({ error: KERNEL, ...fields })?.origin).toBe(origin);
  });
});

describe('the writer is', () => {
  it.each<[string, Fields]>([
    ['exception', { exception: true }],
    ['exception', { message: 'uncaughtException: read ECONNRESET' }],
    ['rejection', { rejection: true }],
    ['rejection', { message: 'unhandledRejection: read ECONNRESET' }],
    ['logged', { message: 'read ECONNRESET' }],
  ])('%s for %j', (writer, fields) => {
    expect(reset({ error: KERNEL, ...fields })?.writer).toBe(writer);
  });
});

describe('an entry', () => {
  it('tells time, pid and memory', () => {
    const process = { pid: 7, memoryUsage: { rss: 10, heapUsed: 5 } };
    expect(understandEntry({ timestamp: '2026-11-24T03:00:00.123Z', process }, UTC)).toEqual({
      ms: Date.UTC(2026, 10, 24, 3, 0, 0, 123),
      pid: 7,
      memory: { rssBytes: 10, heapUsedBytes: 5 },
      reset: undefined,
    });
  });

  it.each([
    'Tue Nov 24 2026 03:00:00 GMT+0000 (Coordinated Universal Time)',
    'Tue Nov 24 2026 10:00:00 GMT+0700 (Indochina Time)',
  ])('takes its time from `date` when there is no timestamp: %s', (date) => {
    expect(understandEntry({ date }, UTC).ms).toBe(Date.UTC(2026, 10, 24, 3));
  });
});

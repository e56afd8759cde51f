import net from 'node:net';

import { peerOf } from '../../lib/sources/reset-origins.js';
import { outcomeOf, wordsOf } from '../../lib/sources/reset-outcome.js';

describe('outcomeOf', () => {
  const kernel = (syscall: string, code: string) => Object.assign(new Error(), { code, errno: -1, syscall });
  const node = (code: string) => Object.assign(new Error(), { code });

  it.each([
    [kernel('read', 'ECONNRESET'), 'reset'],
    [kernel('write', 'ECONNRESET'), 'reset'],
    [kernel('write', 'EPIPE'), 'reset'],
    [kernel('connect', 'ECONNRESET'), 'connect-failed'],
    [kernel('connect', 'ECONNREFUSED'), 'connect-failed'],
    [kernel('connect', 'ETIMEDOUT'), 'connect-failed'],
    [kernel('read', 'ETIMEDOUT'), 'timed-out'],
    [kernel('read', 'EHOSTUNREACH'), 'closed'],
    [kernel('getaddrinfo', 'ENOTFOUND'), 'closed'],
    [node('ECONNRESET'), 'synthesized'],
    [node('EPIPE'), 'closed'],
    [node('ETIMEDOUT'), 'closed'],
    [Object.assign(node('ECONNREFUSED'), { errors: [kernel('connect', 'ECONNREFUSED')] }), 'connect-failed'],
    [Object.assign(node('ECONNRESET'), { errors: [kernel('connect', 'ECONNRESET')] }), 'connect-failed'],
    [Object.assign(new Error(), { errors: [new Error(), null] }), 'closed'],
    [Object.assign(node('ECONNRESET'), { errno: 'ECONNRESET', syscall: 'read' }), 'synthesized'],
    ['ECONNRESET', 'closed'],
    [null, 'closed'],
    [undefined, 'closed'],
  ])('takes %j for the end it stands for: %s', (error, outcome) => {
    expect(outcomeOf(error)).toBe(outcome);
  });

  it('keeps the words of the kernel, and null where there are none', () => {
    expect(wordsOf(kernel('read', 'ECONNRESET'))).toEqual({ code: 'ECONNRESET', errno: -1, syscall: 'read' });
    expect(wordsOf(null)).toEqual({ code: null, errno: null, syscall: null });
  });
});

describe('peerOf', () => {
  it.each([
    [[5432], 'localhost:5432'],
    [['5432'], 'localhost:5432'],
    [[5432, 'db'], 'db:5432'],
    [[5432, 'db', () => undefined], 'db:5432'],
    [[5432, () => undefined], 'localhost:5432'],
    [[{ port: 5432, host: 'db' }], 'db:5432'],
    [[{ port: '5432' }], 'localhost:5432'],
    [[{ port: 443, host: '2001:db8::1' }], '[2001:db8::1]:443'],
    [[{ path: '/run/db.sock' }], 'unix:/run/db.sock'],
    [[{ path: null, port: 1521, host: 'ora' }], 'ora:1521'],
    [['/run/db.sock'], 'unix:/run/db.sock'],
  ])('reads the arguments %j of connect as %s', (args, peer) => {
    expect(peerOf(args)).toBe(peer);
  });

  it('reads the arguments that Node has already put in order', () => {
    const normalized = (net as unknown as { _normalizeArgs(args: unknown[]): unknown[] })._normalizeArgs([
      443,
      'api',
    ]);
    expect(peerOf([normalized])).toBe('api:443');
  });

  it('keeps a name of any length short', () => {
    expect(peerOf([443, 'x'.repeat(100_000)]).length).toBeLessThan(300);
  });
});

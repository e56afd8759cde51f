import { ended, shadow } from '../../../lib/sources/pools/shadow.js';

class Pool {
  readonly given: unknown[][] = [];

  take(...args: unknown[]): unknown {
    this.given.push(args);
    const callback = args.at(-1);
    if (typeof callback !== 'function') return Promise.resolve('connection');
    return callback(null, 'connection', 'more');
  }
}

test('arguments, this, result and errors of a covered call are the original ones', async () => {
  const pool = new Pool();
  const heard: unknown[] = [];
  shadow(pool, 'take', (call, args) => ended(call, args, (error, value) => heard.push([error, value])));
  await expect(pool.take('read', 2)).resolves.toBe('connection');
  expect(pool.take('read', (...answer: unknown[]) => answer)).toEqual([null, 'connection', 'more']);
  expect(pool.given.map(([first]) => first)).toEqual(['read', 'read']);
  expect(heard).toEqual([
    [null, 'connection'],
    [null, 'connection'],
  ]);
  const failing = {
    take: () => {
      throw new Error('closed');
    },
  };
  shadow(failing, 'take', (call, args) => call(args));
  expect(() => failing.take()).toThrow('closed');
});

test('a promise is passed on and not branched off: a rejection that nobody handles stays unhandled', async () => {
  const lost = new Error('lost');
  const passedOn: unknown[] = [];
  class Original extends Promise<string> {
    // oxlint-disable-next-line unicorn/no-thenable
    override then<A = string, B = never>(
      hear?: ((value: string) => A | PromiseLike<A>) | null,
      fail?: ((reason: unknown) => B | PromiseLike<B>) | null,
    ): Promise<A | B> {
      const promise = super.then(hear, fail);
      passedOn.push(promise);
      return promise;
    }
  }
  const pool = { take: () => Original.reject(lost) };
  const heard: unknown[] = [];
  shadow(pool, 'take', (call, args) => ended(call, args, (error) => heard.push(error)));
  const promise = pool.take();
  expect(passedOn).toEqual([promise]);
  await expect(promise).rejects.toBe(lost);
  expect(heard).toEqual([lost]);
});

test('what our side throws reaches nobody', async () => {
  const pool = new Pool();
  shadow(pool, 'take', (call, args) =>
    ended(call, args, () => {
      throw new Error('ours');
    }),
  );
  await expect(pool.take()).resolves.toBe('connection');
  expect(pool.take(() => 'called')).toBe('called');
});

test('uncovered, the pool has its own method back', () => {
  const pool = new Pool();
  const end = shadow(pool, 'take', (call, args) => call(args));
  expect(Object.hasOwn(pool, 'take')).toBe(true);
  expect(Object.keys(pool)).toEqual(['given']);
  end();
  expect(Object.hasOwn(pool, 'take')).toBe(false);
});

test('covered again by somebody else, ours does nothing and theirs stays', async () => {
  const pool = new Pool();
  const calls: string[] = [];
  const end = shadow(pool, 'take', (call, args) => {
    calls.push('ours');
    return call(args);
  });
  const below = pool.take;
  pool.take = function (this: Pool, ...args: unknown[]) {
    calls.push('theirs');
    return below.apply(this, args);
  };
  end();
  await pool.take();
  expect(calls).toEqual(['theirs']);
  expect(pool.given).toHaveLength(1);
});
